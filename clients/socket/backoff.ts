export interface ReconnectPolicy {
  /** Longest wait before the first new attempt, in milliseconds. Default 100. */
  readonly baseMs: number;
  /** Longest wait between attempts, in milliseconds. Default 5,000. */
  readonly maxMs: number;
}

export const DEFAULT_RECONNECT: ReconnectPolicy = { baseMs: 100, maxMs: 5_000 };

/**
 * How long to wait before attempt number `attempt` (from 1), in whole milliseconds: the ceiling
 * doubles with each attempt, and half of it is random, so that the clients of a restarted server
 * do not come back at the same instant.
 * @param random in [0, 1)
 */
export function reconnectDelayMs(attempt: number, random: number, policy: ReconnectPolicy): number {
  const ceiling = Math.min(policy.maxMs, policy.baseMs * 2 ** Math.min(attempt - 1, 30));
  return Math.round(ceiling * (0.5 + random / 2));
}
