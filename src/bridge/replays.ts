import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.js';
import type { Query, QueryOutcome } from './contract.js';

export interface ReplayLimits {
  readonly maxEntries: number;
  /** Bound of all stored questions and answers together, in UTF-16 units. */
  readonly maxChars: number;
  readonly ttlMs: number;
}

export const DEFAULT_REPLAYS: ReplayLimits = {
  maxEntries: 20_000,
  maxChars: 32 * 1024 * 1024,
  ttlMs: 3_600_000,
};

export interface Replay {
  readonly query: Query;
  readonly outcome: QueryOutcome;
}

/** Allowance for what surrounds the texts of an entry, in UTF-16 units. */
const ENTRY_CHARS = 256;

/** Replies kept by request id, for an asker that lost its connection and asks again. */
export class Replays {
  readonly #kept: LRUCache<string, Replay>;

  constructor(limits: ReplayLimits, clock: Clock) {
    this.#kept = new LRUCache<string, Replay>({
      max: limits.maxEntries,
      maxSize: limits.maxChars,
      maxEntrySize: limits.maxChars,
      sizeCalculation: sizeOf,
      ttl: limits.ttlMs,
      ttlResolution: 0,
      perf: { now: () => clock.monotonicMs() },
    });
  }

  get size(): number {
    return this.#kept.size;
  }

  find(requestId: string): Replay | undefined {
    return this.#kept.get(requestId);
  }

  /** Keeps what another try would not change: answers, and errors that asking again cannot cure. */
  keep(requestId: string, query: Query, outcome: QueryOutcome): void {
    if (!outcome.ok && (outcome.error.retryable || outcome.error.code === 'cancelled')) return;
    this.#kept.set(requestId, { query, outcome });
  }
}

function sizeOf({ query, outcome }: Replay): number {
  const answer = outcome.ok ? outcome.reply.answer : outcome.error.message;
  return ENTRY_CHARS + query.question.length + answer.length;
}
