/** A look at a bus that changes nothing in it: for people, and for programs that advise them. */
import { statSync } from 'node:fs';
import Database from 'better-sqlite3';
import { systemClock } from '../../clock.js';
import { walBytesOf } from '../admin/wal.js';
import { type Park, parksIn, type Worker, workersIn } from '../admin/workers.js';
import type { BusStats, Side } from '../bus.js';
import { BusError } from '../bus.js';
import { countsFrom } from '../counts.js';
import { naiveUtc } from '../stamp.js';
import { toBusError } from './connection.js';
import { isMigrated } from './migrations.js';
import { checkForeignSchema } from './schema.js';
import { ageOfFirstMs, isOpen } from './sql-time.js';

/**
 * As `BusStats`, but rows that no warmline has looked at yet are among the pending ones, and questions
 * of expired conversations are not.
 */
export interface BusInspection extends BusStats {
  /** Size of the WAL file in bytes. */
  readonly walBytes: number;
  /** Engines that take no work. */
  readonly parks: readonly Park[];
  /** The autopolls that work on the bus or did lately, the one heard of last first. */
  readonly workers: readonly Worker[];
}

/**
 * Looks at what is unfinished and at what has come since, so a million finished questions cost
 * nothing. On a bus that no warmline has used yet everything has just come.
 * @throws BusError when the file is missing, foreign or damaged
 */
export function inspectBus(file: string, session: Side): BusInspection {
  return withReader(file, (db) => {
    const nowUs = systemClock.wallUs();
    const tables = ownTables(db);
    const unfinished = tables.has('warmline_lanes') ? countLanes(db, session, nowUs) : NOTHING;
    const fresh = countFresh(db, session, nowUs, tables.has('warmline_cursor'));
    const counted = tables.has('warmline_counters')
      ? counters(db, session)
      : new Map<string, number>();
    return {
      pending: unfinished.open + fresh.open,
      leased: unfinished.leased,
      delayed: unfinished.delayed,
      waiting: unfinished.waiting,
      expired: unfinished.expired + fresh.expired,
      ...countsFrom((name) => counted.get(name)),
      oldestPendingMs: ageOfFirstMs([unfinished.day, fresh.day], nowUs),
      walBytes: walBytesOf(file),
      parks: tables.has('warmline_parks') ? parksIn(db, session) : [],
      workers: tables.has('warmline_workers') ? workersIn(db, session) : [],
    };
  });
}

/**
 * Whether a warmline of this version has used the bus: then opening it writes nothing.
 * @throws BusError when the file is missing, foreign or damaged
 */
export function isPrepared(file: string): boolean {
  return withReader(file, isMigrated);
}

/** Whether the time of a conversation is up, so that nobody can read an answer in it any more. */
export function isExpired(file: string, conversationId: string): boolean {
  return withReader(file, (db) => {
    const expired = `SELECT NOT ${isOpen('expires_at', ':now')} FROM conversations WHERE id = :id`;
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

/** A connection that cannot write, for the time of a look. @throws BusError */
export function withReader<T>(file: string, read: (db: Database.Database) => T): T {
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

/** Those of our tables that are there: an earlier warmline made fewer. */
export function ownTables(db: Database.Database): Set<string> {
  const ours = `SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB 'warmline_*'`;
  return new Set(db.prepare(ours).pluck().all() as string[]);
}

function counters(db: Database.Database, session: Side): Map<string, number> {
  const rows = db.prepare('SELECT name, value FROM warmline_counters WHERE session = ?').raw();
  return new Map(rows.all(session) as [string, number][]);
}

/** Questions that have been taken in and are not finished. */
interface Unfinished {
  /** Of conversations that can still be read, without those under way. */
  readonly open: number;
  readonly leased: number;
  readonly delayed: number;
  readonly waiting: number;
  readonly expired: number;
  /** When the oldest that waits was written, as a Julian day. */
  readonly day: number | null;
}

const NOTHING: Unfinished = { open: 0, leased: 0, delayed: 0, waiting: 0, expired: 0, day: null };

const IS_OPEN = isOpen('c.expires_at', ':now');

function countLanes(db: Database.Database, session: Side, nowUs: number): Unfinished {
  const counts = db.prepare<object, Unfinished>(
    `SELECT coalesce(sum(unfinished - (state = 'leased')) FILTER (WHERE is_open), 0) AS open,
            coalesce(sum(state = 'leased'), 0) AS leased,
            coalesce(sum(state = 'ready' AND is_open AND ready_at_us > :nowUs), 0) AS delayed,
            coalesce(sum(unfinished) FILTER (WHERE is_open AND state = 'waiting'), 0) AS waiting,
            coalesce(sum(unfinished - (state = 'leased')) FILTER (WHERE NOT is_open), 0) AS expired,
            min(day) FILTER (WHERE is_open) AS day
     FROM (SELECT l.state, l.unfinished, l.ready_at_us, ${IS_OPEN} AS is_open,
                  (SELECT julianday(m.timestamp) FROM messages m
                   WHERE m.id = CASE l.state WHEN 'leased' THEN w.next_id ELSE l.head_id END) AS day
           FROM warmline_lanes l
           LEFT JOIN warmline_work w ON w.question_id = l.head_id
           LEFT JOIN conversations c ON c.id = l.conversation_id
           WHERE l.session = :session)`,
  );
  return counts.get({ session, now: naiveUtc(nowUs), nowUs }) ?? NOTHING;
}

interface Fresh {
  readonly open: number;
  readonly expired: number;
  readonly day: number | null;
}

/** Unread rows that no warmline has looked at: those above its watermark. */
function countFresh(
  db: Database.Database,
  session: Side,
  nowUs: number,
  hasCursor: boolean,
): Fresh {
  const cursor = 'SELECT last_id FROM warmline_cursor WHERE session = ?';
  const after = hasCursor ? Number(db.prepare(cursor).pluck().get(session) ?? 0) : 0;
  const counts = db.prepare<object, Fresh>(
    `SELECT coalesce(sum(is_open), 0) AS open, coalesce(sum(NOT is_open), 0) AS expired,
            min(day) FILTER (WHERE is_open) AS day
     FROM (SELECT ${IS_OPEN} AS is_open, julianday(m.timestamp) AS day
           FROM messages m LEFT JOIN conversations c ON c.id = m.conversation_id
           WHERE m.id > :after AND m.to_session = :session AND coalesce(m.read, 0) = 0)`,
  );
  return counts.get({ after, session, now: naiveUtc(nowUs) }) ?? { open: 0, expired: 0, day: null };
}
