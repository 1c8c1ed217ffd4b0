/**
 * Takes new rows of `messages` into our own tables, by a watermark on their id. Runs inside the
 * transaction of a claim. A row of any shape is taken or passed over; none stops the others.
 */
import { parseQuestion } from '../question.js';
import type { NewRow, Statements } from './statements.js';

const PAGE_ROWS = 1000;
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
      taken += this.#takePage(sql, rows, nowUs);
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

  /** @returns how many of the rows were for us */
  #takePage(sql: Statements, rows: readonly NewRow[], nowUs: number): number {
    const session = this.#session;
    const chains = new Map<string, Entry[]>();
    let taken = 0;
    for (const row of rows) {
      const entry = this.#sort(row);
      if (!entry) continue;
      taken += 1;
      const { id, conversation } = entry;
      if (entry.priority === 'ignored') {
        sql.addIgnorable.run({ id, session, conversation, nowUs });
        continue;
      }
      const chain = chains.get(conversation);
      if (chain) chain.push(entry);
      else chains.set(conversation, [entry]);
    }
    for (const [conversation, chain] of chains) this.#extendLane(sql, conversation, chain, nowUs);
    return taken;
  }

  #sort(row: NewRow): Entry | undefined {
    if (row.to_session !== this.#session || row.unread === 0) return undefined;
    // Without a conversation nobody can be answered, and no lane can hold it.
    if (typeof row.conversation_id !== 'string') return undefined;
    const parsed = parseQuestion(row.message, row.metadata);
    const priority =
      parsed.kind === 'ignored' ? 'ignored' : parsed.kind === 'question' ? parsed.priority : 0;
    return { id: row.id, conversation: row.conversation_id, priority };
  }

  #extendLane(sql: Statements, conversation: string, chain: Entry[], nowUs: number): void {
    const [head] = chain;
    const tail = chain.at(-1);
    if (!head || !tail) return;
    const session = this.#session;
    for (const [index, { id, priority }] of chain.entries()) {
      const nextId = chain[index + 1]?.id ?? null;
      sql.addWork.run(id, nextId, Number(priority), nowUs);
    }
    sql.linkTail.run(head.id, session, conversation);
    const rankUs = nowUs - Number(head.priority) * 1_000_000;
    sql.growLane.run(session, conversation, head.id, tail.id, chain.length, rankUs);
  }
}

interface Entry {
  readonly id: number;
  readonly conversation: string;
  readonly priority: number | 'ignored';
}
