/**
 * What is addressed to one side of a conversation, read as the other programs on the bus read it:
 * what is handed over is marked as read. `read` is no lock, and hides a question from a queue that has
 * not seen it yet, so questions that a queue of ours answers are named and left.
 */
import { setImmediate } from 'node:timers/promises';
import type { Database } from 'better-sqlite3';
import type { Side } from '../../bus.js';
import { MAX_QUESTION_BYTES, OVERSIZED, parseQuestion } from '../../question.js';
import type { SqliteBus } from '../../sqlite/store.js';
import { naiveUtc } from '../../stamp.js';
import { audit, type Credentials, type Denied, denial, type Seat } from './partners.js';

/** Messages handed over at once: so many, and so much text in bytes. */
const PAGE = 100;
const PAGE_BYTES = 1024 * 1024;
/** Unread rows looked at for them: questions of a long queue may stand in front. */
const MOST_LOOKED_AT = 10_000;
/** Rows looked through at a time: a few milliseconds. */
const SLICE = 20_000;

export interface PartnerMessage {
  readonly id: number;
  readonly from: string;
  readonly message: string;
  /** Empty when the row's is no JSON object. */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly timestamp: string;
}

/** Ids of messages to one side. */
interface UnreadMessages {
  readonly ids: readonly number[];
  /** Questions that the queue answers: marked read, they would be hidden from it. */
  readonly held: readonly number[];
  /** There are more than are handed over at once. */
  readonly more: boolean;
}

/**
 * Looks for what is unread, without the lock. There is no index to find it by, so the rows are looked
 * through in slices, and others have their turn between these.
 * @param answering the side that the queue answers for: questions to it are the queue's, once one
 *   works there
 */
export async function lookForMessages(
  bus: Pick<SqliteBus, 'read'>,
  who: Credentials,
  answering: Side,
  nowUs: number,
): Promise<UnreadMessages | Denied> {
  const denied = bus.read((db) => denial(db, who, naiveUtc(nowUs)));
  if (denied !== undefined) return denied;
  const look: Look = {
    who,
    isQueue: who.side === answering && bus.read((db) => worksFor(db, answering)),
    found: { ids: [], held: [], more: false },
    bytes: 0,
    looked: 0,
  };
  for (let after = 0; ; ) {
    const end = bus.read((db) => endOfSlice(db, after));
    if (end === null) return look.found;
    bus.read((db) => lookThrough(db, look, after, end));
    if (look.found.more) return look.found;
    after = end;
    await setImmediate();
  }
}

/** How far a look has come. */
interface Look {
  readonly who: Credentials;
  readonly isQueue: boolean;
  readonly found: { readonly ids: number[]; readonly held: number[]; more: boolean };
  bytes: number;
  looked: number;
}

function endOfSlice(db: Database, after: number): number | null {
  return db
    .prepare('SELECT max(id) FROM (SELECT id FROM messages WHERE id > ? ORDER BY id LIMIT ?)')
    .pluck()
    .get(after, SLICE) as number | null;
}

function lookThrough(db: Database, look: Look, after: number, end: number): void {
  const { who, isQueue, found } = look;
  const rows = db
    .prepare(`${UNREAD} AND id > :after AND id <= :end ORDER BY id`)
    .iterate({ ...who, most: MAX_QUESTION_BYTES, after, end });
  for (const row of rows as IterableIterator<UnreadRow>) {
    look.looked += 1;
    if (look.looked > MOST_LOOKED_AT) {
      found.more = true;
      return;
    }
    if (isQueue && isQuestion(row)) {
      found.held.push(row.id);
      continue;
    }
    look.bytes += row.bytes > MAX_QUESTION_BYTES ? 0 : row.bytes;
    if (found.ids.length > 0 && (found.ids.length === PAGE || look.bytes > PAGE_BYTES)) {
      found.more = true;
      return;
    }
    found.ids.push(row.id);
  }
}

/** Hands over what is still unread among these, and marks it read. */
export function takeMessages(seat: Seat, ids: readonly number[]): PartnerMessage[] {
  const { db } = seat;
  const mark = db.prepare('UPDATE messages SET read = 1 WHERE id = ?');
  const messages = rowsOf(db, seat, ids);
  for (const { id } of messages) mark.run(id);
  audit(seat, 'get_messages', { count: messages.length });
  return messages;
}

/** The same without marking them. Whose token was shown is the caller's to know. */
export function readMessages(
  bus: Pick<SqliteBus, 'read'>,
  who: Pick<Credentials, 'conversationId' | 'side'>,
  ids: readonly number[],
): PartnerMessage[] {
  return bus.read((db) => rowsOf(db, who, ids));
}

function rowsOf(
  db: Database,
  { conversationId, side }: Pick<Credentials, 'conversationId' | 'side'>,
  ids: readonly number[],
): PartnerMessage[] {
  const unread = db.prepare(`${UNREAD} AND id = :id`);
  const most = MAX_QUESTION_BYTES;
  return ids
    .map((id) => unread.get({ conversationId, side, most, id }) as UnreadRow | undefined)
    .filter((row) => row !== undefined)
    .map(toMessage);
}

/** Whether a queue of ours has ever taken rows in for this side: then it takes all that are unread. */
function worksFor(db: Database, side: Side): boolean {
  return db.prepare('SELECT 1 FROM warmline_cursor WHERE session = ?').get(side) !== undefined;
}

interface UnreadRow {
  readonly id: number;
  readonly from: unknown;
  readonly message: unknown;
  readonly metadata: unknown;
  readonly timestamp: unknown;
  readonly bytes: number;
}

/** Text too long to be shown is not read. */
const UNREAD = `
  SELECT id, from_session AS "from", timestamp, bytes,
         CASE WHEN bytes <= :most THEN message END AS message,
         CASE WHEN bytes <= :most THEN metadata END AS metadata
  FROM (SELECT *, coalesce(octet_length(message), 0) + coalesce(octet_length(metadata), 0) AS bytes
        FROM messages)
  WHERE conversation_id = :conversationId AND to_session = :side AND coalesce(read, 0) = 0`;

function isQuestion({ bytes, message, metadata }: UnreadRow): boolean {
  const parsed = bytes > MAX_QUESTION_BYTES ? OVERSIZED : parseQuestion(message, metadata);
  return parsed.kind !== 'ignored';
}

function toMessage({ id, from, message, metadata, timestamp, bytes }: UnreadRow): PartnerMessage {
  const text =
    bytes > MAX_QUESTION_BYTES
      ? `[a message of ${bytes} bytes, too long to show]`
      : String(message);
  return {
    id,
    from: String(from),
    message: text,
    metadata: objectIn(metadata),
    timestamp: String(timestamp),
  };
}

function objectIn(metadata: unknown): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(String(metadata));
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
