/**
 * How often a partner may call: a token bucket for each conversation and side. A bucket holds the
 * calls of one minute, is full at first, and fills evenly. It is in memory: a new process begins
 * with full ones.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../src/clock.js';

/** The bucket that was used longest ago is forgotten beyond these; it is most likely full again. */
const MAX_BUCKETS = 10_000;
const MINUTE_MS = 60_000;

interface Bucket {
  readonly left: number;
  readonly atMs: number;
}

export class RateLimit {
  readonly #perMinute: number;
  readonly #clock: Clock;
  readonly #buckets = new LRUCache<string, Bucket>({ max: MAX_BUCKETS });

  /** @param perMinute 0: no limit */
  constructor(perMinute: number, clock: Clock) {
    this.#perMinute = perMinute;
    this.#clock = clock;
  }

  /** Takes one call out of a bucket. @returns 0, or in how many milliseconds there is one again */
  take(key: string): number {
    if (this.#perMinute === 0) return 0;
    const nowMs = this.#clock.monotonicMs();
    const left = this.#leftIn(this.#buckets.get(key), nowMs);
    const isThere = left >= 1;
    this.#buckets.set(key, { left: isThere ? left - 1 : left, atMs: nowMs });
    return isThere ? 0 : ((1 - left) * MINUTE_MS) / this.#perMinute;
  }

  #leftIn(bucket: Bucket | undefined, nowMs: number): number {
    if (bucket === undefined) return this.#perMinute;
    const filled = ((nowMs - bucket.atMs) * this.#perMinute) / MINUTE_MS;
    return Math.min(this.#perMinute, bucket.left + filled);
  }
}
