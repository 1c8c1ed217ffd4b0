/** Terminal writes and hand-backs, each inside a transaction of the writer and fenced by its lease. */

import { answerMessage, answerMetadata } from '../answer.js';
import type { Answer, Kept, Lease } from '../bus.js';
import { naiveUtc } from '../stamp.js';
import type { Statements, Work } from './statements.js';

type Outcome = 'complete' | 'failed' | 'dead' | 'ignored' | 'orphaned';

export class Settlements {
  readonly #session: string;
  /** Counted here and written once for each transaction, so that a count costs no statement. */
  readonly #counted = new Map<string, number>();

  constructor(session: string) {
    this.#session = session;
  }

  fenced(changes: number): Kept {
    if (changes === 1) return 'kept';
    this.count('stale');
    return 'lost';
  }

  /**
   * The answer row, the audit row, the read mark and the terminal row of one question. The work
   * row is taken first, by its token: without it nothing else happens.
   */
  complete(sql: Statements, lease: Lease, answer: Answer, nowUs: number): Kept | 'orphaned' {
    const id = lease.questionId;
    const work = sql.takeWork.get({ id, token: lease.token });
    if (!work) {
      this.count('stale');
      return 'lost';
    }
    const now = naiveUtc(nowUs);
    const message = answerMessage(id, lease.question, answer);
    const written = sql.insertAnswer.run({ id, message, metadata: answerMetadata(id), now });
    if (written.changes === 0) {
      this.finish(sql, id, work, { outcome: 'orphaned', nowUs });
      return 'orphaned';
    }
    sql.markRead.run({ id });
    sql.audit.run({
      conversation: work.conversation_id,
      session: this.#session,
      action: 'send_message',
      details: `{"by": "warmline", "in_reply_to": ${id}, "message_length": ${message.length}}`,
      now,
    });
    const errorCode = answer.error?.code ?? null;
    const outcome = answer.error ? (answer.error.dead ? 'dead' : 'failed') : 'complete';
    this.finish(sql, id, work, {
      outcome,
      nowUs,
      errorCode,
      answerId: written.lastInsertRowid,
    });
    return 'kept';
  }

  /** Moves a question to the finished ones and its conversation on to the next question. */
  finish(
    sql: Statements,
    id: number,
    work: Work,
    end: {
      outcome: Outcome;
      nowUs: number;
      errorCode?: string | null;
      answerId?: number | bigint | null;
    },
  ): void {
    sql.finish.run({
      id,
      session: this.#session,
      conversation: work.conversation_id,
      outcome: end.outcome,
      answerId: end.answerId ?? null,
      attempts: work.attempts,
      errorCode: end.errorCode ?? null,
      seenAtUs: work.seen_at_us,
      claimedAtUs: work.claimed_at_us,
      nowUs: end.nowUs,
    });
    this.count(end.outcome);
    if (end.outcome === 'ignored') return;
    const lane = { session: this.#session, conversation: work.conversation_id };
    if (sql.nextInLane.run({ ...lane, nowUs: end.nowUs }).changes === 0) sql.dropLane.run(lane);
  }

  giveBack(
    sql: Statements,
    lease: Lease,
    how: { readyAtUs: number; giveBack: 0 | 1; error: string | null },
  ): Kept {
    const { questionId: id, token } = lease;
    const { giveBack, error } = how;
    const kept = this.fenced(sql.unlease.run({ id, token, giveBack, error }).changes);
    if (kept === 'kept') this.setLane(sql, lease.conversationId, 'ready', how.readyAtUs);
    return kept;
  }

  setLane(
    sql: Statements,
    conversation: string,
    state: 'ready' | 'leased' | 'expired',
    readyAtUs: number,
  ): void {
    sql.setLane.run({ session: this.#session, conversation, state, readyAtUs });
  }

  count(name: string): void {
    this.#counted.set(name, (this.#counted.get(name) ?? 0) + 1);
  }

  saveCounters(sql: Statements): void {
    for (const [name, by] of this.#counted) sql.count.run({ session: this.#session, name, by });
  }

  forgetCounters(): void {
    this.#counted.clear();
  }
}
