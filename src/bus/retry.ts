/** What to do with a failed attempt. Pure: the failure and the count in, a plan out. */

export interface RetryPolicy {
  readonly maxAttempts: number;
  readonly baseDelayMs: number;
  readonly maxDelayMs: number;
  /** No further attempt begins once the failed ones took this long together. Default one hour. */
  readonly scheduleToCloseMs?: number | undefined;
}

export const DEFAULT_RETRY: RetryPolicy = { maxAttempts: 3, baseDelayMs: 500, maxDelayMs: 60_000 };

const SCHEDULE_TO_CLOSE_MS = 3_600_000;

/** Whatever time was named, a question is offered again after this: the time may be wrong. */
const MAX_NAMED_MS = 15 * 60_000;

/** An engine that does not say when it takes work again is asked this rarely, in milliseconds. */
const PARK_MS = 15_000;

type RetryPlan =
  | { readonly step: 'answer_error'; readonly dead: boolean }
  | { readonly step: 'retry'; readonly delayMs: number }
  /** Not the question's fault: the attempt does not count. */
  | { readonly step: 'park'; readonly delayMs: number };

/** No retry helps: the question itself is at fault. */
const DETERMINISTIC = new Set([
  'bad_json',
  'bad_request',
  'line_too_long',
  'conflict',
  'context_denied',
  'context_missing',
  'context_too_large',
  'not_found',
  'cancelled',
]);

/** The engine or the bridge cannot take work now; the question has not been tried. */
const NOT_TRIED = new Set([
  'engine_limit',
  'engine_auth',
  'engine_unavailable',
  'busy',
  'shutting_down',
  'unauthorized',
  'unreachable',
  'closed',
]);

export interface Failure {
  readonly code: string;
  readonly retryAfterMs?: number | undefined;
  /**
   * How long the attempts that failed took together, this one included, in milliseconds. Only the
   * time somebody worked on the question counts: what it waited for a parked engine, a bridge that
   * was away or a machine that slept is not held against it.
   */
  readonly spentMs?: number | undefined;
}

/**
 * @param attempt how many attempts have been made, this one included
 * @param random in [0, 1), spreads retries so that they do not come in waves
 */
export function planRetry(
  failure: Failure,
  attempt: number,
  random: number,
  policy: RetryPolicy = DEFAULT_RETRY,
): RetryPlan {
  if (DETERMINISTIC.has(failure.code)) return { step: 'answer_error', dead: false };
  const namedMs = Math.min(failure.retryAfterMs ?? 0, MAX_NAMED_MS);
  const backOff = Math.min(policy.maxDelayMs, policy.baseDelayMs * 2 ** (attempt - 1));
  const delayMs = Math.max(Math.round(backOff * (0.5 + random / 2)), namedMs);
  if (NOT_TRIED.has(failure.code)) {
    const blind = failure.code.startsWith('engine_') && failure.retryAfterMs === undefined;
    return { step: 'park', delayMs: blind ? Math.round(PARK_MS * (0.75 + random / 2)) : delayMs };
  }
  const { maxAttempts, scheduleToCloseMs = SCHEDULE_TO_CLOSE_MS } = policy;
  const isLate = (failure.spentMs ?? 0) + delayMs >= scheduleToCloseMs;
  if (attempt >= maxAttempts || isLate) return { step: 'answer_error', dead: true };
  return { step: 'retry', delayMs };
}
