/** Terminal writes and hand-backs, each inside a transaction of the writer and fenced by its lease. */

import { answerMessage, answerMetadata, outcomeOf } from '../answer.js';
import type { Answer, Kept, Lease } from '../bus.js';
import { naiveUtc } from '../stamp.js';
import type { Head, Statements } from './statements.js';

export class Settlements {
  readonly #session: string;
  /** Collected here and written once for each transaction, so that each costs no statement. */
  readonly #counted = new Map<string, number>();
  #finished: number[] = [];
  #read: number[] = [];

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
    const now = naiveUtc(nowUs);
    const message = answerMessage(id, lease.question, answer);
    const written = sql.insertAnswer.run(message, answerMetadata(id), now, id);
    const outcome = written.changes === 0 ? 'orphaned' : outcomeOf(answer);
    const answerId = written.changes === 0 ? null : written.lastInsertRowid;
    if (answerId !== null) this.#audit(sql, lease, message.length, now);
    this.#read.push(id);
    this.count(outcome);
    sql.finish.run(
      id,
      this.#session,
      lease.conversationId,
      outcome,
      answerId,
      lease.attempt,
      answer.error?.code ?? null,
      lease.seenAtUs,
      lease.claimedAtUs,
      Math.max(nowUs, lease.claimedAtUs),
    );
    return answerId === null ? 'orphaned' : 'kept';
  }

  /** A question that vanished, with its conversation or alone, before it was leased. */
  orphan(sql: Statements, head: Head, nowUs: number): boolean {
    if (!this.#leaveLane(sql, head.lane, head.id, null, nowUs)) return false;
    this.#finishUnanswered(sql, head, 'orphaned', head.attempts, nowUs);
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
      this.#read.push(row.id);
      this.#finishUnanswered(sql, row, 'ignored', 0, nowUs);
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
    if (left) this.#finished.push(id);
    return left;
  }

  #audit(sql: Statements, lease: Lease, length: number, now: string): void {
    const details = `{"by": "warmline", "in_reply_to": ${lease.questionId}, "message_length": ${length}}`;
    sql.audit.run(lease.conversationId, this.#session, 'send_message', details, now);
  }

  #finishUnanswered(
    sql: Statements,
    row: { id: number; conversation: string; seenAtUs: number },
    outcome: 'ignored' | 'orphaned',
    attempts: number,
    nowUs: number,
  ): void {
    const { id, conversation, seenAtUs } = row;
    const at = Math.max(nowUs, seenAtUs);
    const session = this.#session;
    sql.finish.run(id, session, conversation, outcome, null, attempts, null, seenAtUs, null, at);
    this.count(outcome);
  }

  count(name: string): void {
    this.#counted.set(name, (this.#counted.get(name) ?? 0) + 1);
  }

  /** The rest of what this transaction settled: all of it or, with the transaction, none. */
  beforeCommit(sql: Statements): void {
    if (this.#finished.length > 0) sql.dropWork.run(JSON.stringify(this.#finished));
    if (this.#read.length > 0) sql.markRead.run(JSON.stringify(this.#read));
    for (const [name, by] of this.#counted) sql.count.run({ session: this.#session, name, by });
  }

  /** After a commit, and after a rollback. */
  forget(): void {
    this.#counted.clear();
    this.#finished = [];
    this.#read = [];
  }
}
