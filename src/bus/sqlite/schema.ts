/**
 * Our own tables in the bus file, by numbered steps, and the check that the foreign ones are what
 * we think. The four foreign tables are never altered: no index, no trigger, no column.
 */
import type { Database } from 'better-sqlite3';
import { BusError } from '../bus.js';

/**
 * Columns we read or write. More columns are fine as long as rows without them are; a missing one
 * means another schema.
 */
const FOREIGN_COLUMNS = {
  conversations: [
    'id',
    'session_a_role',
    'session_b_role',
    'session_a_token',
    'session_b_token',
    'created_at',
    'expires_at',
  ],
  messages: [
    'id',
    'conversation_id',
    'from_session',
    'to_session',
    'message',
    'metadata',
    'timestamp',
    'read',
  ],
  session_status: ['conversation_id', 'session_id', 'status', 'last_heartbeat'],
  audit_log: ['id', 'conversation_id', 'session_id', 'action', 'details', 'timestamp'],
} as const;

/**
 * Each step runs once, in a transaction of its own, and is never edited after a release.
 *
 * - `warmline_lanes` has one row for each conversation with unfinished questions: its oldest
 *   question (the head), the lease on it, and the counts. Only a head is ever leased.
 * - `warmline_work` links the unfinished questions of a lane in order (`next_id`). Everything is
 *   found by question id, so a transaction touches neighbouring pages: an index by conversation
 *   would scatter its writes over as many pages as there are conversations.
 * - `warmline_done` holds the finished ones and is append-only.
 * - Lease tokens are never used twice, so a lane whose number is given out again cannot be
 *   mistaken for the earlier one.
 * - `rank_us` orders the lanes: the moment of the last answer (or of arrival), minus one second
 *   for each point of priority. A priority is a head start and not a right of way, so nobody starves.
 */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE warmline_cursor (
    session TEXT PRIMARY KEY,
    last_id INTEGER NOT NULL
  ) WITHOUT ROWID;

  CREATE TABLE warmline_lanes (
    lane_id INTEGER PRIMARY KEY,
    session TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    head_id INTEGER NOT NULL,
    tail_id INTEGER NOT NULL,
    unfinished INTEGER NOT NULL CHECK (unfinished > 0),
    state TEXT NOT NULL CHECK (state IN ('ready', 'leased', 'expired')),
    ready_at_us INTEGER NOT NULL DEFAULT 0,
    rank_us INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    claimed_at_us INTEGER,
    lease_token TEXT,
    lease_owner TEXT,
    lease_until_us INTEGER,
    last_error TEXT,
    UNIQUE (session, conversation_id),
    CHECK ((state = 'leased') = (lease_token IS NOT NULL))
  );
  CREATE INDEX warmline_lanes_ready ON warmline_lanes (session, rank_us) WHERE state = 'ready';

  CREATE TABLE warmline_work (
    question_id INTEGER PRIMARY KEY,
    next_id INTEGER,
    priority INTEGER NOT NULL,
    seen_at_us INTEGER NOT NULL
  );

  CREATE TABLE warmline_ignorable (
    question_id INTEGER PRIMARY KEY,
    session TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    seen_at_us INTEGER NOT NULL
  );

  CREATE TABLE warmline_done (
    question_id INTEGER PRIMARY KEY,
    session TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    outcome TEXT NOT NULL
      CHECK (outcome IN ('complete', 'failed', 'dead', 'ignored', 'orphaned')),
    answer_id INTEGER,
    attempts INTEGER NOT NULL,
    error_code TEXT,
    seen_at_us INTEGER NOT NULL,
    claimed_at_us INTEGER,
    completed_at_us INTEGER NOT NULL,
    CHECK (completed_at_us >= coalesce(claimed_at_us, seen_at_us))
  );
  CREATE TRIGGER warmline_done_is_final BEFORE UPDATE ON warmline_done
    BEGIN SELECT raise(ABORT, 'a finished question is never changed'); END;

  CREATE TABLE warmline_counters (
    session TEXT NOT NULL,
    name TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (session, name)
  ) WITHOUT ROWID;
  `,
];

/** The four tables of a new bus, for demonstrations, tests and `--create`. */
export const FOREIGN_SCHEMA = `
  CREATE TABLE IF NOT EXISTS conversations (
    id TEXT PRIMARY KEY,
    session_a_role TEXT NOT NULL,
    session_b_role TEXT NOT NULL,
    session_a_token TEXT NOT NULL,
    session_b_token TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
  );
  CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation_id TEXT NOT NULL,
    from_session TEXT NOT NULL,
    to_session TEXT NOT NULL,
    message TEXT NOT NULL,
    metadata TEXT,
    timestamp TEXT NOT NULL,
    read INTEGER DEFAULT 0,
    FOREIGN KEY (conversation_id) REFERENCES conversations(id)
  );
  CREATE TABLE IF NOT EXISTS session_status (
    conversation_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    status TEXT NOT NULL,
    last_heartbeat TEXT NOT NULL,
    PRIMARY KEY (conversation_id, session_id)
  );
  CREATE TABLE IF NOT EXISTS audit_log (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation_id TEXT,
    session_id TEXT,
    action TEXT NOT NULL,
    details TEXT,
    timestamp TEXT NOT NULL
  );
`;

/** @throws BusError `bus_schema` naming what is missing; nothing has been written then */
export function checkForeignSchema(db: Database): void {
  const columnsOf = db.prepare<[string], Column>(
    `SELECT c.name, c."notnull" AND c.dflt_value IS NULL AND c.pk = 0 AS required
     FROM sqlite_master t JOIN pragma_table_info(t.name) c
     WHERE t.type = 'table' AND t.name = ? COLLATE NOCASE`,
  );
  for (const [table, known] of Object.entries<readonly string[]>(FOREIGN_COLUMNS)) {
    const columns = columnsOf.all(table);
    const names = columns.map((column) => column.name);
    const missing = known.filter((column) => !names.includes(column));
    const unfilled = columns.filter((column) => column.required && !known.includes(column.name));
    if (columns.length === 0) {
      throw notOurs(`the file is not a memory bus: it has no table "${table}"; check --db`);
    }
    if (missing.length > 0) {
      throw notOurs(`table "${table}" has no column "${missing.join('", "')}"; ${NEXT_STEP}`);
    }
    if (unfilled[0]) {
      throw notOurs(`table "${table}" demands a column "${unfilled[0].name}"; ${NEXT_STEP}`);
    }
  }
}

interface Column {
  readonly name: string;
  /** Rows must come with a value for it. */
  readonly required: 0 | 1;
}

const NEXT_STEP = 'this version of warmline does not know this bus, look for a newer one';

function notOurs(message: string): BusError {
  return new BusError('bus_schema', `${message}; nothing was changed`);
}

/** Brings our own tables up to date; safe to run by several processes at once, and after a kill. */
export function migrate(db: Database): void {
  if (schemaVersion(db) === MIGRATIONS.length) return;
  db.transaction(() => {
    db.exec(
      `CREATE TABLE IF NOT EXISTS warmline_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID`,
    );
    const from = schemaVersion(db);
    // Not a number is a way to write it that only a newer one can know.
    if (!(from <= MIGRATIONS.length)) {
      throw new BusError(
        'bus_schema',
        `the bus was used by a newer warmline (schema ${from}, this one knows ${MIGRATIONS.length}); upgrade this one`,
      );
    }
    for (const step of MIGRATIONS.slice(from)) db.exec(step);
    db.prepare(`INSERT OR REPLACE INTO warmline_meta VALUES ('schema_version', ?)`).run(
      String(MIGRATIONS.length),
    );
  }).immediate();
}

function schemaVersion(db: Database): number {
  const known = db
    .prepare(`SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'warmline_meta'`)
    .get();
  if (!known) return 0;
  const value = db
    .prepare(`SELECT value FROM warmline_meta WHERE key = 'schema_version'`)
    .pluck()
    .get();
  return Number(value ?? 0);
}
