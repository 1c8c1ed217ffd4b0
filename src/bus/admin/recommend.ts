/** What to make of the times of turns: a suggestion, a verdict, and what to change. Pure. */
import type { Timeout, TimeoutChange, TimeoutTable } from './timeouts.js';

/** The times of the turns of one conversation with one engine, in milliseconds. */
export interface Latency {
  readonly conversationId: string;
  readonly engine: string;
  /** Turns that ended, and those of them whose time says how long an answer takes. */
  readonly samples: number;
  readonly timed: number;
  readonly complete: number;
  readonly failed: number;
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
  readonly maxMs: number | null;
  readonly meanMs: number | null;
}

export type Verdict = 'NO_DATA' | 'TOO_LOW' | 'TOO_HIGH' | 'OK';

/** Room above the 99th percentile. */
const ROOM = 1.5;

/** `ceil(p99 × 1.5)` in whole seconds, given and returned in milliseconds. */
export function suggestedTimeoutMs(p99Ms: number): number {
  return Math.max(1, Math.ceil((p99Ms * ROOM) / 1000)) * 1000;
}

/** A time-out ought to lie between the suggested one and twice that, both included. */
export function verdictOn(currentMs: number, suggestedMs: number | undefined): Verdict {
  if (suggestedMs === undefined) return 'NO_DATA';
  if (currentMs < suggestedMs) return 'TOO_LOW';
  return currentMs > 2 * suggestedMs ? 'TOO_HIGH' : 'OK';
}

export interface Recommendation {
  readonly conversationId: string;
  readonly engine: string;
  readonly samples: number;
  readonly timed: number;
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
  readonly maxMs: number | null;
  readonly currentMs: number;
  /** Where the current one comes from; `setting` when nobody set any here. */
  readonly source: Timeout['source'] | 'setting';
  readonly suggestedMs: number | undefined;
  readonly verdict: Verdict;
}

const NOTHING_KNOWN = {
  samples: 0,
  timed: 0,
  p50Ms: null,
  p95Ms: null,
  p99Ms: null,
  maxMs: null,
};

/**
 * One for each conversation and engine with turns or with a time-out of its own.
 * @param settingMs what holds where no time-out was set
 */
export function recommend(
  latencies: readonly Latency[],
  table: TimeoutTable,
  settingMs: number,
): Recommendation[] {
  const known = new Set(
    latencies.map(({ conversationId, engine }) => `${conversationId}\n${engine}`),
  );
  const unused = table.rows.filter((row) => !known.has(`${row.conversationId}\n${row.engine}`));
  return [...latencies, ...unused.map((row) => ({ ...NOTHING_KNOWN, ...row }))].map((each) => {
    const { conversationId, engine, samples, timed, p50Ms, p95Ms, p99Ms, maxMs } = each;
    const found = table.find(conversationId, [engine]);
    const currentMs = found?.timeoutMs ?? settingMs;
    const suggestedMs = p99Ms === null ? undefined : suggestedTimeoutMs(p99Ms);
    return {
      conversationId,
      engine,
      samples,
      timed,
      p50Ms,
      p95Ms,
      p99Ms,
      maxMs,
      currentMs,
      source: found?.source ?? 'setting',
      suggestedMs,
      verdict: verdictOn(currentMs, suggestedMs),
    };
  });
}

export interface Bounds {
  readonly floorMs: number;
  readonly ceilingMs: number;
}

/** Fewer turns say too little about the slowest of a hundred to act on it. */
const ENOUGH_TURNS = 20;

/** The suggestion inside the bounds, or undefined where too little is known for one. */
function boundedSuggestion(
  { timed, suggestedMs }: Pick<Recommendation, 'timed' | 'suggestedMs'>,
  { floorMs, ceilingMs }: Bounds,
): number | undefined {
  if (suggestedMs === undefined || timed < ENOUGH_TURNS) return undefined;
  return Math.min(ceilingMs, Math.max(floorMs, suggestedMs));
}

/** What to change so that every verdict that rests on enough turns becomes OK, as far as bounds let. */
export function planApply(recommendations: readonly Recommendation[], bounds: Bounds) {
  return recommendations.flatMap((each) => {
    const timeoutMs = boundedSuggestion(each, bounds);
    if (each.verdict === 'OK' || timeoutMs === undefined || timeoutMs === each.currentMs) return [];
    const { conversationId, engine, currentMs, verdict } = each;
    return [{ conversationId, engine, timeoutMs, currentMs, verdict }];
  });
}

/**
 * What adaptive clocks are to be now: learned where enough is known and nothing that a person set
 * holds, taken away elsewhere.
 */
export function planAdaptive(
  latencies: readonly Latency[],
  table: TimeoutTable,
  bounds: Bounds,
): TimeoutChange[] {
  const wanted = new Map<string, TimeoutChange>();
  for (const { conversationId, engine, timed, p99Ms } of latencies) {
    const suggestedMs = p99Ms === null ? undefined : suggestedTimeoutMs(p99Ms);
    const timeoutMs = boundedSuggestion({ timed, suggestedMs }, bounds);
    const isSet = table.find(conversationId, [engine])?.source === 'set';
    if (timeoutMs === undefined || isSet) continue;
    wanted.set(`${conversationId}\n${engine}`, { conversationId, engine, timeoutMs });
  }
  const changes = [...wanted.values()].filter(
    ({ conversationId, engine, timeoutMs }) =>
      table.at(conversationId, engine)?.timeoutMs !== timeoutMs,
  );
  const outdated = table.rows.filter(
    ({ conversationId, engine, source }) =>
      source === 'adaptive' && !wanted.has(`${conversationId}\n${engine}`),
  );
  return [
    ...changes,
    ...outdated.map(({ conversationId, engine }) => ({
      conversationId,
      engine,
      timeoutMs: undefined,
    })),
  ];
}
