/** Claiming: takes in new rows, settles those that are no questions, and leases the next ones. */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../../clock.js';
import type { BusObserver, ClaimRequest, Lease } from '../bus.js';
import { OVERSIZED, parseTaken } from '../question.js';
import { naiveUtc } from '../stamp.js';
import type { Ingest } from './ingest.js';
import type { Head } from './rows.js';
import type { Settlements } from './settlements.js';
import type { Statements } from './statements.js';

/** A claim takes up nothing further after this time: others wait for the write lock. */
const BUDGET_MS = 12;
/** Of which taking in new rows may use this much, so that there is always time to lease. */
const INGEST_BUDGET_MS = 8;
/** Rows marked as ignored, and conversations taken up again, in one transaction. */
const PAGE = 200;
/** Questions read at once: each may be large. */
const HEADS_PAGE = 64;

export interface Claimed {
  readonly leases: Lease[];
  /** There was more to do than fitted in the time: rows to take in, to ignore or to pass over. */
  readonly more: boolean;
}

export interface ClaimsOptions {
  readonly session: string;
  readonly owner: string;
  readonly clock: Clock;
  readonly ingest: Ingest;
  readonly settlements: Settlements;
  readonly observer: BusObserver;
}

export class Claims {
  readonly #options: ClaimsOptions;
  /** Tokens are unique without a call to the random source for each. */
  readonly #tokenPrefix = randomBytes(9).toString('base64url');
  #claims = 0;
  #expired: Head[] = [];

  constructor(options: ClaimsOptions) {
    this.#options = options;
  }

  run(sql: Statements, request: ClaimRequest, nowUs: number): Claimed {
    const { session, clock, ingest, settlements } = this.#options;
    const started = clock.monotonicMs();
    // Stamps may run ahead of a wall clock that was set back; what is due is told by the clock.
    const wallUs = clock.wallUs();
    const conversations = request.conversations ? JSON.stringify(request.conversations) : null;
    const isIngestLate = () => clock.monotonicMs() - started > INGEST_BUDGET_MS;
    let more = ingest.run(sql, nowUs, isIngestLate);
    if (settlements.ignore(sql, conversations, PAGE, nowUs) === PAGE) more = true;
    if (request.includeExpired) {
      const { changes } = sql.reviveSome.run({ session, conversations, limit: PAGE });
      if (changes === PAGE) more = true;
    }
    const leases: Lease[] = [];
    // Heads that turn out not to be leasable leave their place to others: look again until full.
    while (leases.length < request.limit) {
      const limit = Math.min(HEADS_PAGE, request.limit - leases.length);
      const window = { session, now: naiveUtc(wallUs), nowUs: wallUs, limit };
      const heads = conversations
        ? sql.headsOf.all({ ...window, conversations })
        : sql.heads.all(window);
      const free = heads.filter((head) => !this.#setAside(sql, head, request, nowUs));
      leases.push(...this.#lease(sql, free, request.leaseMs, nowUs));
      if (heads.length === 0) break;
      if (clock.monotonicMs() - started > BUDGET_MS) return { leases, more: true };
    }
    return { leases, more };
  }

  /** Told only now, and so once: a transaction that is undone runs again. */
  committed(): void {
    for (const { conversation, unfinished } of this.#expired) {
      this.#options.observer.expired?.(conversation, unfinished);
    }
    this.rolledBack();
  }

  rolledBack(): void {
    this.#expired = [];
  }

  /** @returns whether the head is none to be leased; its lane is in another state then */
  #setAside(sql: Statements, head: Head, request: ClaimRequest, nowUs: number): boolean {
    if (head.whole === 0) return this.#options.settlements.orphan(sql, head, nowUs);
    if (head.expired === 0 || request.includeExpired) return false;
    this.#expired.push(head);
    return sql.expireLane.run(head.lane).changes === 1;
  }

  #lease(sql: Statements, heads: readonly Head[], leaseMs: number, nowUs: number): Lease[] {
    if (heads.length === 0) return [];
    this.#claims += 1;
    const stem = `${this.#tokenPrefix}.${this.#claims}.`;
    const untilUs = this.#options.clock.wallUs() + leaseMs * 1000;
    const lanes = JSON.stringify(heads.map(({ lane }) => lane));
    sql.lease.run(nowUs, stem, this.#options.owner, untilUs, lanes);
    return heads.map((head) => ({
      questionId: head.id,
      conversationId: head.conversation,
      lane: head.lane,
      token: `${stem}${head.lane}`,
      attempt: head.attempts + 1,
      question: head.oversized === 1 ? OVERSIZED : parseTaken(head.message, head.metadata),
      seenAtUs: head.seenAtUs,
      claimedAtUs: nowUs,
    }));
  }
}
