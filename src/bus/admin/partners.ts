/**
 * What a partner in a conversation may do who shows the token of its side: write as that side, and
 * read what is addressed to it, as the other programs on the bus do.
 *
 * What is always true:
 *  - Whether there is such a conversation is told to nobody without its token: an unknown one and a
 *    wrong token are refused alike, and compared in the same time.
 *  - What is done, and its row in `audit_log`, become visible together.
 *  - A token never leaves this file but to whoever opens the conversation.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { Database } from 'better-sqlite3';
import type { Side } from '../bus.js';
import { MAX_QUESTION_BYTES, OVERSIZED, parseQuestion } from '../question.js';
import { conversationRow, INSERT_CONVERSATION } from '../sqlite/conversation.js';
import { isOpen } from '../sqlite/sql-time.js';
import type { SqliteBus } from '../sqlite/store.js';
import { naiveUtc } from '../stamp.js';

/** A partner counts as alive for so long after its last heartbeat, in seconds, on every side of the bus. */
const ALIVE_S = 120;

/** Messages handed over at once: so many, and so much text in bytes. */
const PAGE = 100;
const PAGE_BYTES = 1024 * 1024;
/** Unread rows looked at for them: questions of a long queue may stand in front. */
const MOST_LOOKED_AT = 10_000;

export interface Credentials {
  readonly conversationId: string;
  readonly side: Side;
  readonly token: string;
}

export type Denied = 'unauthorized' | 'expired';

/** A side whose token was shown, inside one transaction. */
export interface Seat {
  readonly db: Database;
  readonly conversationId: string;
  readonly side: Side;
  readonly partner: Side;
  /** Naive UTC, as the bus stores it. */
  readonly now: string;
}

export interface OpenedConversation {
  readonly conversationId: string;
  readonly tokens: Readonly<Record<Side, string>>;
  readonly seats: Readonly<Record<Side, Seat>>;
  /** Naive UTC. */
  readonly expiresAt: string;
}

export interface PartnerMessage {
  readonly id: number;
  readonly from: string;
  readonly message: string;
  /** Empty when the row's is no JSON object. */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly timestamp: string;
}

/** Ids of messages to one side. */
export interface UnreadMessages {
  readonly ids: readonly number[];
  /** Questions that the queue answers: marked read, they would be hidden from it. */
  readonly held: readonly number[];
  /** There are more than are handed over at once. */
  readonly more: boolean;
}

export interface PartnerStatus {
  readonly status: string;
  readonly alive: boolean;
  /** Absent when it never gave one. */
  readonly lastHeartbeat?: string;
  readonly ageSeconds?: number;
}

/** Runs in a transaction of the one writer, as the side whose token is shown. */
export function actAs<T>(
  bus: Pick<SqliteBus, 'write'>,
  who: Credentials,
  act: (seat: Seat) => T,
): Promise<{ readonly done: T } | Denied> {
  return bus.write((db, nowUs) => {
    const now = naiveUtc(nowUs);
    const denied = denial(db, who, now);
    if (denied !== undefined) return denied;
    return { done: act(seatOf(db, who.conversationId, who.side, now)) };
  });
}

function seatOf(db: Database, conversationId: string, side: Side, now: string): Seat {
  return { db, conversationId, side, partner: side === 'a' ? 'b' : 'a', now };
}

/** In a transaction of the caller. */
export function openConversation(
  db: Database,
  nowUs: number,
  [roleA, roleB]: readonly [string, string],
): OpenedConversation {
  const row = conversationRow({ roleA, roleB }, nowUs);
  db.prepare(INSERT_CONVERSATION).run(row);
  const { id: conversationId, tokenA, tokenB, expires: expiresAt, now } = row;
  writeAudit(db, conversationId, null, 'create_conversation', { roles: [roleA, roleB] }, now);
  return {
    conversationId,
    tokens: { a: tokenA, b: tokenB },
    seats: { a: seatOf(db, conversationId, 'a', now), b: seatOf(db, conversationId, 'b', now) },
    expiresAt,
  };
}

/** @returns the id of the new row */
export function sendAs(
  seat: Seat,
  row: { readonly message: string; readonly metadata: string; readonly redacted: boolean },
): number {
  const { db, conversationId, side, partner, now } = seat;
  const { message, metadata, redacted } = row;
  const { lastInsertRowid } = db
    .prepare(
      `INSERT INTO messages
         (conversation_id, from_session, to_session, message, metadata, timestamp, read)
       VALUES (?, ?, ?, ?, ?, ?, 0)`,
    )
    .run(conversationId, side, partner, message, metadata, now);
  const messageId = Number(lastInsertRowid);
  audit(seat, 'send_message', {
    to: partner,
    message_length: message.length,
    redacted,
    message_id: messageId,
  });
  return messageId;
}

/**
 * Looks for what is unread, without the lock: there is no index to find it by.
 * @param answering the side that the queue answers for: questions to it are the queue's, once one
 *   works there
 */
export function lookForMessages(
  bus: Pick<SqliteBus, 'read'>,
  who: Credentials,
  answering: Side,
  nowUs: number,
): UnreadMessages | Denied {
  return bus.read((db) => {
    const denied = denial(db, who, naiveUtc(nowUs));
    if (denied !== undefined) return denied;
    const isQueue = who.side === answering && worksFor(db, answering);
    const found = { ids: [] as number[], held: [] as number[] };
    let bytes = 0;
    let looked = 0;
    const rows = db.prepare(`${UNREAD} ORDER BY id`).iterate({ ...who, most: MAX_QUESTION_BYTES });
    for (const row of rows as IterableIterator<UnreadRow>) {
      looked += 1;
      if (looked > MOST_LOOKED_AT) return { ...found, more: true };
      if (isQueue && isQuestion(row)) {
        found.held.push(row.id);
        continue;
      }
      bytes += row.bytes > MAX_QUESTION_BYTES ? 0 : row.bytes;
      const isFull = found.ids.length === PAGE || bytes > PAGE_BYTES;
      if (isFull && found.ids.length > 0) return { ...found, more: true };
      found.ids.push(row.id);
    }
    return { ...found, more: false };
  });
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

export function setStatus(seat: Seat, status: string): void {
  const { db, conversationId, side, now } = seat;
  db.prepare('INSERT OR REPLACE INTO session_status VALUES (?, ?, ?, ?)').run(
    conversationId,
    side,
    status,
    now,
  );
  audit(seat, 'update_status', { status });
}

export function partnerStatus(seat: Seat): PartnerStatus {
  const { db, conversationId, partner, now } = seat;
  const row = db
    .prepare(
      `SELECT status, last_heartbeat AS at,
              (julianday(?) - julianday(last_heartbeat)) * 86400 AS age
       FROM session_status WHERE conversation_id = ? AND session_id = ?`,
    )
    .get(now, conversationId, partner) as { status: unknown; at: unknown; age: number | null };
  audit(seat, 'get_partner_status', { partner });
  if (row === undefined) return { status: 'unknown', alive: false };
  const { status, at, age } = row;
  if (age === null) return { status: String(status), alive: false, lastHeartbeat: String(at) };
  const ageSeconds = Math.max(0, Math.floor(age));
  return {
    status: String(status),
    alive: age < ALIVE_S,
    lastHeartbeat: String(at),
    ageSeconds,
  };
}

/** Which side wrote a message of this conversation; undefined when it is in no such place. */
export function writerOf({ db, conversationId }: Seat, messageId: number): string | undefined {
  const from = db
    .prepare('SELECT from_session FROM messages WHERE id = ? AND conversation_id = ?')
    .pluck()
    .get(messageId, conversationId);
  return from === undefined ? undefined : String(from);
}

/** Keeps in the audit what a partner does. */
export function audit(seat: Seat, action: string, details: Readonly<Record<string, unknown>>) {
  writeAudit(seat.db, seat.conversationId, seat.side, action, details, seat.now);
}

/** A question, for whoever can show a seal that only the holder of its asker's token could be given. */
export interface SealedQuestion {
  readonly seal: string;
  /** Naive UTC. */
  readonly askedAt: string;
  /** How long its token lasts from when it was asked, in milliseconds; null when that is unknown. */
  readonly lifetimeMs: number | null;
}

/** @returns undefined when there is no such message, or its conversation has expired */
export function sealedQuestion(
  bus: Pick<SqliteBus, 'read'>,
  messageId: number,
  nowUs: number,
): SealedQuestion | undefined {
  const row = bus.read((db) =>
    db
      .prepare(
        `SELECT m.timestamp AS askedAt,
                CASE m.from_session WHEN 'a' THEN session_a_token ELSE session_b_token END AS token,
                (julianday(expires_at) - julianday(m.timestamp)) * 86400000 AS lifetime
         FROM messages m JOIN conversations c ON c.id = m.conversation_id
         WHERE m.id = ? AND ${isOpen('expires_at', '?')}`,
      )
      .get(messageId, naiveUtc(nowUs)),
  ) as { askedAt: unknown; token: unknown; lifetime: number | null } | undefined;
  if (typeof row?.token !== 'string' || row.token === '') return undefined;
  return {
    seal: createHmac('sha256', row.token)
      .update(`question ${messageId}`)
      .digest('hex')
      .slice(0, 32),
    askedAt: String(row.askedAt),
    lifetimeMs: row.lifetime === null ? null : Math.max(0, Math.round(row.lifetime)),
  };
}

/** Compares secrets in a time that tells nothing about where they differ. */
export function isSameSecret(one: string, other: string): boolean {
  return timingSafeEqual(digest(one), digest(other));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function denial(db: Database, who: Credentials, now: string): Denied | undefined {
  const row = db
    .prepare(
      `SELECT CASE :side WHEN 'a' THEN session_a_token ELSE session_b_token END AS token,
              ${isOpen('expires_at', ':now')} AS open
       FROM conversations WHERE id = :id`,
    )
    .get({ id: who.conversationId, side: who.side, now }) as
    | { token: unknown; open: 0 | 1 }
    | undefined;
  const known = typeof row?.token === 'string' ? row.token : '';
  if (!isSameSecret(who.token, known) || known === '') return 'unauthorized';
  return row?.open === 1 ? undefined : 'expired';
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

function writeAudit(
  db: Database,
  conversationId: string,
  side: Side | null,
  action: string,
  details: Readonly<Record<string, unknown>>,
  now: string,
): void {
  db.prepare(
    `INSERT INTO audit_log (conversation_id, session_id, action, details, timestamp)
     VALUES (?, ?, ?, ?, ?)`,
  ).run(conversationId, side, action, JSON.stringify(details), now);
}
