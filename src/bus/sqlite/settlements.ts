/** Terminal writes and hand-backs, each inside a transaction of the writer and fenced by its lease. */

import { failpoint } from '../../failpoints/index.js';
import { REMOVED } from '../answer.js';
import type { Kept, Lease, RetryRequest } from '../bus.js';
import { turnRow } from './attempts.js';
import { endParents } from './parents.js';
import type { DoneRow, Finishing, Head } from './rows.js';
import type { Statements } from './statements.js';

export class Settlements {
  readonly #session: string;
  /** Collected here and written once for each transaction, so that each costs no statement. */
  readonly #counted = new Map<string, number>();
  /** Questions whose lane has moved on: answered, and given up for an error or because they vanished. */
  #answered: number[] = [];
  #givenUp: number[] = [];
  #read: number[] = [];
  #unanswered: DoneRow[] = [];

  constructor(session: string) {
    this.#session = session;
  }

  fenced(changes: number): Kept {
    if (changes === 1) return 'kept';
    this.count('stale');
    return 'lost';
  }

  /** An answer came, but its question or conversation has been deleted meanwhile. */
  orphaned(lease: Finishing, nowUs: number): void {
    const { questionId: id, conversationId: conversation, seenAtUs, attempt, claimedAtUs } = lease;
    this.finish({ id, conversation, seenAtUs }, 'orphaned', attempt, claimedAtUs, nowUs);
  }

  /** A question that vanished, with its conversation or alone, before it was leased. */
  orphan(sql: Statements, head: Head, nowUs: number): boolean {
    if (!this.leaveLane(sql, head.lane, head.id, null, nowUs)) return false;
    this.finish(head, 'orphaned', head.attempts, null, nowUs);
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
      this.finish(row, 'ignored', 0, null, nowUs);
    }
    return rows.length;
  }

  /** Ends the attempt; the question is ready again after the delay. */
  retry(sql: Statements, lease: Lease, request: RetryRequest, nowUs: number): Kept {
    const { code, message, delayMs, turn } = request;
    const readyAtUs = nowUs + delayMs * 1000;
    const error = `${code}: ${message}`;
    const kept = this.giveBack(sql, lease, { readyAtUs, giveBack: 0, error });
    if (kept === 'lost') return kept;
    failpoint('retry.write');
    const { questionId, attempt, conversationId, seenAtUs, claimedAtUs } = lease;
    const finishedAtUs = Math.max(nowUs, claimedAtUs);
    sql.insertAttempt([
      [
        questionId,
        attempt,
        this.#session,
        conversationId,
        'retried',
        code,
        message,
        seenAtUs,
        claimedAtUs,
        finishedAtUs,
        ...turnRow(turn, claimedAtUs, finishedAtUs),
      ],
    ]);
    return kept;
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
  leaveLane(
    sql: Statements,
    lane: number,
    id: number,
    token: string | null,
    nowUs: number,
  ): boolean {
    const left =
      sql.advance.run(nowUs, id, lane, token).changes === 1 ||
      sql.endLane.run(lane, id, token).changes === 1;
    if (left) this.left(id, false);
    return left;
  }

  /** The lane of this question has moved on. */
  left(id: number, isAnswered: boolean): void {
    (isAnswered ? this.#answered : this.#givenUp).push(id);
  }

  /** Notes the end of a row that got no answer. */
  finish(
    row: { id: number; conversation: string; seenAtUs: number },
    end: 'ignored' | 'orphaned' | typeof REMOVED,
    attempts: number,
    claimedAtUs: number | null,
    nowUs: number,
  ): void {
    const { id, conversation, seenAtUs } = row;
    const at = Math.max(nowUs, claimedAtUs ?? seenAtUs);
    const outcome = end === REMOVED ? 'ignored' : end;
    this.#read.push(id);
    this.#unanswered.push([
      id,
      this.#session,
      conversation,
      outcome,
      null,
      attempts,
      end === REMOVED ? REMOVED : null,
      seenAtUs,
      claimedAtUs,
      at,
      ...turnRow(undefined, at, at),
    ]);
    this.count(outcome);
  }

  count(name: string): void {
    this.#counted.set(name, (this.#counted.get(name) ?? 0) + 1);
  }

  /** The rest of what this transaction settled: all of it or, with the transaction, none. */
  beforeCommit(sql: Statements): void {
    this.#finishLeft(sql);
    if (this.#read.length > 0) sql.markRead.all(JSON.stringify(this.#read));
    sql.insertDone(this.#unanswered);
    for (const [name, by] of this.#counted) sql.count.run({ session: this.#session, name, by });
  }

  /** The same at once, for what comes later in the transaction and looks at the tables. */
  flush(sql: Statements): void {
    this.beforeCommit(sql);
    this.forget();
  }

  #finishLeft(sql: Statements): void {
    if (this.#answered.length + this.#givenUp.length === 0) return;
    sql.dropWork.run(JSON.stringify([...this.#answered, ...this.#givenUp]));
    endParents(sql, this.#answered, this.#givenUp);
  }

  /** After a commit, and after a rollback. */
  forget(): void {
    this.#counted.clear();
    this.#answered = [];
    this.#givenUp = [];
    this.#read = [];
    this.#unanswered = [];
  }
}
