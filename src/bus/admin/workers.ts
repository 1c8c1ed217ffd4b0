/**
 * What each autopoll notes in the bus about itself: which engines take no work until when, what it
 * found when it started, and how it is. So the next one knows it, and people see it without a bridge.
 */
import type { Database } from 'better-sqlite3';
import type { ClaimRequest } from '../bus.js';
import { formatOwner, isGone, thisProcess } from '../owner.js';
import type { SqliteBus } from '../sqlite/store.js';
import { naiveUtc } from '../stamp.js';

/** An engine that takes no work. Times are microseconds since the epoch. */
export interface Park {
  /** The `model` of the questions it concerns; empty for those that name none. */
  readonly engine: string;
  readonly code: string;
  readonly sinceUs: number;
  /** When it takes work again; undefined when nobody knows. */
  readonly untilUs: number | undefined;
}

export interface Worker {
  readonly owner: string;
  readonly session: string;
  readonly startedAtUs: number;
  readonly seenAtUs: number;
  /** It provably runs no more, and had no time to say so. */
  readonly gone: boolean;
  /** What it last said of itself; its fields are its own. */
  readonly state: Readonly<Record<string, unknown>>;
}

/** What an autopoll found on the bus when it started. */
export interface Recovery {
  /** Questions that wait for an answer. */
  readonly pending: number;
  /** Questions that other processes are at work on. */
  readonly elsewhere: number;
  /** Leases taken over from processes that are gone. */
  readonly resumed: number;
  /** Leases that had run out. */
  readonly expired: number;
  readonly dead: number;
}

/** An end that nobody knows is stored as 0: the column takes no null. */
const UNKNOWN = 0;

/** A process that has not been heard of for a day is not worth a row. */
const FORGET_AFTER_US = 86_400_000_000;
/** A process may be killed before it takes its row away; a crash loop must not fill the table. */
const MAX_WORKERS = 100;

export function readParks(bus: Pick<SqliteBus, 'read' | 'session'>): Park[] {
  return bus.read((db) => parksIn(db, bus.session));
}

export function parksIn(db: Database, session: string): Park[] {
  return db
    .prepare<[string], Omit<Park, 'untilUs'> & { untilUs: number }>(
      `SELECT engine, code, since_us AS sinceUs, until_us AS untilUs
       FROM warmline_parks WHERE session = ? ORDER BY engine`,
    )
    .all(session)
    .map((row) => ({ ...row, untilUs: row.untilUs === UNKNOWN ? undefined : row.untilUs }));
}

/** @param park undefined: the engine takes work again */
export function savePark(
  bus: Pick<SqliteBus, 'write' | 'session'>,
  engine: string,
  park: (Park & { readonly message: string }) | undefined,
): Promise<void> {
  const { session } = bus;
  return bus.write((db) => {
    if (park === undefined) {
      db.prepare('DELETE FROM warmline_parks WHERE session = ? AND engine = ?').run(
        session,
        engine,
      );
      return;
    }
    const { code, message, sinceUs, untilUs = UNKNOWN } = park;
    db.prepare('INSERT OR REPLACE INTO warmline_parks VALUES (?, ?, ?, ?, ?, ?)').run(
      session,
      engine,
      code,
      message,
      sinceUs,
      untilUs,
    );
  });
}

/** Notes how this process is, and forgets those that have been silent for long. */
export function saveWorker(
  bus: Pick<SqliteBus, 'write' | 'session'>,
  startedAtUs: number,
  state: Worker['state'],
): Promise<void> {
  const { session } = bus;
  return bus.write((db, nowUs) => {
    db.prepare('INSERT OR REPLACE INTO warmline_workers VALUES (?, ?, ?, ?, ?)').run(
      formatOwner(thisProcess()),
      session,
      startedAtUs,
      nowUs,
      JSON.stringify(state),
    );
    db.prepare(
      `DELETE FROM warmline_workers WHERE seen_at_us < ? OR owner NOT IN
         (SELECT owner FROM warmline_workers ORDER BY seen_at_us DESC LIMIT ?)`,
    ).run(nowUs - FORGET_AFTER_US, MAX_WORKERS);
  });
}

/** This process works on the bus no more. */
export function forgetWorker(bus: Pick<SqliteBus, 'write'>): Promise<void> {
  return bus.write((db) => {
    db.prepare('DELETE FROM warmline_workers WHERE owner = ?').run(formatOwner(thisProcess()));
  });
}

export function workersIn(db: Database, session: string): Worker[] {
  const here = thisProcess();
  return db
    .prepare<[string], Omit<Worker, 'state' | 'gone'> & { state: string }>(
      `SELECT owner, session, started_at_us AS startedAtUs, seen_at_us AS seenAtUs, state
       FROM warmline_workers WHERE session = ? ORDER BY seen_at_us DESC`,
    )
    .all(session)
    .map((row) => ({ ...row, gone: isGone(row.owner, here), state: fieldsOf(row.state) }));
}

/**
 * Unfinished questions that an earlier process had taken in, whoever works on them now; not those
 * that wait for something no process can bring about.
 */
export function countTakenIn(bus: Pick<SqliteBus, 'read' | 'session'>): number {
  const sum = `SELECT coalesce(sum(unfinished), 0) FROM warmline_lanes
               WHERE session = ? AND state IN ('ready', 'leased')`;
  return bus.read((db) => Number(db.prepare(sum).pluck().get(bus.session)));
}

/** Whether a question could be claimed now, as far as the bus has been looked at. */
export function isClaimable(
  bus: Pick<SqliteBus, 'read' | 'session'>,
  { conversations, withoutModels }: Pick<ClaimRequest, 'conversations' | 'withoutModels'>,
  nowUs: number,
): boolean {
  const list = (texts: readonly string[] | undefined) => (texts ? JSON.stringify(texts) : null);
  const params = { conversations: list(conversations), without: list(withoutModels), nowUs };
  return bus.read(
    (db) =>
      db
        .prepare(
          `SELECT 1 FROM warmline_lanes l JOIN warmline_work w ON w.question_id = l.head_id
           WHERE l.session = :session AND l.state = 'ready' AND l.ready_at_us <= :nowUs
             AND (:conversations IS NULL
                  OR l.conversation_id IN (SELECT value FROM json_each(:conversations)))
             AND (:without IS NULL
                  OR coalesce(w.model, '') NOT IN (SELECT value FROM json_each(:without)))
           LIMIT 1`,
        )
        .get({ session: bus.session, ...params }) !== undefined,
  );
}

/** How many questions wait for each of these models, those behind them in a conversation included. */
export function countWaiting(
  bus: Pick<SqliteBus, 'read' | 'session'>,
  models: readonly string[],
): Map<string, number> {
  if (models.length === 0) return new Map();
  return bus.read((db) => {
    const rows = db
      .prepare<[string, string], readonly [string, number]>(
        `SELECT coalesce(w.model, '') AS model, sum(l.unfinished)
         FROM warmline_lanes l JOIN warmline_work w ON w.question_id = l.head_id
         WHERE l.session = ? AND l.state = 'ready'
           AND coalesce(w.model, '') IN (SELECT value FROM json_each(?)) GROUP BY model`,
      )
      .raw();
    return new Map(rows.all(bus.session, JSON.stringify(models)));
  });
}

/** One row in the audit of the bus: a process started and took up what another had left. */
export function auditRecovery(
  bus: Pick<SqliteBus, 'write' | 'session'>,
  found: Recovery,
): Promise<void> {
  const { session } = bus;
  return bus.write((db, nowUs) => {
    db.prepare(
      `INSERT INTO audit_log (conversation_id, session_id, action, details, timestamp)
       VALUES (NULL, ?, 'recovery', ?, ?)`,
    ).run(session, JSON.stringify(found), naiveUtc(nowUs));
  });
}

function fieldsOf(text: string): Worker['state'] {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Worker['state']) : {};
  } catch {
    return {};
  }
}
