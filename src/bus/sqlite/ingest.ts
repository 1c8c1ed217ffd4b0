/**
 * Takes new rows of `messages` into our own tables, by a watermark on their id. Runs inside the
 * transaction of a claim. A row of any shape is taken or passed over; none stops the others.
 */
import { parseQuestion } from '../question.js';
import type { NewRow, Statements } from './statements.js';

const PAGE_ROWS = 500;
/** Leaves time for the claim in the same transaction; the rest comes with the next claim. */
const BUDGET_MS = 8;
/** Rows that are not ours move the stored watermark only now and then, to keep an idle bus unwritten. */
const SAVE_EVERY_ROWS = 1000;

export class Ingest {
  readonly #session: string;
  #seen = 0;
  #saved = 0;
  #pendingSeen: number | undefined;
  #pendingSaved: number | undefined;

  constructor(session: string) {
    this.#session = session;
  }

  /**
   * Starts where an earlier run stopped, or, on a bus never drained before, just below its first
   * unread question: a million old rows are passed over by one read.
   */
  start(sql: Statements): void {
    const stored = sql.storedCursor.get({ session: this.#session })?.last_id;
    this.#saved = stored ?? 0;
    if (stored !== undefined) {
      this.#seen = Math.max(this.#seen, stored);
      return;
    }
    const first = sql.firstUnread.get({ session: this.#session })?.id;
    this.#seen = first ? first - 1 : (sql.lastMessage.get({})?.id ?? 0);
  }

  /** Whether rows for us have come since; needs no lock. */
  hasNew(sql: Statements): boolean {
    return sql.anyUnread.get({ session: this.#session, after: this.#seen }) !== undefined;
  }

  /** @returns whether there is more than fitted in the time */
  run(sql: Statements, nowUs: number): boolean {
    const started = performance.now();
    const stored = sql.storedCursor.get({ session: this.#session })?.last_id ?? 0;
    const before = Math.max(this.#seen, stored);
    let cursor = before;
    let taken = 0;
    let more = true;
    while (more && performance.now() - started < BUDGET_MS) {
      const rows = sql.page.all({ after: cursor, limit: PAGE_ROWS });
      for (const row of rows) taken += this.#take(sql, row, nowUs);
      cursor = rows.at(-1)?.id ?? cursor;
      more = rows.length === PAGE_ROWS;
    }
    if (taken > 0 || cursor - Math.max(this.#saved, stored) >= SAVE_EVERY_ROWS) {
      sql.saveCursor.run({ session: this.#session, lastId: cursor });
      this.#pendingSaved = cursor;
    }
    this.#pendingSeen = cursor;
    return more;
  }

  /** The watermark in memory moves only with the transaction that took the rows. */
  committed(): void {
    this.#seen = this.#pendingSeen ?? this.#seen;
    this.#saved = this.#pendingSaved ?? this.#saved;
    this.rolledBack();
  }

  rolledBack(): void {
    this.#pendingSeen = undefined;
    this.#pendingSaved = undefined;
  }

  #take(sql: Statements, row: NewRow, now: number): 0 | 1 {
    if (row.to_session !== this.#session || row.unread === 0) return 0;
    // Without a conversation nobody can be answered, and no lane can hold it.
    if (typeof row.conversation_id !== 'string') return 0;
    const parsed = parseQuestion(row.message, row.metadata);
    const priority = parsed.kind === 'question' ? parsed.priority : 0;
    const kind = parsed.kind === 'ignored' ? 'ignored' : 'question';
    const { id, conversation_id: conversation } = row;
    const { changes } = sql.addWork.run({
      id,
      session: this.#session,
      conversation,
      kind,
      priority,
      now,
    });
    if (changes === 1 && kind === 'question') {
      const rank = now - priority * 1_000_000;
      sql.growLane.run({ session: this.#session, conversation, id, rank });
    }
    return 1;
  }
}
