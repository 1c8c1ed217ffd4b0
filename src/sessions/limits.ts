import { type BackoffLimits, DEFAULT_BACKOFF } from './backoff.js';
import { type ClockLimits, DEFAULT_CLOCKS } from './clocks.js';
import type { WearLimits } from './eviction.js';

/** What one engine's pool may use and how long it waits. Durations in milliseconds. */
export interface PoolLimits extends ClockLimits, WearLimits {
  /** Most sessions open at once. */
  readonly size: number;
  /** Fresh sessions kept ready beside those that work. */
  readonly spares: number;
  /** Most queries that wait; the next is refused as `busy`. */
  readonly queueLimit: number;
  /** Rest after which a session that is not needed leaves. */
  readonly idleMs: number;
  /** Longest start of a session. */
  readonly openMs: number;
  /** From the cancel of a turn to the end of its session, when the turn does not stop. */
  readonly graceMs: number;
  /** Longest time a session may take to forget a turn. */
  readonly resetMs: number;
  /** Longest time the end of a session is waited for. */
  readonly closeMs: number;
  /**
   * Longest answer, in UTF-16 units; an engine that says more is stopped. A unit takes up to three
   * bytes of UTF-8, and clients take replies of up to 64 MiB: beyond 20 Mi some would not arrive.
   */
  readonly maxAnswerChars: number;
  readonly backoff: BackoffLimits;
}

export const DEFAULT_LIMITS: PoolLimits = {
  ...DEFAULT_CLOCKS,
  size: 4,
  spares: 1,
  queueLimit: 1024,
  idleMs: 600_000,
  openMs: 60_000,
  graceMs: 500,
  resetMs: 10_000,
  closeMs: 5_000,
  maxTurns: 200,
  maxAgeMs: 6 * 3_600_000,
  maxMemoryBytes: 600 * 1024 * 1024,
  maxFaults: 2,
  maxAnswerChars: 16 * 1024 * 1024,
  backoff: DEFAULT_BACKOFF,
};
