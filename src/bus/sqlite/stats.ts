/** The figures of the bus, read without a lock. */
import type { BusStats, Side } from '../bus.js';
import type { Statements } from './statements.js';

/** @param fresh unread rows that no claim has taken in yet, and the Julian day of the first */
export function readStats(
  sql: Statements,
  session: Side,
  fresh: { rows: number; day: number | null },
  nowUs: number,
): BusStats {
  const lanes = sql.laneCounts.all({ session, nowUs });
  const inState = (state: string) => lanes.find((lane) => lane.state === state);
  const leased = inState('leased')?.lanes ?? 0;
  const unfinished = lanes.reduce((total, lane) => total + lane.unfinished, 0);
  const counters = new Map(
    sql.counters.all({ session }).map(({ name, value }) => [name, value] as const),
  );
  const days = [sql.oldest.get({ session })?.day, fresh.day].filter((day) => day != null);
  return {
    pending: unfinished - leased + fresh.rows,
    leased,
    delayed: inState('ready')?.delayed ?? 0,
    waiting: inState('waiting')?.unfinished ?? 0,
    expired: inState('expired')?.unfinished ?? 0,
    complete: counters.get('complete') ?? 0,
    failed: counters.get('failed') ?? 0,
    dead: counters.get('dead') ?? 0,
    ignored: counters.get('ignored') ?? 0,
    orphaned: counters.get('orphaned') ?? 0,
    stale: counters.get('stale') ?? 0,
    oldestPendingMs:
      days.length === 0 ? 0 : Math.max(0, Math.round(nowUs / 1000 - julianToMs(Math.min(...days)))),
  };
}

/** Milliseconds since the epoch; a Julian day is exact to about a tenth of a millisecond here. */
function julianToMs(day: number): number {
  return (day - 2440587.5) * 86_400_000;
}
