/** Our own tables in the bus file, by numbered steps. */
import type { Database } from 'better-sqlite3';
import { dropViews, ensureViews, hasViews } from '../admin/views.js';
import { BusError } from '../bus.js';

/**
 * Each step runs once, in a transaction of its own, and is never edited after a release.
 *
 * - `warmline_lanes` has one row for each conversation with unfinished questions: its oldest
 *   question (the head), the lease on it, and the counts. Only a head is ever leased.
 * - `warmline_work` links the unfinished questions of a lane in order (`next_id`). Everything is
 *   found by question id, so a transaction touches neighbouring pages: an index by conversation
 *   would scatter its writes over as many pages as there are conversations.
 * - `warmline_done` holds the finished ones, each with its last attempt, and is append-only;
 *   `warmline_attempts` holds the attempts before the last. So a question that is answered at once,
 *   as nearly all are, costs one row.
 * - `warmline_depends` holds what the heads of waiting lanes wait for, only as long as they do.
 * - `warmline_redrives` says which question asks a dead one again.
 * - `warmline_parks` says which engine takes no work until when; an engine is the `model` of a
 *   question, or empty for the default one.
 * - In `warmline_timeouts` an empty conversation or engine stands for all of them.
 * - `warmline_workers` has one row for each autopoll: what it last said of itself, as JSON.
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
  `
  -- "waiting": the head depends on questions that are not finished. A check cannot be altered.
  CREATE TABLE warmline_lanes_2 (
    lane_id INTEGER PRIMARY KEY,
    session TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    head_id INTEGER NOT NULL,
    tail_id INTEGER NOT NULL,
    unfinished INTEGER NOT NULL CHECK (unfinished > 0),
    state TEXT NOT NULL CHECK (state IN ('ready', 'leased', 'expired', 'waiting')),
    ready_at_us INTEGER NOT NULL DEFAULT 0,
    rank_us INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    claimed_at_us INTEGER,
    lease_token TEXT,
    lease_owner TEXT,
    lease_until_us INTEGER,
    last_error TEXT,
    UNIQUE (session, conversation_id),
    CHECK ((state = 'leased') = (lease_token IS NOT NULL)),
    -- An autopoll of version 1 that is still running could claim, and not settle: it writes rows
    -- of fewer columns. Its tokens begin otherwise, so it claims nothing and uses up no attempt.
    CHECK (lease_token GLOB '2.*')
  );
  INSERT INTO warmline_lanes_2
    SELECT lane_id, session, conversation_id, head_id, tail_id, unfinished,
           CASE state WHEN 'leased' THEN 'ready' ELSE state END, ready_at_us, rank_us,
           attempts - (state = 'leased'), claimed_at_us, NULL, NULL, NULL, last_error
    FROM warmline_lanes;
  DROP TABLE warmline_lanes;
  ALTER TABLE warmline_lanes_2 RENAME TO warmline_lanes;
  CREATE INDEX warmline_lanes_ready ON warmline_lanes (session, rank_us) WHERE state = 'ready';
  CREATE INDEX warmline_lanes_waiting ON warmline_lanes (head_id) WHERE state = 'waiting';

  ALTER TABLE warmline_work ADD COLUMN model TEXT;
  CREATE INDEX warmline_work_model ON warmline_work (model) WHERE model IS NOT NULL;

  ALTER TABLE warmline_done ADD COLUMN engine TEXT;
  ALTER TABLE warmline_done ADD COLUMN started_at_us INTEGER
    CHECK (started_at_us BETWEEN claimed_at_us AND completed_at_us);
  ALTER TABLE warmline_done ADD COLUMN first_byte_at_us INTEGER
    CHECK (first_byte_at_us BETWEEN started_at_us AND completed_at_us);
  ALTER TABLE warmline_done ADD COLUMN input_tokens INTEGER;
  ALTER TABLE warmline_done ADD COLUMN output_tokens INTEGER;
  CREATE INDEX warmline_done_without_answer ON warmline_done (question_id)
    WHERE outcome IN ('failed', 'dead');

  CREATE TABLE warmline_attempts (
    question_id INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    session TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('retried', 'lease_expired', 'owner_gone')),
    error_code TEXT,
    error_message TEXT,
    engine TEXT,
    seen_at_us INTEGER NOT NULL,
    claimed_at_us INTEGER NOT NULL,
    started_at_us INTEGER,
    first_byte_at_us INTEGER,
    finished_at_us INTEGER NOT NULL,
    input_tokens INTEGER,
    output_tokens INTEGER,
    PRIMARY KEY (question_id, attempt),
    CHECK (finished_at_us >= claimed_at_us),
    CHECK (started_at_us BETWEEN claimed_at_us AND finished_at_us),
    CHECK (first_byte_at_us BETWEEN started_at_us AND finished_at_us)
  ) WITHOUT ROWID;
  CREATE TRIGGER warmline_attempts_are_final BEFORE UPDATE ON warmline_attempts
    BEGIN SELECT raise(ABORT, 'a finished attempt is never changed'); END;

  CREATE TABLE warmline_depends (
    question_id INTEGER NOT NULL,
    parent_id INTEGER NOT NULL,
    PRIMARY KEY (question_id, parent_id)
  ) WITHOUT ROWID;
  CREATE INDEX warmline_depends_parent ON warmline_depends (parent_id);

  CREATE TABLE warmline_redrives (
    question_id INTEGER PRIMARY KEY,
    again_id INTEGER NOT NULL
  );

  CREATE TABLE warmline_parks (
    session TEXT NOT NULL,
    engine TEXT NOT NULL,
    code TEXT NOT NULL,
    message TEXT NOT NULL,
    since_us INTEGER NOT NULL,
    until_us INTEGER NOT NULL,
    PRIMARY KEY (session, engine)
  ) WITHOUT ROWID;

  CREATE TABLE warmline_timeouts (
    session TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    engine TEXT NOT NULL,
    timeout_ms INTEGER NOT NULL CHECK (timeout_ms > 0),
    source TEXT NOT NULL CHECK (source IN ('set', 'adaptive')),
    set_at_us INTEGER NOT NULL,
    PRIMARY KEY (session, conversation_id, engine)
  ) WITHOUT ROWID;

  CREATE TABLE warmline_daily (
    day TEXT NOT NULL,
    session TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    engine TEXT NOT NULL,
    samples INTEGER NOT NULL,
    complete INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    p50_ms REAL,
    p95_ms REAL,
    p99_ms REAL,
    max_ms REAL,
    mean_ms REAL,
    input_tokens INTEGER NOT NULL DEFAULT 0,
    output_tokens INTEGER NOT NULL DEFAULT 0,
    rolled_up_at_us INTEGER NOT NULL,
    PRIMARY KEY (day, session, conversation_id, engine),
    CHECK (samples = complete + failed)
  ) WITHOUT ROWID;

  CREATE TABLE warmline_workers (
    owner TEXT PRIMARY KEY,
    session TEXT NOT NULL,
    started_at_us INTEGER NOT NULL,
    seen_at_us INTEGER NOT NULL,
    state TEXT NOT NULL
  ) WITHOUT ROWID;
  `,
];

/** Brings our own tables up to date; safe to run by several processes at once, and after a kill. */
export function migrate(db: Database): void {
  if (isMigrated(db)) return;
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
    if (from < MIGRATIONS.length) dropViews(db);
    for (const step of MIGRATIONS.slice(from)) db.exec(step);
    db.prepare(`INSERT OR REPLACE INTO warmline_meta VALUES ('schema_version', ?)`).run(
      String(MIGRATIONS.length),
    );
    ensureViews(db);
  }).immediate();
}

/** Whether there is nothing for `migrate` to do; needs no lock. */
export function isMigrated(db: Database): boolean {
  return schemaVersion(db) === MIGRATIONS.length && hasViews(db);
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
