/** What is known of the queue, in the shape it has on the wire and in the bus. Pure. */
import type { BusStats, Reaped, Side } from '../../src/bus/index.js';
import type { QueueReport } from '../socket/index.js';
import type { ParkReport } from './parking.js';
import type { ReaperReport } from './reaper.js';
import type { Warning } from './warnings.js';

interface QueueFacts {
  /** Base name of the bus file. */
  readonly db: string;
  readonly session: Side;
  readonly stats: BusStats;
  readonly active: number;
  readonly reaper: ReaperReport;
  readonly parks: readonly ParkReport[];
  readonly warnings: readonly Warning[];
  /** On the monotonic clock. */
  readonly nowMs: number;
}

/** As the protocol bounds them. */
const MAX_ENTRIES = 32;
const MAX_NAME = 256;
const MAX_TEXT = 300;

export function toReport(facts: QueueFacts): QueueReport {
  const { db, session, stats, active, reaper, parks, warnings, nowMs } = facts;
  const { pending, leased, delayed, waiting, expired, dead, stale, oldestPendingMs } = stats;
  const { lastPassAgeMs, nextPassMs, found, foundTotal } = reaper;
  return {
    db,
    session,
    pid: process.pid,
    last_pass_age_ms: lastPassAgeMs === undefined ? null : Math.round(lastPassAgeMs),
    next_pass_ms: Math.min(3_600_000, Math.round(nextPassMs)),
    found: counts(found),
    found_total: counts(foundTotal),
    active,
    ...{ pending, leased, delayed, waiting, expired, dead, stale },
    oldest_ms: Math.round(oldestPendingMs),
    parks: parks.slice(0, MAX_ENTRIES).map((park) => ({
      engine: park.engine.slice(0, MAX_NAME),
      code: park.code,
      message: park.message.slice(0, MAX_TEXT),
      since_ms: park.sinceMs,
      until_ms: park.untilMs ?? null,
      next_try_ms: park.nextTryMs,
      waiting: park.waiting,
    })),
    warnings: [...warnings]
      .sort(severeFirst)
      .slice(0, MAX_ENTRIES)
      .map((warning) => ({
        kind: warning.kind,
        subject: warning.subject.slice(0, MAX_NAME),
        severity: warning.severity,
        message: warning.message.slice(0, MAX_TEXT),
        value: warning.value,
        limit: warning.limit,
        age_ms: Math.round(nowMs - warning.sinceMs),
      })),
  };
}

function severeFirst(one: Warning, other: Warning): number {
  return Number(other.severity === 'severe') - Number(one.severity === 'severe');
}

function counts({ expired, gone, failed }: Reaped) {
  return { expired, gone, failed };
}
