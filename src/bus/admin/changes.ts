/**
 * The log of status changes: every step of every question, in the order of the commits, each under
 * a number of its own. Triggers on our tables write it inside the transaction of the change, so no
 * step is missing however soon the next one follows, and no writer can forget it.
 *
 * It is kept only while somebody reads it. Without readers there are no triggers, and a drain pays
 * nothing. The first number of a log is the time it was begun, in microseconds since the epoch, so a
 * later log does not use the numbers of an earlier one; and its newest row is never deleted. So a
 * reader that finds the row it has read last knows that it misses nothing after it.
 *
 * `pending` here is a question given back after it was being processed. That a question came is not
 * noted: it is pending before anybody has looked at it. When a conversation expires, all of its
 * questions do: the row names the first of them.
 */
import { createHash } from 'node:crypto';
import type { Database, Statement } from 'better-sqlite3';
import { NOW_US } from '../sqlite/sql-time.js';
import type { SqliteBus } from '../sqlite/store.js';

/** A log goes on for so long after its last reader said that it reads, in milliseconds. */
const KEPT_MS = 3_600_000;

/** How often a reader says so, in milliseconds. */
export const KEEP_CHANGES_EVERY_MS = 600_000;

/** The log is cut to its newest rows, about 40 bytes each: at most some 40 MB. */
const MOST_ROWS = 1_000_000;
/** Cut each time so many have been written: a millisecond's work. */
const CUT_EVERY = 1024;

/** Nothing newer than SQLite 3.40: the other programs have to understand the schema. */
const LOG: Readonly<Record<string, string>> = {
  warmline_changes: `
    CREATE TABLE warmline_changes (
      seq INTEGER PRIMARY KEY,
      question_id INTEGER NOT NULL,
      status TEXT NOT NULL,
      attempt INTEGER NOT NULL,
      at_us INTEGER NOT NULL
    )`,
  // A lane that goes on to its next question says nothing of the one it leaves: that is finished.
  warmline_changes_of_lanes: `
    CREATE TRIGGER warmline_changes_of_lanes
    AFTER UPDATE OF state, head_id, lease_token ON warmline_lanes
    WHEN CASE new.state
           WHEN 'leased' THEN new.lease_token IS NOT old.lease_token
           WHEN 'ready' THEN old.state = 'leased' AND new.head_id = old.head_id
           ELSE new.state = 'expired' AND old.state != 'expired'
         END
    BEGIN
      INSERT INTO warmline_changes (question_id, status, attempt, at_us)
      VALUES (new.head_id,
              CASE new.state WHEN 'leased' THEN 'processing' WHEN 'ready' THEN 'pending'
                             ELSE 'expired' END,
              new.attempts,
              CASE new.state WHEN 'leased' THEN new.claimed_at_us ELSE ${NOW_US} END);
    END`,
  warmline_changes_of_done: `
    CREATE TRIGGER warmline_changes_of_done AFTER INSERT ON warmline_done
    BEGIN
      INSERT INTO warmline_changes (question_id, status, attempt, at_us)
      VALUES (new.question_id, new.outcome, new.attempts, new.completed_at_us);
    END`,
  warmline_changes_cut: `
    CREATE TRIGGER warmline_changes_cut AFTER INSERT ON warmline_changes
    WHEN new.seq % ${CUT_EVERY} = 0
    BEGIN
      DELETE FROM warmline_changes WHERE seq <= new.seq - ${MOST_ROWS};
    END`,
};
const NAMES = JSON.stringify(Object.keys(LOG));
const DIGEST = createHash('sha256').update(Object.values(LOG).join(';')).digest('hex').slice(0, 32);

/** Unfinished: `pending`, `processing`, and `expired` with its conversation. The rest are ends. */
export type ChangeStatus =
  | 'pending'
  | 'processing'
  | 'expired'
  | 'complete'
  | 'failed'
  | 'dead'
  | 'ignored'
  | 'orphaned';

export interface StatusChange {
  readonly seq: number;
  readonly questionId: number;
  readonly status: ChangeStatus;
  /** The attempt that began or ended by it; counts from 1. */
  readonly attempt: number;
  /** Microseconds since the epoch. */
  readonly atUs: number;
}

/** Where a message stands. `missing`: there is no such message, and nothing is known of one. */
export interface Standing {
  readonly questionId: number;
  readonly conversationId: string | undefined;
  readonly status: ChangeStatus | 'missing';
  readonly attempt: number;
}

/**
 * Begins the log when there is none, and keeps it for an hour. Readers call it before they read and
 * then every `KEEP_CHANGES_EVERY_MS`.
 */
export function keepChanges(bus: Pick<SqliteBus, 'write'>): Promise<void> {
  return bus.write((db, nowUs) => {
    if (!isKept(db)) begin(db, nowUs);
    db.prepare(`INSERT OR REPLACE INTO warmline_meta VALUES ('changes_until', ?)`).run(
      String(nowUs + KEPT_MS * 1000),
    );
  });
}

/**
 * Ends the log when its readers are gone, with all that is in it.
 * @returns whether it did
 */
export async function endUnreadChanges(
  bus: Pick<SqliteBus, 'read' | 'write'>,
  nowUs: number,
): Promise<boolean> {
  const isUnread = (db: Database) => {
    const until = db
      .prepare(`SELECT value FROM warmline_meta WHERE key = 'changes_until'`)
      .pluck()
      .get();
    return until !== undefined && Number(until) < nowUs;
  };
  // Looked at without the lock first: an idle bus is never written to.
  if (!bus.read(isUnread)) return false;
  return bus.write((db) => {
    if (!isUnread(db)) return false;
    end(db);
    return true;
  });
}

export interface LookAtChanges {
  /** The changes after this one; none of them when undefined. */
  readonly after: number | undefined;
  readonly limit: number;
  /** Of these it is told where they stand, when there are no more changes than `limit`. */
  readonly questions: readonly number[];
}

export interface SeenChanges {
  readonly changes: readonly StatusChange[];
  /** There are further changes; `standings` is empty then. */
  readonly more: boolean;
  /** As it is after the last of `changes`. */
  readonly standings: readonly Standing[];
  /** The number of the newest change there is. */
  readonly newest: number;
}

/**
 * Reads on in the log, and where messages stand, both as of one moment.
 * @returns `gone` when the log is no longer there, or has no longer what follows `after`
 */
export function lookAtChanges(
  bus: Pick<SqliteBus, 'read'>,
  look: LookAtChanges,
): SeenChanges | 'gone' {
  return bus.read((db) => {
    try {
      return db.transaction(() => see(statementsOf(db), look)).deferred();
    } catch (error) {
      if (!isKept(db)) return 'gone';
      throw error;
    }
  });
}

/** The conversation of a message, as long as the message is there. */
export function conversationOf(bus: Pick<SqliteBus, 'read'>, id: number): string | undefined {
  return bus.read(
    (db) =>
      db.prepare('SELECT conversation_id FROM messages WHERE id = ?').pluck().get(id) as
        | string
        | undefined,
  );
}

function see(sql: Statements, { after, limit, questions }: LookAtChanges): SeenChanges | 'gone' {
  const newest = sql.newest.get() as number | null;
  if (newest === null) return 'gone';
  const [last, ...rows] =
    after === undefined ? [] : (sql.changes.all(after, limit + 2) as ChangeRow[]);
  if (after !== undefined && last?.[0] !== after) return 'gone';
  const more = rows.length > limit;
  const ids = JSON.stringify(more ? [] : questions);
  return {
    changes: rows.slice(0, limit).map(toChange),
    more,
    standings: (sql.standings.all(ids) as StandingRow[]).map(toStanding),
    newest,
  };
}

type ChangeRow = readonly [
  seq: number,
  questionId: number,
  status: ChangeStatus,
  attempt: number,
  atUs: number,
];

function toChange([seq, questionId, status, attempt, atUs]: ChangeRow): StatusChange {
  return { seq, questionId, status, attempt, atUs };
}

type StandingRow = readonly [
  id: number,
  conversation: string | null,
  outcome: ChangeStatus | null,
  doneAttempts: number | null,
  exists: 0 | 1,
  laneState: string | null,
  isHead: 0 | 1 | null,
  laneAttempts: number | null,
];

function toStanding(row: StandingRow): Standing {
  const [questionId, conversation, outcome, doneAttempts, exists, laneState, isHead, attempts] =
    row;
  const conversationId = conversation ?? undefined;
  if (outcome !== null) {
    return { questionId, conversationId, status: outcome, attempt: doneAttempts ?? 0 };
  }
  if (exists === 0) return { questionId, conversationId, status: 'missing', attempt: 0 };
  const attempt = isHead === 1 ? (attempts ?? 0) : 0;
  const isLeased = laneState === 'leased' && isHead === 1;
  const unfinished = isLeased ? 'processing' : 'pending';
  const status = laneState === 'expired' ? 'expired' : unfinished;
  return { questionId, conversationId, status, attempt };
}

interface Statements {
  readonly newest: Statement;
  readonly changes: Statement;
  readonly standings: Statement;
}

/** Prepared once for each connection. */
const prepared = new WeakMap<Database, Statements>();

function statementsOf(db: Database): Statements {
  const known = prepared.get(db);
  if (known) return known;
  const statements = {
    newest: db.prepare('SELECT max(seq) FROM warmline_changes').pluck(),
    changes: db
      .prepare(
        `SELECT seq, question_id, status, attempt, at_us FROM warmline_changes
         WHERE seq >= ? ORDER BY seq LIMIT ?`,
      )
      .raw(),
    standings: db
      .prepare(
        `SELECT wanted.value, coalesce(d.conversation_id, m.conversation_id), d.outcome, d.attempts,
                m.id IS NOT NULL, l.state, l.head_id = wanted.value, l.attempts
         FROM json_each(?) AS wanted
         LEFT JOIN warmline_done d ON d.question_id = wanted.value
         LEFT JOIN messages m ON m.id = wanted.value
         LEFT JOIN warmline_lanes l
           ON l.session = m.to_session AND l.conversation_id = m.conversation_id`,
      )
      .raw(),
  };
  prepared.set(db, statements);
  return statements;
}

/** Whether there is a log, whole, as this version writes it. */
function isKept(db: Database): boolean {
  const digest = db.prepare(`SELECT value FROM warmline_meta WHERE key = 'changes'`).pluck().get();
  const objects = db
    .prepare('SELECT count(*) FROM sqlite_master WHERE name IN (SELECT value FROM json_each(?))')
    .pluck()
    .get(NAMES);
  return digest === DIGEST && objects === Object.keys(LOG).length;
}

function begin(db: Database, nowUs: number): void {
  end(db);
  db.exec(Object.values(LOG).join(';\n'));
  db.prepare(`INSERT INTO warmline_changes VALUES (?, 0, 'begun', 0, ?)`).run(nowUs, nowUs);
  db.prepare(`INSERT OR REPLACE INTO warmline_meta VALUES ('changes', ?)`).run(DIGEST);
}

function end(db: Database): void {
  db.exec(`
    DROP TRIGGER IF EXISTS warmline_changes_of_lanes;
    DROP TRIGGER IF EXISTS warmline_changes_of_done;
    DROP TABLE IF EXISTS warmline_changes;
    DELETE FROM warmline_meta WHERE key IN ('changes', 'changes_until');
  `);
}
