/** A look at a bus that changes nothing in it: for people, and for programs that advise them. */
import { statSync } from 'node:fs';
import Database from 'better-sqlite3';
import { systemClock } from '../../clock.js';
import type { BusStats, Side } from '../bus.js';
import { BusError } from '../bus.js';
import { naiveUtc } from '../stamp.js';
import { toBusError } from './connection.js';
import { checkForeignSchema } from './schema.js';

/** As `BusStats`, but rows that no warmline has looked at yet are among the pending ones. */
export interface BusInspection extends Omit<BusStats, 'delayed' | 'waiting'> {
  /** Size of the WAL file in bytes. */
  readonly walBytes: number;
}

/** @throws BusError when the file is missing, foreign or damaged */
export function inspectBus(file: string, session: Side): BusInspection {
  return withReader(file, (db) => {
    const nowUs = systemClock.wallUs();
    const used = isUsed(db);
    const leased = used ? countLeased(db, session) : 0;
    const { open, expired } = countUnread(db, session, naiveUtc(nowUs));
    const counted = used ? counters(db, session) : new Map<string, number>();
    return {
      pending: Math.max(0, (open?.rows ?? 0) - leased),
      leased,
      expired: expired?.rows ?? 0,
      complete: counted.get('complete') ?? 0,
      failed: counted.get('failed') ?? 0,
      dead: counted.get('dead') ?? 0,
      ignored: counted.get('ignored') ?? 0,
      orphaned: counted.get('orphaned') ?? 0,
      stale: counted.get('stale') ?? 0,
      oldestPendingMs: open?.day == null ? 0 : Math.max(0, nowUs / 1000 - julianToMs(open.day)),
      walBytes: statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0,
    };
  });
}

/** Whether the time of a conversation is up, so that nobody can read an answer in it any more. */
export function isExpired(file: string, conversationId: string): boolean {
  return withReader(file, (db) => {
    const expired =
      'SELECT julianday(expires_at) <= julianday(:now) FROM conversations WHERE id = :id';
    const now = naiveUtc(systemClock.wallUs());
    return db.prepare(expired).pluck().get({ id: conversationId, now }) === 1;
  });
}

/**
 * What is wrong inside the file, or undefined when nothing is.
 * @throws BusError when the file cannot be read at all
 */
export function findDamage(file: string): string | undefined {
  return withReader(file, (db) => {
    const finding = String(db.pragma('quick_check(1)', { simple: true }));
    return finding === 'ok' ? undefined : finding;
  });
}

/** The version of SQLite that comes with us. */
export function sqliteVersion(): string {
  const db = new Database(':memory:');
  try {
    return String(db.prepare('SELECT sqlite_version()').pluck().get());
  } finally {
    db.close();
  }
}

function withReader<T>(file: string, read: (db: Database.Database) => T): T {
  let db: Database.Database | undefined;
  try {
    if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) {
      throw new BusError('bus_missing', `there is no bus at ${file}; check --db`);
    }
    db = new Database(file, { readonly: true });
    checkForeignSchema(db);
    return read(db);
  } catch (error) {
    throw toBusError(error, file);
  } finally {
    db?.close();
  }
}

function isUsed(db: Database.Database): boolean {
  const ours = `SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'warmline_counters'`;
  return db.prepare(ours).get() !== undefined;
}

function countLeased(db: Database.Database, session: Side): number {
  const leased = `SELECT count(*) FROM warmline_lanes WHERE session = ? AND state = 'leased'`;
  return Number(db.prepare(leased).pluck().get(session));
}

function counters(db: Database.Database, session: Side): Map<string, number> {
  const rows = db.prepare('SELECT name, value FROM warmline_counters WHERE session = ?').raw();
  return new Map(rows.all(session) as [string, number][]);
}

interface Unread {
  readonly isOpen: 0 | 1;
  readonly rows: number;
  /** When the oldest of them was written, as a Julian day. */
  readonly day: number | null;
}

/** A row is marked read once it is answered or found to be no question: the unread are to be done. */
function countUnread(db: Database.Database, session: Side, now: string) {
  const groups = db
    .prepare(
      `SELECT coalesce(julianday(c.expires_at) > julianday(:now), 1) AS isOpen,
              count(*) AS rows, min(julianday(m.timestamp)) AS day
       FROM messages m LEFT JOIN conversations c ON c.id = m.conversation_id
       WHERE m.to_session = :session AND coalesce(m.read, 0) = 0 GROUP BY isOpen`,
    )
    .all({ session, now }) as Unread[];
  return {
    open: groups.find(({ isOpen }) => isOpen === 1),
    expired: groups.find(({ isOpen }) => isOpen === 0),
  };
}

/** A Julian day as milliseconds since the epoch. */
function julianToMs(day: number): number {
  return (day - 2_440_587.5) * 86_400_000;
}
