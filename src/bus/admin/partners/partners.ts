/**
 * What a partner in a conversation may do who shows the token of its side, as the other programs on
 * the bus let it. Reading is in `messages.ts`.
 *
 * What is always true:
 *  - Whether there is such a conversation is told to nobody without its token: an unknown one and a
 *    wrong token are refused alike, and compared in the same time.
 *  - What is done, and its row in `audit_log`, become visible together.
 *  - A token is given to nobody but whoever opens the conversation.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Database } from 'better-sqlite3';
import type { Side } from '../../bus.js';
import { conversationRow, INSERT_CONVERSATION } from '../../sqlite/conversation.js';
import { PUT_MESSAGE } from '../../sqlite/message.js';
import { isOpen } from '../../sqlite/sql-time.js';
import type { SqliteBus } from '../../sqlite/store.js';
import { naiveUtc } from '../../stamp.js';

/** A partner counts as alive for so long after its last heartbeat, in seconds, on every side of the bus. */
const ALIVE_S = 120;

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

interface OpenedConversation {
  readonly conversationId: string;
  readonly tokens: Readonly<Record<Side, string>>;
  readonly seats: Readonly<Record<Side, Seat>>;
  /** Naive UTC. */
  readonly expiresAt: string;
}

interface PartnerStatus {
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
    .prepare(PUT_MESSAGE)
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

/** Compares secrets in a time that tells nothing about where they differ. */
export function isSameSecret(one: string, other: string): boolean {
  return timingSafeEqual(digest(one), digest(other));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** Why who asks may not: undefined when it shows the right token of an open conversation. */
export function denial(db: Database, who: Credentials, now: string): Denied | undefined {
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
