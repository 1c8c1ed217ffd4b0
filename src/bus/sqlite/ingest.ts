/**
 * Takes new rows of `messages` into our own tables, by a watermark on their id. Runs inside the
 * transaction of a claim. A row of any shape is taken or passed over; none stops the others.
 */
import { type Glance, glanceAt } from '../question.js';
import { LARGE, type NewRow, OVERSIZED, type WorkRow } from './rows.js';
import type { Statements } from './statements.js';

const PAGE_ROWS = 128;
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

  /** Forgets what is known of the file: another one may be open by now. */
  reset(): void {
    this.#seen = 0;
    this.#saved = 0;
  }

  /**
   * Whether rows for us have come; needs no lock. Rows of others are passed over once: on a bus never
   * drained before, a million old ones cost a single look.
   */
  hasNew(sql: Statements): boolean {
    // Asked for first: what is committed between the reads lies above it.
    const last = sql.lastMessage.get({})?.id ?? 0;
    if (last <= this.#seen) return false;
    this.#seen = Math.max(this.#seen, this.#stored(sql));
    const next = sql.nextUnread.get({ session: this.#session, after: this.#seen })?.id;
    this.#seen = next === undefined ? last : next - 1;
    return next !== undefined;
  }

  /** Unread rows for us that have not been taken in yet. */
  newRows(sql: Statements): { rows: number; day: number | null } {
    const after = Math.max(this.#seen, this.#stored(sql));
    return sql.newRows.get({ session: this.#session, after }) ?? { rows: 0, day: null };
  }

  /**
   * @param isLate asked after each page, and after each row that is large
   * @returns whether there is more than fitted in the time
   */
  run(sql: Statements, nowUs: number, isLate: () => boolean): boolean {
    const stored = this.#stored(sql);
    const { entries, cursor, more } = this.#read(sql, Math.max(this.#seen, stored), isLate);
    this.#store(sql, entries, nowUs);
    if (entries.length > 0 || cursor - Math.max(this.#saved, stored) >= SAVE_EVERY_ROWS) {
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

  /** Where this or another process of our side has got to. */
  #stored(sql: Statements): number {
    return sql.storedCursor.get({ session: this.#session })?.last_id ?? 0;
  }

  /** Reads page after page until there is no more or no time left. */
  #read(sql: Statements, after: number, isLate: () => boolean): Taken {
    const entries: Entry[] = [];
    let cursor = after;
    for (;;) {
      // Most rows after a backlog are answers of ours: they are counted, and only others are read.
      const [lastId, rows] = sql.pageEnd.get(cursor, PAGE_ROWS) ?? [null, 0];
      for (const row of sql.page.all(cursor, lastId, this.#session)) {
        const entry = sort(row[2] === LARGE ? wholeRow(sql, row) : row);
        if (entry) entries.push(entry);
        cursor = row[0];
        if (row[2] === LARGE && isLate()) return { entries, cursor, more: true };
      }
      cursor = lastId ?? cursor;
      if (rows < PAGE_ROWS) return { entries, cursor, more: false };
      if (isLate()) return { entries, cursor, more: true };
    }
  }

  #store(sql: Statements, entries: readonly Entry[], nowUs: number): void {
    const session = this.#session;
    const chains = new Map<string, Link[]>();
    for (const { id, conversation, glance } of entries) {
      if (glance === 'ignored') {
        sql.addIgnorable.run({ id, session, conversation, nowUs });
        continue;
      }
      const chain = chains.get(conversation);
      if (chain) chain.push({ id, ...glance });
      else chains.set(conversation, [{ id, ...glance }]);
    }
    const work: WorkRow[] = [];
    for (const chain of chains.values()) {
      for (const [index, { id, priority, model }] of chain.entries()) {
        work.push([id, chain[index + 1]?.id ?? null, priority, nowUs, model ?? null]);
      }
    }
    // In the order of the table, so that each of its pages is written to once.
    sql.addWork(work.sort(([one], [other]) => one - other));
    for (const [conversation, chain] of chains) this.#extendLane(sql, conversation, chain, nowUs);
  }

  #extendLane(sql: Statements, conversation: string, chain: readonly Link[], nowUs: number): void {
    const [head] = chain;
    const tail = chain.at(-1);
    if (!head || !tail) return;
    const session = this.#session;
    sql.linkTail.run(head.id, session, conversation);
    const rankUs = nowUs - head.priority * 1_000_000;
    sql.growLane.run(session, conversation, head.id, tail.id, chain.length, rankUs);
  }
}

/** What is never read gets its error answer in its turn. */
const UNREAD: Glance = { priority: 0, model: undefined };

interface Entry {
  readonly id: number;
  readonly conversation: string;
  readonly glance: Glance | 'ignored';
}

/** A question of a conversation, to be linked to the next one. */
interface Link extends Glance {
  readonly id: number;
}

interface Taken {
  readonly entries: readonly Entry[];
  /** Everything up to here has been looked at. */
  readonly cursor: number;
  readonly more: boolean;
}

/** A row whose text was left out of its page because many of the kind would not fit in memory. */
function wholeRow(sql: Statements, row: NewRow): NewRow {
  const [id, conversation, size] = row;
  const [message, metadata] = sql.textOf.get(id) ?? [null, null];
  return [id, conversation, size, message, metadata];
}

function sort(row: NewRow): Entry | undefined {
  const [id, conversation, size, message, metadata] = row;
  // Without a conversation nobody can be answered, and no lane can hold it.
  if (typeof conversation !== 'string') return undefined;
  const glance = size === OVERSIZED ? UNREAD : glanceAt(message, metadata);
  return { id, conversation, glance };
}
