/**
 * When an engine that failed to start, or whose session died, may be started again: pure.
 *
 * The wait doubles with every fault in a row, with jitter so that pools do not start in step. After
 * several faults the engine is in quarantine: queries are told at once instead of being kept.
 */
import type { WarmlineError } from '../errors.js';

export interface BackoffLimits {
  /** Wait after the first fault, in milliseconds. */
  readonly baseMs: number;
  /** Longest wait, in milliseconds. */
  readonly maxMs: number;
  /** Faults in a row that mean quarantine. */
  readonly quarantineAfter: number;
  /** Faults further apart than this do not add up, in milliseconds. */
  readonly forgetMs: number;
}

export const DEFAULT_BACKOFF: BackoffLimits = {
  baseMs: 100,
  maxMs: 60_000,
  quarantineAfter: 5,
  forgetMs: 600_000,
};

export interface Faulted {
  readonly at: 'backing_off' | 'quarantined';
  /** Faults in a row. */
  readonly faults: number;
  readonly faultMs: number;
  /** Nothing is opened before, in monotonic milliseconds. */
  readonly untilMs: number;
  readonly why: WarmlineError;
}

export type EngineHealth = { readonly at: 'well' } | Faulted;

export const WELL: EngineHealth = { at: 'well' };

/** @param random a number in [0, 1) */
export function afterFault(
  health: EngineHealth,
  why: WarmlineError,
  nowMs: number,
  limits: BackoffLimits,
  random: number,
): Faulted {
  const inARow = health.at !== 'well' && nowMs - health.faultMs < limits.forgetMs;
  const faults = inARow ? health.faults + 1 : 1;
  const waitMs = Math.max(delayMs(faults, limits, random), why.retryAfterMs ?? 0);
  // A login or a limit is not cured by trying again soon: askers are told at once.
  const hopeless = why.code === 'engine_auth' || why.code === 'engine_limit';
  const at = hopeless || faults >= limits.quarantineAfter ? 'quarantined' : 'backing_off';
  return { at, faults, faultMs: nowMs, untilMs: nowMs + waitMs, why };
}

/** Between half and all of `baseMs` doubled with each fault in a row. */
export function delayMs(faults: number, limits: BackoffLimits, random: number): number {
  const full = Math.min(limits.maxMs, limits.baseMs * 2 ** Math.min(faults - 1, 30));
  return full / 2 + (full / 2) * random;
}

/** When a session may be opened: now (0), or the end of the wait, in monotonic milliseconds. */
export function opensAtMs(health: EngineHealth): number {
  return health.at === 'well' ? 0 : health.untilMs;
}
