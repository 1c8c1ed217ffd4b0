/** Claiming: takes in new rows, settles those that are no questions, and leases the next ones. */
import { randomBytes } from 'node:crypto';
import type { BusObserver, ClaimRequest, Lease } from '../bus.js';
import { parseQuestion } from '../question.js';
import { naiveUtc } from '../stamp.js';
import type { Ingest } from './ingest.js';
import type { Settlements } from './settlements.js';
import type { Head, Statements } from './statements.js';

/** Rows marked as ignored in one transaction. */
const IGNORED_PAGE = 200;
/** Looks for leasable heads in one transaction; what is left over comes with the next claim. */
const MAX_LOOKS = 20;

export interface ClaimsOptions {
  readonly session: string;
  readonly owner: string;
  readonly ingest: Ingest;
  readonly settlements: Settlements;
  readonly observer: BusObserver;
}

export class Claims {
  readonly #options: ClaimsOptions;
  /** Tokens are unique without a call to the random source for each. */
  readonly #tokenPrefix = randomBytes(12).toString('base64url');
  #tokens = 0;

  constructor(options: ClaimsOptions) {
    this.#options = options;
  }

  run(sql: Statements, request: ClaimRequest, nowUs: number): Lease[] {
    const { session, ingest, settlements } = this.#options;
    const conversations = request.conversations ? JSON.stringify(request.conversations) : undefined;
    ingest.run(sql, nowUs);
    settlements.ignore(sql, conversations ?? null, IGNORED_PAGE, nowUs);
    if (request.includeExpired) sql.reviveAll.run({ session });
    const leases: Lease[] = [];
    // Heads that turn out not to be leasable leave their place to others: look again until full.
    for (let look = 0; look < MAX_LOOKS; look += 1) {
      const limit = request.limit - leases.length;
      const window = { session, now: naiveUtc(nowUs), nowUs, limit };
      const heads = conversations
        ? sql.headsOf.all({ ...window, conversations })
        : sql.heads.all(window);
      const before = leases.length;
      for (const head of heads) {
        const lease = this.#take(sql, head, request, nowUs);
        if (lease) leases.push(lease);
      }
      const passedOver = heads.length - (leases.length - before);
      if (passedOver === 0 || leases.length >= request.limit) break;
    }
    return leases;
  }

  #take(sql: Statements, head: Head, request: ClaimRequest, nowUs: number): Lease | undefined {
    const { settlements, observer } = this.#options;
    if (head.whole === 0) {
      settlements.orphan(sql, head, nowUs);
      return undefined;
    }
    if (head.expired === 1 && !request.includeExpired) {
      sql.expireLane.run(head.lane);
      observer.expired?.(head.conversation, head.unfinished);
      return undefined;
    }
    return this.#lease(sql, head, request.leaseMs, nowUs);
  }

  #lease(sql: Statements, head: Head, leaseMs: number, nowUs: number): Lease {
    this.#tokens += 1;
    const token = `${this.#tokenPrefix}.${this.#tokens}`;
    sql.lease.run(nowUs, token, this.#options.owner, nowUs + leaseMs * 1000, head.lane);
    const parsed = parseQuestion(head.message, head.metadata);
    return {
      questionId: head.id,
      conversationId: head.conversation,
      lane: head.lane,
      token,
      attempt: head.attempts + 1,
      // A row changed by its writer after it was taken in is still owed an answer.
      question:
        parsed.kind === 'ignored'
          ? { kind: 'invalid', queryId: undefined, message: 'the message is no longer a question' }
          : parsed,
      seenAtUs: head.seenAtUs,
      claimedAtUs: nowUs,
    };
  }
}
