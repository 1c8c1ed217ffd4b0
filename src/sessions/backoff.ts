/**
 * When an engine that fails may be tried again: pure.
 *
 * An engine whose sessions do not start, or die, backs off: the wait doubles with every fault in a
 * row, with jitter so that pools do not start in step. After several faults it is in quarantine:
 * queries that find no session are told at once instead of being kept. An engine that refuses the
 * work itself (no login, a used-up limit, overload that says for how long) is parked: no query
 * reaches it and nothing is started until then, however many sessions are open.
 */
import type { ErrorCode, WarmlineError } from '../errors.js';

export interface BackoffLimits {
  /** Wait after the first fault, in milliseconds. */
  readonly baseMs: number;
  /** Longest wait, in milliseconds. */
  readonly maxMs: number;
  /** Faults in a row that mean quarantine. */
  readonly quarantineAfter: number;
  /** Faults further apart than this do not add up, in milliseconds. */
  readonly forgetMs: number;
  /** First wait for a login or a limit that does not say when it ends, in milliseconds. */
  readonly parkMs: number;
  /** Longest such wait, in milliseconds. */
  readonly maxParkMs: number;
}

export const DEFAULT_BACKOFF: BackoffLimits = {
  baseMs: 100,
  maxMs: 60_000,
  quarantineAfter: 5,
  forgetMs: 600_000,
  parkMs: 30_000,
  maxParkMs: 300_000,
};

/** A reset further away is not believed, in milliseconds: weekly limits are the longest there are. */
const MAX_RESET_MS = 8 * 86_400_000;

/** However far the reset, one try is made after this: it may be wrong, or lifted, in milliseconds. */
const MAX_WAIT_MS = 30 * 60_000;

export interface Faulted {
  readonly at: 'backing_off' | 'quarantined' | 'parked';
  /** Faults in a row. */
  readonly faults: number;
  readonly faultMs: number;
  /** Nothing is opened before, in monotonic milliseconds. */
  readonly untilMs: number;
  /** When the engine said that it ends, in monotonic milliseconds; it may be later than `untilMs`. */
  readonly endsMs: number;
  readonly why: WarmlineError;
}

export type EngineHealth = { readonly at: 'well' } | Faulted;

export const WELL: EngineHealth = { at: 'well' };

/** What failed: a session (it did not start, or died), or a turn in one that works. */
export type FaultOf = 'session' | 'turn';

/** @param random a number in [0, 1) */
export function afterFault(
  health: EngineHealth,
  why: WarmlineError,
  nowMs: number,
  limits: BackoffLimits,
  random: number,
  of: FaultOf = 'session',
): Faulted {
  const reset = resetMs(why) ?? 0;
  // Turns that ran beside each other meet the same refusal: it counts once, the latest end holds.
  if (health.at === 'parked' && nowMs < health.untilMs) {
    const waitMs = isHopeless(why.code) ? reset : 0;
    const endsMs = Math.max(health.endsMs, nowMs + waitMs);
    return { ...health, endsMs, untilMs: Math.max(health.untilMs, nowMs + atMost(waitMs)) };
  }
  const inARow = health.at !== 'well' && nowMs - health.untilMs < limits.forgetMs;
  const faults = inARow ? health.faults + 1 : 1;
  const at = stateAfter(why, faults, limits, of);
  const untilMs = nowMs + waitMs(why, faults, limits, random);
  const endsMs = at === 'parked' ? Math.max(untilMs, nowMs + reset) : untilMs;
  return { at, faults, faultMs: nowMs, untilMs, endsMs, why };
}

function atMost(waitMs: number): number {
  return Math.min(waitMs, MAX_WAIT_MS);
}

/** Whether no query may reach the engine now, even where a session is ready. */
export function refusesTurns(health: EngineHealth, nowMs: number): boolean {
  return health.at === 'parked' && nowMs < health.untilMs;
}

function stateAfter(
  why: WarmlineError,
  faults: number,
  limits: BackoffLimits,
  of: FaultOf,
): Faulted['at'] {
  if (isHopeless(why.code)) return 'parked';
  const isMany = faults >= limits.quarantineAfter;
  if (of === 'turn' && why.code === 'engine_unavailable') {
    return isMany || why.retryAfterMs !== undefined ? 'parked' : 'backing_off';
  }
  return isMany ? 'quarantined' : 'backing_off';
}

function waitMs(why: WarmlineError, faults: number, limits: BackoffLimits, random: number): number {
  const reset = resetMs(why);
  if (!isHopeless(why.code)) {
    return Math.max(delayMs(faults, limits, random), Math.min(reset ?? 0, limits.maxMs));
  }
  if (reset !== undefined) return Math.max(delayMs(faults, limits, random), atMost(reset));
  const slow = { baseMs: limits.parkMs, maxMs: limits.maxParkMs };
  return delayMs(faults, slow, random);
}

/** A login or a limit is not cured by trying again soon. */
function isHopeless(code: ErrorCode): boolean {
  return code === 'engine_auth' || code === 'engine_limit';
}

/** The time the engine named, where one can believe it. */
function resetMs({ retryAfterMs }: WarmlineError): number | undefined {
  if (retryAfterMs === undefined || !(retryAfterMs <= MAX_RESET_MS)) return undefined;
  return Math.max(0, retryAfterMs);
}

/** Between half and all of `baseMs` doubled with each fault in a row. */
export function delayMs(
  faults: number,
  limits: Pick<BackoffLimits, 'baseMs' | 'maxMs'>,
  random: number,
): number {
  const full = Math.min(limits.maxMs, limits.baseMs * 2 ** Math.min(faults - 1, 30));
  return full / 2 + (full / 2) * random;
}

/** When a session may be opened: now (0), or the end of the wait, in monotonic milliseconds. */
export function opensAtMs(health: EngineHealth): number {
  return health.at === 'well' ? 0 : health.untilMs;
}
