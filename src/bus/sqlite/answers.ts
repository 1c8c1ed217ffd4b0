/**
 * The answers of one transaction, settled together: each statement runs once over all of them, so
 * that an answer costs the rows it writes and little else.
 *
 * A lane whose question was answered and that has another one stays "in hand": a claim in the same
 * transaction may lease its next question in the same update that moves it on. What is left in hand
 * is put back, ready for anybody, before anything else looks at the lanes.
 */

import { failpoint } from '../../failpoints/index.js';
import { answerMessage, answerMetadata, outcomeOf } from '../answer.js';
import type { Answer, Completed, Kept, Lease } from '../bus.js';
import { naiveUtc } from '../stamp.js';
import { turnRow } from './attempts.js';
import type { Addressee, AnswerRow, AuditRow, DoneRow, Finishing, LaneRow } from './rows.js';
import type { Settlements } from './settlements.js';
import type { Statements } from './statements.js';

/** So much is settled at once at most, so that the writer can look at the clock in between. */
const MAX_TOGETHER = 256;
const MAX_CHARS_TOGETHER = 1_000_000;

/** A question whose lane has moved on, and its answer. */
export interface Concluded {
  readonly lease: Finishing;
  readonly answer: Answer;
  readonly nowUs: number;
  /** Known once it has been settled. */
  result: Kept | 'orphaned';
}

export interface Completion extends Concluded {
  readonly lease: Lease;
}

/** A lane between two questions of its own. */
export interface LaneInHand {
  readonly completed: Lease;
  readonly nowUs: number;
  readonly id: number;
  readonly rankUs: number;
  readonly seenAtUs: number;
  /** May be leased without another look. */
  readonly plain: boolean;
  readonly message: unknown;
  readonly metadata: unknown;
  readonly model: string | null;
}

export class Answers {
  readonly #session: string;
  readonly #settlements: Settlements;
  #waiting: Completion[] = [];
  #chars = 0;
  #inHand: LaneInHand[] = [];

  constructor(session: string, settlements: Settlements) {
    this.#session = session;
    this.#settlements = settlements;
  }

  add(sql: Statements, lease: Lease, answer: Answer, nowUs: number): Completion {
    const completion: Completion = { lease, answer, nowUs, result: 'lost' };
    this.#waiting.push(completion);
    this.#chars += answer.answer.length;
    if (this.#waiting.length >= MAX_TOGETHER || this.#chars > MAX_CHARS_TOGETHER) this.settle(sql);
    return completion;
  }

  /**
   * The answer row, the audit row, the read mark and the terminal row of each question. What fences
   * them is the token of the lease: where it is not the lane's any more, nothing happens.
   */
  settle(sql: Statements): void {
    const completions = this.#waiting;
    const [first] = completions;
    if (!first) return;
    this.#waiting = [];
    this.#chars = 0;
    failpoint('ans.begin');
    // A lane in hand shows its old lease still: nothing may be fenced by that again.
    this.putBack(sql);
    const lanes = this.#lanesOf(sql, completions, first.nowUs);
    const kept = completions.filter((completion) => this.#leaveLane(sql, lanes, completion));
    this.write(sql, kept);
  }

  /** Hands over the lanes that `wanted` lets through, by rank; the others are put back. */
  takeInHand(sql: Statements, wanted: (lane: LaneInHand) => boolean): LaneInHand[] {
    const taken = this.#inHand.filter(wanted);
    if (taken.length < this.#inHand.length) {
      this.#inHand = this.#inHand.filter((lane) => !wanted(lane));
      this.putBack(sql);
    }
    this.#inHand = [];
    return taken.sort((one, other) => one.rankUs - other.rankUs);
  }

  /** Lanes that nobody leased wait for anybody. */
  putBack(sql: Statements, lanes: readonly LaneInHand[] = this.#inHand): void {
    for (const { completed, nowUs } of lanes) {
      sql.advance.run(nowUs, completed.questionId, completed.lane, completed.token);
    }
    if (lanes === this.#inHand) this.#inHand = [];
  }

  /** After a commit, and after a rollback. */
  forget(): void {
    this.#waiting = [];
    this.#chars = 0;
    this.#inHand = [];
  }

  #lanesOf(sql: Statements, completions: readonly Completion[], nowUs: number) {
    const lanes = JSON.stringify(completions.map(({ lease }) => lease.lane));
    const rows = sql.lanes.all(naiveUtc(nowUs), lanes);
    return new Map(rows.map((row) => [row[0], row]));
  }

  /** @returns whether the lease held; its lane has moved on or ended then */
  #leaveLane(sql: Statements, lanes: Map<number, LaneRow>, completion: Completion): boolean {
    const { lease, nowUs } = completion;
    const row = lanes.get(lease.lane);
    if (row === undefined || row[1] !== lease.token || row[2] !== lease.questionId) {
      this.#settlements.count('stale');
      return false;
    }
    lanes.delete(lease.lane);
    const [, , , id, priority, seenAtUs, plain, message, metadata, model] = row;
    if (id === null) sql.endLane.run(lease.lane, lease.questionId, lease.token);
    else {
      this.#inHand.push({
        completed: lease,
        nowUs,
        id,
        rankUs: nowUs - priority * 1_000_000,
        seenAtUs,
        plain: plain === 1,
        message,
        metadata,
        model,
      });
    }
    this.#settlements.left(lease.questionId, completion.answer.error === undefined);
    return true;
  }

  /** Not of a question that is gone, or whose conversation is: the result says so then. */
  write(sql: Statements, kept: readonly Concluded[]): void {
    if (kept.length === 0) return;
    const addresseeOf = this.#markRead(sql, kept);
    failpoint('ans.readflag');
    const written: Concluded[] = [];
    const answers: AnswerRow[] = [];
    for (const completion of kept) {
      const addressee = addresseeOf(completion.lease);
      if (addressee?.[4] === 1) {
        completion.result = 'kept';
        written.push(completion);
        answers.push(answerRow(completion, addressee));
      } else {
        completion.result = 'orphaned';
        this.#settlements.orphaned(completion.lease, completion.nowUs);
      }
    }
    const answerIds = sql.insertAnswers(answers);
    failpoint('ans.insert');
    sql.insertAudits(answers.map((row, at) => this.#auditRow(written[at] as Concluded, row)));
    const done = written.map((each, at) => this.#doneRow(each, answerIds[at] ?? null));
    // In the order of the table, so that each of its pages is written to once.
    sql.insertDone(done.sort(([one], [other]) => one - other));
    failpoint('ans.sidecar');
    for (const { answer } of written) this.#settlements.count(outcomeOf(answer));
  }

  /** @returns whom the answer to a question goes to */
  #markRead(
    sql: Statements,
    kept: readonly Concluded[],
  ): (lease: Finishing) => Addressee | undefined {
    const session = this.#session;
    const other = session === 'a' ? 'b' : 'a';
    const ids = JSON.stringify(kept.map(({ lease }) => lease.questionId));
    // To be told of each row costs half as much again as to mark it, and they are nearly all alike.
    const conversations = JSON.stringify(kept.map(({ lease }) => lease.conversationId));
    if (sql.markUsualRead.run(ids, session, other, conversations).changes === kept.length) {
      return ({ questionId, conversationId }) => [questionId, conversationId, session, other, 1];
    }
    const rows = new Map(sql.markRead.all(ids).map((row) => [row[0], row]));
    return ({ questionId }) => rows.get(questionId);
  }

  #auditRow({ lease }: Concluded, [, , , message, , now]: AnswerRow): AuditRow {
    const details = `{"by": "warmline", "in_reply_to": ${lease.questionId}, "message_length": ${message.length}}`;
    return [lease.conversationId, this.#session, 'send_message', details, now];
  }

  #doneRow({ lease, answer, nowUs }: Concluded, answerId: number | null): DoneRow {
    const completedAtUs = Math.max(nowUs, lease.claimedAtUs ?? lease.seenAtUs);
    return [
      lease.questionId,
      this.#session,
      lease.conversationId,
      outcomeOf(answer),
      answerId,
      lease.attempt,
      answer.error?.code ?? null,
      lease.seenAtUs,
      lease.claimedAtUs,
      completedAtUs,
      ...turnRow(answer.turn, lease.claimedAtUs ?? completedAtUs, completedAtUs),
    ];
  }
}

/** What became of an answer, once the transaction is through. */
export function resultOf({ result }: Completion): Completed {
  try {
    failpoint('ans.commit');
    return result;
  } catch (error) {
    return error as Error;
  }
}

function answerRow({ lease, answer, nowUs }: Concluded, addressee: Addressee): AnswerRow {
  const [, conversation, from, to] = addressee;
  const message = answerMessage(lease.questionId, lease.question, answer);
  return [conversation, from, to, message, answerMetadata(lease.questionId), naiveUtc(nowUs)];
}
