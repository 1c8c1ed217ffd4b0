/** Terminal writes and hand-backs, each inside a transaction of the writer and fenced by its lease. */

import { answerMessage, answerMetadata, outcomeOf } from '../answer.js';
import type { Answer, Kept, Lease } from '../bus.js';
import { naiveUtc } from '../stamp.js';
import type { AnswerRow, AuditRow, DoneRow, Head } from './rows.js';
import type { Statements } from './statements.js';

export class Settlements {
  readonly #session: string;
  /** Collected here and written once for each transaction, so that each costs no statement. */
  readonly #counted = new Map<string, number>();
  #left: number[] = [];
  #read: number[] = [];
  #answers: Answered[] = [];
  #unanswered: DoneRow[] = [];

  constructor(session: string) {
    this.#session = session;
  }

  fenced(changes: number): Kept {
    if (changes === 1) return 'kept';
    this.count('stale');
    return 'lost';
  }

  /**
   * The answer row, the audit row, the read mark and the terminal row of one question. The lane
   * moves on first, by the token of the lease: if it does not, nothing else happens.
   */
  complete(sql: Statements, lease: Lease, answer: Answer, nowUs: number): Kept | 'orphaned' {
    const id = lease.questionId;
    if (!this.#leaveLane(sql, lease.lane, id, lease.token, nowUs)) {
      this.count('stale');
      return 'lost';
    }
    const addressee = sql.addressee.get(id);
    if (addressee === undefined) {
      const { conversationId: conversation, seenAtUs, attempt, claimedAtUs } = lease;
      this.#finish({ id, conversation, seenAtUs }, 'orphaned', attempt, claimedAtUs, nowUs);
      return 'orphaned';
    }
    const { conversation, from, to } = addressee;
    const message = answerMessage(id, lease.question, answer);
    const now = naiveUtc(nowUs);
    this.#read.push(id);
    this.#answers.push({
      lease,
      answer,
      nowUs,
      row: [conversation, from, to, message, answerMetadata(id), now],
    });
    this.count(outcomeOf(answer));
    return 'kept';
  }

  /** A question that vanished, with its conversation or alone, before it was leased. */
  orphan(sql: Statements, head: Head, nowUs: number): boolean {
    if (!this.#leaveLane(sql, head.lane, head.id, null, nowUs)) return false;
    this.#finish(head, 'orphaned', head.attempts, null, nowUs);
    return true;
  }

  /**
   * Marks rows that are no questions as read and keeps them in our audit.
   * @returns how many there were, at most `limit`
   */
  ignore(sql: Statements, conversations: string | null, limit: number, nowUs: number): number {
    const session = this.#session;
    const rows = sql.ignorable.all({ session, conversations, limit });
    for (const row of rows) {
      sql.dropIgnorable.run({ id: row.id });
      this.#finish(row, 'ignored', 0, null, nowUs);
    }
    return rows.length;
  }

  giveBack(
    sql: Statements,
    lease: Lease,
    how: { readyAtUs: number; giveBack: 0 | 1; error: string | null },
  ): Kept {
    const { giveBack, readyAtUs, error } = how;
    const { changes } = sql.unlease.run(giveBack, readyAtUs, error, lease.lane, lease.token);
    return this.fenced(changes);
  }

  /** @returns false when the token is not (or no longer) the lane's; then nothing changed */
  #leaveLane(
    sql: Statements,
    lane: number,
    id: number,
    token: string | null,
    nowUs: number,
  ): boolean {
    const left =
      sql.advance.run(nowUs, id, lane, token).changes === 1 ||
      sql.endLane.run(lane, id, token).changes === 1;
    if (left) this.#left.push(id);
    return left;
  }

  /** Notes the end of a row that got no answer. */
  #finish(
    row: { id: number; conversation: string; seenAtUs: number },
    outcome: 'ignored' | 'orphaned',
    attempts: number,
    claimedAtUs: number | null,
    nowUs: number,
  ): void {
    const { id, conversation, seenAtUs } = row;
    const at = Math.max(nowUs, claimedAtUs ?? seenAtUs);
    this.#read.push(id);
    this.#unanswered.push([
      id,
      this.#session,
      conversation,
      outcome,
      null,
      attempts,
      null,
      seenAtUs,
      claimedAtUs,
      at,
    ]);
    this.count(outcome);
  }

  count(name: string): void {
    this.#counted.set(name, (this.#counted.get(name) ?? 0) + 1);
  }

  /** The rest of what this transaction settled: all of it or, with the transaction, none. */
  beforeCommit(sql: Statements): void {
    if (this.#left.length > 0) sql.dropWork.run(JSON.stringify(this.#left));
    if (this.#read.length > 0) sql.markRead.run(JSON.stringify(this.#read));
    const ids = sql.insertAnswers(this.#answers.map(({ row }) => row));
    sql.insertAudits(this.#answers.map((answered) => this.#auditOf(answered)));
    sql.insertDone(this.#answers.map((answered, at) => this.#doneOf(answered, ids[at] ?? null)));
    sql.insertDone(this.#unanswered);
    for (const [name, by] of this.#counted) sql.count.run({ session: this.#session, name, by });
  }

  /** After a commit, and after a rollback. */
  forget(): void {
    this.#counted.clear();
    this.#left = [];
    this.#read = [];
    this.#answers = [];
    this.#unanswered = [];
  }

  #auditOf({ lease, row }: Answered): AuditRow {
    const [, , , message, , now] = row;
    const details = `{"by": "warmline", "in_reply_to": ${lease.questionId}, "message_length": ${message.length}}`;
    return [lease.conversationId, this.#session, 'send_message', details, now];
  }

  #doneOf({ lease, answer, nowUs }: Answered, answerId: number | null): DoneRow {
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
      Math.max(nowUs, lease.claimedAtUs),
    ];
  }
}

/** An answer that its transaction will write. */
interface Answered {
  readonly lease: Lease;
  readonly answer: Answer;
  readonly nowUs: number;
  readonly row: AnswerRow;
}
