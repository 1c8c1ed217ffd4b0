/** Claiming: takes in new rows, settles those that are no questions, and leases the next ones. */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../../clock.js';
import { failpoint } from '../../failpoints/index.js';
import type { BusObserver, ClaimRequest, Lease } from '../bus.js';
import { mayDepend } from '../depends.js';
import { mayNameModel, OVERSIZED, type ParsedQuestion, parseTaken } from '../question.js';
import { naiveUtc } from '../stamp.js';
import type { Answers, LaneInHand } from './answers.js';
import type { Ingest } from './ingest.js';
import { judgeHead } from './parents.js';
import type { Head } from './rows.js';
import type { Settlements } from './settlements.js';
import type { Statements } from './statements.js';

/** A claim takes up nothing further after this time: others wait for the write lock. */
const BUDGET_MS = 12;
/**
 * Of which taking in new rows may use this much. The rest is for leasing, so that the conversations
 * of a backlog begin together: those that do stay together, and their rows lie on the same pages.
 */
const INGEST_BUDGET_MS = 3;
/** Rows marked as ignored, and conversations taken up again, in one transaction. */
const PAGE = 200;
/**
 * Begins every lease token, and the lanes take no other: an autopoll of an earlier version that is
 * still running can claim nothing then, rather than claim what it cannot settle.
 */
const TOKEN_VERSION = '2';
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
  readonly answers: Answers;
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
    const { session, clock, ingest, settlements, answers } = this.#options;
    failpoint('claim.begin');
    const started = clock.monotonicMs();
    // Stamps may run ahead of a wall clock that was set back; what is due is told by the clock.
    const wallUs = clock.wallUs();
    const conversations = request.conversations ? JSON.stringify(request.conversations) : null;
    const isIngestLate = () => clock.monotonicMs() - started > INGEST_BUDGET_MS;
    const isLate = () => clock.monotonicMs() - started > BUDGET_MS;
    let more = ingest.run(sql, nowUs, isIngestLate);
    failpoint('claim.ingest');
    if (settlements.ignore(sql, conversations, PAGE, nowUs) === PAGE) more = true;
    if (request.includeExpired) {
      const { changes } = sql.reviveSome.run({ session, conversations, limit: PAGE });
      if (changes === PAGE) more = true;
    }
    const leases: Lease[] = [];
    const among = request.conversations && new Set(request.conversations);
    const without = new Set(request.withoutModels);
    let inHand = answers.takeInHand(
      sql,
      ({ plain, message, model, completed }) =>
        plain &&
        !mayDepend(message) &&
        (model !== null || !mayNameModel(message)) &&
        !without.has(model ?? '') &&
        (!among || among.has(completed.conversationId)),
    );
    // Heads that turn out not to be leasable leave their place to others: look again until full.
    while (leases.length < request.limit) {
      const room = request.limit - leases.length;
      const window = {
        session,
        now: naiveUtc(wallUs),
        nowUs: wallUs,
        limit: Math.min(HEADS_PAGE, room),
        without: request.withoutModels ? JSON.stringify(request.withoutModels) : null,
      };
      const heads = conversations
        ? sql.headsOf.all({ ...window, conversations })
        : sql.heads.all(window);
      const free: FreeHead[] = [];
      for (const head of heads) {
        const judged = this.#free(sql, head, request, { nowUs, now: window.now, without });
        if (judged) free.push(judged);
        // What a question depends on may take long to look up.
        if (isLate()) break;
      }
      const chosen = firstByRank(free, inHand, room);
      leases.push(...this.#lease(sql, chosen, request.leaseMs, nowUs));
      inHand = inHand.slice(chosen.kept.length);
      if (heads.length === 0) break;
      if (isLate()) {
        more = true;
        break;
      }
    }
    answers.putBack(sql, inHand);
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

  /** @returns the head when it may be leased now */
  #free(
    sql: Statements,
    head: Head,
    request: ClaimRequest,
    { nowUs, now, without }: { nowUs: number; now: string; without: ReadonlySet<string> },
  ): FreeHead | undefined {
    if (this.#setAside(sql, head, request, nowUs)) return undefined;
    const judged = this.#judged(sql, head, now);
    if (judged?.question.kind !== 'question') return judged;
    // Its writer changed it since it was taken in, or an earlier version of ours took it in.
    const model = judged.question.model ?? null;
    if (model !== head.model) sql.setModel.run(model, head.id);
    return without.has(model ?? '') ? undefined : judged;
  }

  /** @returns the head with its question, or nothing when it has to wait for others */
  #judged(sql: Statements, head: Head, now: string): FreeHead | undefined {
    if (head.oversized === 1) return { ...head, question: OVERSIZED };
    const verdict = judgeHead(sql, head, now);
    switch (verdict.step) {
      case 'ask':
        return { ...head, question: parseTaken(head.message, head.metadata) };
      case 'refuse':
        return { ...head, question: verdict.question };
      case 'wait':
        sql.waitLane.run(head.lane);
        return undefined;
    }
  }

  #lease(sql: Statements, { free, kept }: Chosen, leaseMs: number, nowUs: number): Lease[] {
    if (free.length + kept.length === 0) return [];
    this.#claims += 1;
    const stem = `${TOKEN_VERSION}.${this.#tokenPrefix}.${this.#claims}.`;
    const { clock, owner } = this.#options;
    const untilUs = clock.wallUs() + leaseMs * 1000;
    if (free.length > 0) {
      const lanes = JSON.stringify(free.map(({ lane }) => lane));
      sql.lease.run(nowUs, stem, owner, untilUs, lanes);
    }
    failpoint('claim.lease');
    const fromFree = free.map((head) => ({
      questionId: head.id,
      conversationId: head.conversation,
      lane: head.lane,
      token: `${stem}${head.lane}`,
      attempt: head.attempts + 1,
      question: head.question,
      seenAtUs: head.seenAtUs,
      claimedAtUs: Math.max(nowUs, head.seenAtUs),
    }));
    if (kept.length > 0) {
      const lanes = JSON.stringify(kept.map(({ completed }) => completed.lane));
      sql.keepLanes.run(nowUs, nowUs, stem, owner, untilUs, lanes);
    }
    const fromKept = kept.map(({ completed, id, seenAtUs, message, metadata }) => ({
      questionId: id,
      conversationId: completed.conversationId,
      lane: completed.lane,
      token: `${stem}${completed.lane}`,
      attempt: 1,
      question: parseTaken(message, metadata),
      seenAtUs,
      claimedAtUs: Math.max(nowUs, seenAtUs),
    }));
    return [...fromFree, ...fromKept];
  }
}

/** A head that may be leased, with what is asked or told by it. */
type FreeHead = Head & { readonly question: ParsedQuestion };

/** What is leased now: lanes that were free, and lanes kept from one question to the next. */
interface Chosen {
  readonly free: readonly FreeHead[];
  readonly kept: readonly LaneInHand[];
}

/** Both lists are in order of rank; the lower rank goes first, whichever list it is in. */
function firstByRank(
  free: readonly FreeHead[],
  inHand: readonly LaneInHand[],
  room: number,
): Chosen {
  let fromFree = 0;
  let fromHand = 0;
  while (fromFree + fromHand < room) {
    const head = free[fromFree];
    const hand = inHand[fromHand];
    if (head === undefined && hand === undefined) break;
    if (hand === undefined || (head !== undefined && head.rankUs <= hand.rankUs)) fromFree += 1;
    else fromHand += 1;
  }
  return { free: free.slice(0, fromFree), kept: inHand.slice(0, fromHand) };
}
