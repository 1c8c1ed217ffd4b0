/** What a bus file holds, in Maps: several stores that share one see each other as processes do. */
import { answerMessage, answerMetadata } from '../answer.js';
import type { Answer, Attempt, AttemptOutcome, Lease, Side, TurnRecord } from '../bus.js';
import { glanceAt, parseTaken } from '../question.js';
import { within } from '../turn-record.js';

/** A row of `messages`. Columns that other programs fill may hold anything. */
export interface MessageRow {
  readonly conversationId: unknown;
  readonly from: unknown;
  readonly to: unknown;
  readonly message: unknown;
  readonly metadata: unknown;
  readonly timestampUs: number;
  read: boolean;
}

export interface Work {
  readonly id: number;
  readonly priority: number;
  readonly model: string | undefined;
  readonly seenAtUs: number;
}

export type LaneState =
  | { readonly at: 'ready' }
  | {
      readonly at: 'leased';
      readonly token: string;
      readonly owner: string;
      readonly untilUs: number;
      readonly claimedAtUs: number;
    }
  | { readonly at: 'expired' }
  /** Its first question depends on these, which are not finished. */
  | { readonly at: 'waiting'; readonly parents: readonly number[] };

/** The unfinished questions of one conversation, oldest first; only the first is ever leased. */
export interface Lane {
  readonly number: number;
  readonly session: Side;
  readonly conversationId: string;
  readonly queue: Work[];
  state: LaneState;
  readyAtUs: number;
  rankUs: number;
  attempts: number;
}

export type Outcome = 'complete' | 'failed' | 'dead' | 'ignored' | 'orphaned';

export interface Done {
  readonly outcome: Outcome;
  readonly errorCode?: string | undefined;
  readonly answerId: number | undefined;
}

export class MemoryBusFile {
  readonly messages = new Map<number, MessageRow>();
  /** When each conversation expires, microseconds since the epoch. */
  readonly conversations = new Map<string, number>();
  readonly statuses = new Map<string, 'working' | 'waiting'>();
  readonly lanes = new Map<number, Lane>();
  readonly ignorable = new Map<number, { session: Side; conversationId: string }>();
  readonly done = new Map<number, Done>();
  readonly attempts = new Map<number, Attempt[]>();
  readonly counters = new Map<string, number>();
  readonly listeners = new Set<() => void>();
  readonly #cursors = new Map<Side, number>();
  #lastId = 0;

  /** Puts a row on the bus as any program may: of whatever kind, to whomever. */
  insert(row: MessageRow): number {
    this.#lastId += 1;
    this.messages.set(this.#lastId, row);
    setImmediate(() => {
      for (const listener of this.listeners) listener();
    });
    return this.#lastId;
  }

  /** As `cleanup` of the programs that own the bus does. */
  deleteConversation(id: string): void {
    this.conversations.delete(id);
    for (const [messageId, row] of this.messages) {
      if (row.conversationId === id) this.messages.delete(messageId);
    }
  }

  /** Unread rows for this side that have not been taken in yet. */
  *unsorted(session: Side): Generator<[id: number, row: MessageRow]> {
    const cursor = this.#cursors.get(session) ?? 0;
    for (const [id, row] of this.messages) {
      if (id > cursor && row.to === session && !row.read) yield [id, row];
    }
  }

  takeIn(session: Side, nowUs: number): void {
    for (const [id, row] of this.unsorted(session)) {
      if (typeof row.conversationId !== 'string') continue;
      const glance = glanceAt(row.message, row.metadata);
      if (glance === 'ignored') {
        this.ignorable.set(id, { session, conversationId: row.conversationId });
      } else {
        this.#enqueue(session, row.conversationId, { id, ...glance, seenAtUs: nowUs });
      }
    }
    this.#cursors.set(session, this.#lastId);
  }

  lanesOf(session: Side): Lane[] {
    return [...this.lanes.values()].filter((lane) => lane.session === session);
  }

  /** What the first question of a lane names now; empty for nothing. */
  modelOf({ queue: [head] }: Lane): string {
    const row = head && this.messages.get(head.id);
    const parsed = row && parseTaken(row.message, row.metadata);
    return (parsed?.kind === 'question' ? parsed.model : head?.model) ?? '';
  }

  endAttempt(
    lease: Pick<Lease, 'questionId' | 'attempt' | 'seenAtUs' | 'claimedAtUs'>,
    outcome: AttemptOutcome,
    nowUs: number,
    error: { readonly code?: string | undefined; readonly message?: string | undefined },
    turn: TurnRecord | undefined,
  ): void {
    const { questionId, attempt, seenAtUs, claimedAtUs } = lease;
    const finishedAtUs = Math.max(nowUs, claimedAtUs);
    const ended: Attempt = {
      ...{ questionId, attempt, outcome, seenAtUs, claimedAtUs, finishedAtUs },
      ...{ errorCode: error.code, errorMessage: error.message },
      ...within(turn, claimedAtUs, finishedAtUs),
    };
    this.attempts.set(questionId, [...(this.attempts.get(questionId) ?? []), ended]);
  }

  /** An attempt that ends by the end of its lease. */
  endLease(
    lane: Lane,
    lease: { readonly claimedAtUs: number },
    outcome: 'lease_expired' | 'owner_gone',
    nowUs: number,
  ): void {
    const [head] = lane.queue;
    if (!head) return;
    const { id: questionId, seenAtUs } = head;
    const { claimedAtUs } = lease;
    const attempt = { questionId, attempt: lane.attempts, seenAtUs, claimedAtUs };
    this.endAttempt(attempt, outcome, nowUs, {}, undefined);
  }

  /** @returns nothing when the question or its conversation has been deleted */
  insertAnswer(
    session: Side,
    asked: Pick<Lease, 'questionId' | 'conversationId' | 'question'>,
    answer: Answer,
    timestampUs: number,
  ): number | undefined {
    const { questionId, conversationId, question } = asked;
    const row = this.messages.get(questionId);
    if (!row || !this.conversations.has(conversationId)) return undefined;
    return this.insert({
      conversationId,
      from: session,
      to: row.from,
      message: answerMessage(questionId, question, answer),
      metadata: answerMetadata(questionId),
      timestampUs,
      read: false,
    });
  }

  finish(
    session: Side,
    questionId: number,
    outcome: Outcome,
    answerId: number | undefined,
    errorCode?: string,
  ): void {
    const row = this.messages.get(questionId);
    if (row) row.read = true;
    this.done.set(questionId, { outcome, answerId, errorCode });
    this.count(session, outcome);
    this.wakeWaiting((parent) => parent === questionId);
  }

  /** Whether some lane of any side has this question still to be answered. */
  isUnfinished(id: number): boolean {
    return [...this.lanes.values()].some(({ queue }) => queue.some((work) => work.id === id));
  }

  /** Lanes that wait for one of these, or for nothing any more, look again at what they wait for. */
  wakeWaiting(isOver: (parent: number) => boolean): void {
    for (const lane of this.lanes.values()) {
      if (lane.state.at === 'waiting' && lane.state.parents.some(isOver)) {
        lane.state = { at: 'ready' };
      }
    }
  }

  /** Moves a lane to its next question, or ends it with its last one. */
  advance(lane: Lane, nowUs: number): void {
    lane.queue.shift();
    const [next] = lane.queue;
    if (!next) {
      this.lanes.delete(lane.number);
      return;
    }
    lane.state = { at: 'ready' };
    lane.readyAtUs = 0;
    lane.rankUs = rank(nowUs, next.priority);
    lane.attempts = 0;
  }

  count(session: Side, name: string): void {
    const key = `${session}/${name}`;
    this.counters.set(key, (this.counters.get(key) ?? 0) + 1);
  }

  #enqueue(session: Side, conversationId: string, work: Work): void {
    const lane = this.lanesOf(session).find((known) => known.conversationId === conversationId);
    if (lane) {
      lane.queue.push(work);
      return;
    }
    const number = Math.max(0, ...this.lanes.keys()) + 1;
    this.lanes.set(number, {
      number,
      session,
      conversationId,
      queue: [work],
      state: { at: 'ready' },
      readyAtUs: 0,
      rankUs: rank(work.seenAtUs, work.priority),
      attempts: 0,
    });
  }
}

/** A priority is a head start of one second for each point, so that nobody starves. */
function rank(nowUs: number, priority: number): number {
  return nowUs - priority * 1_000_000;
}
