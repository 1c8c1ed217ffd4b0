import type { Clock } from '../clock.js';
import type { Query, QueryOutcome } from './contract.js';

export interface ReplayLimits {
  readonly maxEntries: number;
  /** Bound of all stored questions and answers together, in UTF-16 units. */
  readonly maxChars: number;
  readonly ttlMs: number;
}

/**
 * More replies than all connections of a few clients can wait for. Each is kept long enough to be
 * moved by the collector, which for many more of them works harder than the queries do.
 */
export const DEFAULT_REPLAYS: ReplayLimits = {
  maxEntries: 4_000,
  maxChars: 32 * 1024 * 1024,
  ttlMs: 3_600_000,
};

/** A stored reply and the query it answers. */
export interface Replay {
  readonly query: Query;
  readonly outcome: QueryOutcome;
}

/** What is known by one request id: the query that runs, or the reply it had. */
export interface Known<F> {
  readonly flight: F | undefined;
  readonly stored: Replay | undefined;
}

/**
 * A class on purpose: literals that live long are soon made in old space, and with them whatever
 * is made beside them, here the running query, which is better off young.
 */
class Entry<F> implements Known<F> {
  readonly requestId: string;
  flight: F | undefined;
  query: Query | undefined = undefined;
  outcome: QueryOutcome | undefined = undefined;
  storedMs = 0;
  chars = 0;
  /** The one stored next. */
  next: Entry<F> | undefined = undefined;

  constructor(requestId: string, flight: F) {
    this.requestId = requestId;
    this.flight = flight;
  }

  get stored(): Replay | undefined {
    return this.outcome === undefined ? undefined : (this as Replay);
  }

  /** Dead entries are found by the collector late, and keep alive what they refer to. */
  clear(): void {
    this.flight = undefined;
    this.query = undefined;
    this.outcome = undefined;
    this.next = undefined;
  }
}

/** Allowance for what surrounds the texts of an entry, in UTF-16 units. */
const ENTRY_CHARS = 256;

/**
 * Queries by request id: first the one that runs, then its reply, for an asker that lost its
 * connection and asks again. The oldest replies go first.
 *
 * One map for both: a second one, for those that run, filled and emptied with each of them, cost
 * more than all else a query does, for a map leaves its former tables, with the values in them, to
 * the collector.
 */
export class RequestIds<F extends { readonly query: Query }> {
  readonly #limits: ReplayLimits;
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry<F>>();
  #oldest: Entry<F> | undefined;
  #newest: Entry<F> | undefined;
  #stored = 0;
  #chars = 0;

  constructor(limits: ReplayLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** How many replies are stored. */
  get stored(): number {
    return this.#stored;
  }

  find(requestId: string): Known<F> | undefined {
    const entry = this.#entries.get(requestId);
    if (entry?.stored === undefined) return entry;
    this.#dropExpired(this.#clock.monotonicMs());
    return entry.stored === undefined ? undefined : entry;
  }

  /** The query runs; nothing is known by its id. */
  began(requestId: string, flight: F): void {
    this.#entries.set(requestId, new Entry(requestId, flight));
  }

  /** Whoever asks with this id from now on asks anew. */
  forget(requestId: string, flight: F): void {
    const entry = this.#entries.get(requestId);
    if (entry?.flight === flight) this.#remove(entry);
  }

  /** Keeps what another try would not change: answers, and errors that asking again cannot cure. */
  ended(requestId: string, flight: F, outcome: QueryOutcome): void {
    const entry = this.#entries.get(requestId);
    if (entry?.flight !== flight) return;
    const chars = sizeOf(flight.query, outcome);
    if (!isFinal(outcome) || chars > this.#limits.maxChars) {
      this.#remove(entry);
      return;
    }
    entry.flight = undefined;
    entry.query = flight.query;
    entry.outcome = outcome;
    entry.storedMs = this.#clock.monotonicMs();
    entry.chars = chars;
    this.#append(entry);
    this.#dropExpired(entry.storedMs);
    const { maxEntries, maxChars } = this.#limits;
    while (this.#stored > maxEntries || this.#chars > maxChars) this.#dropOldest();
  }

  #append(entry: Entry<F>): void {
    if (this.#newest === undefined) this.#oldest = entry;
    else this.#newest.next = entry;
    this.#newest = entry;
    this.#stored += 1;
    this.#chars += entry.chars;
  }

  #dropExpired(nowMs: number): void {
    const sinceMs = nowMs - this.#limits.ttlMs;
    while (this.#oldest !== undefined && this.#oldest.storedMs <= sinceMs) this.#dropOldest();
  }

  #dropOldest(): void {
    const entry = this.#oldest;
    if (entry === undefined) return;
    this.#oldest = entry.next;
    if (entry.next === undefined) this.#newest = undefined;
    this.#stored -= 1;
    this.#chars -= entry.chars;
    this.#remove(entry);
  }

  #remove(entry: Entry<F>): void {
    this.#entries.delete(entry.requestId);
    entry.clear();
  }
}

function isFinal(outcome: QueryOutcome): boolean {
  return outcome.ok || (!outcome.error.retryable && outcome.error.code !== 'cancelled');
}

function sizeOf({ question }: Query, outcome: QueryOutcome): number {
  const answer = outcome.ok ? outcome.reply.answer : outcome.error.message;
  return ENTRY_CHARS + question.length + answer.length;
}
