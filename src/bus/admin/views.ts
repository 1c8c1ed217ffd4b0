/**
 * Views on our tables, for people with `sqlite3` and for programs of others; `docs/metrics.md`
 * describes each. They name none of the four foreign tables: a view on a table keeps its owner from
 * rebuilding it (`ALTER TABLE … RENAME` fails where a view has lost its table).
 *
 * They use nothing newer than SQLite 3.40, with which the other programs read.
 */
import { createHash } from 'node:crypto';
import type { Database } from 'better-sqlite3';
import { NOW_US } from '../sqlite/sql-time.js';
import { finishedTurns, latency } from './latency.js';

const PREFIX = 'warmline_v_';

/** Naive UTC with six digits, as the foreign tables have it. */
const text = (us: string) =>
  `strftime('%Y-%m-%dT%H:%M:%S', ${us} / 1000000, 'unixepoch') || printf('.%06d', ${us} % 1000000)`;
const ms = (us: string) => `round((${us}) / 1000.0, 3)`;
const START_OF_DAY_US = `(strftime('%s', 'now', 'start of day') * 1000000)`;

const ATTEMPT_TIMES = `
  ${text('seen_at_us')} AS seen_at, ${text('claimed_at_us')} AS claimed_at,
  ${text('started_at_us')} AS started_at, ${text('first_byte_at_us')} AS first_byte_at,
  ${text('finished_at_us')} AS finished_at,
  ${ms('coalesce(started_at_us, claimed_at_us) - seen_at_us')} AS queued_ms,
  ${ms('first_byte_at_us - started_at_us')} AS first_byte_ms,
  ${ms('finished_at_us - started_at_us')} AS turn_ms,
  ${ms('finished_at_us - seen_at_us')} AS total_ms`;

const VIEWS: Readonly<Record<string, string>> = {
  attempts: `
    SELECT question_id, attempt, session, conversation_id, outcome, error_code, error_message,
           engine, ${ATTEMPT_TIMES}, input_tokens, output_tokens
    FROM (SELECT question_id, attempt, session, conversation_id, outcome, error_code,
                 error_message, engine, seen_at_us, claimed_at_us, started_at_us,
                 first_byte_at_us, finished_at_us, input_tokens, output_tokens
          FROM warmline_attempts
          UNION ALL
          SELECT question_id, attempts, session, conversation_id, outcome, error_code, NULL,
                 engine, seen_at_us, claimed_at_us, started_at_us, first_byte_at_us,
                 completed_at_us, input_tokens, output_tokens
          FROM warmline_done WHERE claimed_at_us IS NOT NULL)`,

  // Only a lane knows the conversation of what is in it, so its questions are found by their links.
  questions: `
    WITH RECURSIVE unfinished(question_id, next_id, seen_at_us, priority, lane_id) AS (
      SELECT w.question_id, w.next_id, w.seen_at_us, w.priority, l.lane_id
      FROM warmline_lanes l JOIN warmline_work w ON w.question_id = l.head_id
      UNION ALL
      SELECT w.question_id, w.next_id, w.seen_at_us, w.priority, u.lane_id
      FROM unfinished u JOIN warmline_work w ON w.question_id = u.next_id
    ), states AS (
      SELECT u.question_id, l.session, l.conversation_id, u.priority, u.seen_at_us,
             u.question_id = l.head_id AS is_head, l.state, l.attempts, l.claimed_at_us,
             l.ready_at_us, l.lease_owner, l.lease_until_us, l.last_error
      FROM unfinished u JOIN warmline_lanes l ON l.lane_id = u.lane_id
    )
    SELECT question_id, session, conversation_id,
           CASE WHEN state IN ('expired', 'waiting') THEN state
                WHEN NOT is_head THEN 'pending'
                WHEN state = 'leased' THEN 'processing'
                WHEN ready_at_us > ${NOW_US} THEN 'delayed'
                ELSE 'pending' END AS status,
           CASE WHEN is_head THEN attempts ELSE 0 END AS attempts, priority,
           ${text('seen_at_us')} AS seen_at,
           CASE WHEN is_head THEN ${text('claimed_at_us')} END AS claimed_at,
           CASE WHEN is_head AND state = 'ready' AND ready_at_us > 0
                THEN ${text('ready_at_us')} END AS ready_at,
           NULL AS finished_at, ${ms(`${NOW_US} - seen_at_us`)} AS age_ms,
           CASE WHEN is_head THEN lease_owner END AS lease_owner,
           CASE WHEN is_head THEN ${text('lease_until_us')} END AS lease_until,
           CASE WHEN is_head THEN last_error END AS error, NULL AS answer_id
    FROM states
    UNION ALL
    SELECT question_id, session, conversation_id, outcome, attempts, NULL,
           ${text('seen_at_us')}, ${text('claimed_at_us')}, NULL, ${text('completed_at_us')},
           ${ms('completed_at_us - seen_at_us')}, NULL, NULL, error_code, answer_id
    FROM warmline_done`,

  conversations: `
    WITH finished AS (
      SELECT session, conversation_id, sum(outcome = 'complete') AS complete,
             sum(outcome = 'failed') AS failed, sum(outcome = 'dead') AS dead,
             sum(outcome = 'ignored') AS ignored, sum(outcome = 'orphaned') AS orphaned,
             max(completed_at_us) AS last_us
      FROM warmline_done GROUP BY session, conversation_id
    ), known AS (
      SELECT session, conversation_id FROM finished
      UNION SELECT session, conversation_id FROM warmline_lanes
    )
    SELECT k.session, k.conversation_id,
           CASE WHEN l.state IS NULL THEN 'idle'
                WHEN l.state = 'leased' THEN 'processing'
                WHEN l.state = 'ready' AND l.ready_at_us > ${NOW_US} THEN 'delayed'
                WHEN l.state = 'ready' THEN 'pending'
                ELSE l.state END AS status,
           coalesce(l.unfinished, 0) AS unfinished,
           ${ms(`${NOW_US} - w.seen_at_us`)} AS oldest_age_ms, l.head_id, l.last_error,
           coalesce(f.complete, 0) AS complete, coalesce(f.failed, 0) AS failed,
           coalesce(f.dead, 0) AS dead, coalesce(f.ignored, 0) AS ignored,
           coalesce(f.orphaned, 0) AS orphaned, ${text('f.last_us')} AS last_finished_at
    FROM known k
    LEFT JOIN finished f ON f.session = k.session AND f.conversation_id = k.conversation_id
    LEFT JOIN warmline_lanes l ON l.session = k.session AND l.conversation_id = k.conversation_id
    LEFT JOIN warmline_work w ON w.question_id = l.head_id`,

  // Through the index on the questions that got no answer: quick however many are finished.
  dead_letters: `
    SELECT d.question_id, d.session, d.conversation_id, d.attempts, d.error_code,
           d.engine, ${text('d.seen_at_us')} AS seen_at, ${text('d.completed_at_us')} AS died_at,
           ${ms(`${NOW_US} - d.completed_at_us`)} AS age_ms, d.answer_id
    FROM warmline_done d
    WHERE d.outcome IN ('failed', 'dead') AND d.outcome = 'dead'
      AND NOT EXISTS (SELECT 1 FROM warmline_redrives r WHERE r.question_id = d.question_id)`,

  daily: `
    SELECT day, session, conversation_id, engine, samples, complete, failed, p50_ms, p95_ms,
           p99_ms, max_ms, mean_ms, input_tokens, output_tokens,
           max(1000, CAST(p99_ms * 1.5 / 1000 AS INTEGER) * 1000
                 + 1000 * (p99_ms * 1.5 > CAST(p99_ms * 1.5 / 1000 AS INTEGER) * 1000))
             AS suggested_timeout_ms,
           ${text('rolled_up_at_us')} AS rolled_up_at
    FROM warmline_daily`,

  latency: `
    WITH today AS (${latency(finishedTurns(`>= ${START_OF_DAY_US}`))}),
         week AS (${latency(finishedTurns(`>= ${NOW_US} - 7 * 86400000000`))})
    SELECT 'today' AS period, * FROM today UNION ALL SELECT '7 days', * FROM week`,

  parks: `
    SELECT session, engine, code, message, ${text('since_us')} AS since, ${text('until_us')} AS until,
           max(0, ${ms(`until_us - ${NOW_US}`)}) AS left_ms
    FROM warmline_parks`,

  timeouts: `
    SELECT session, conversation_id, engine, timeout_ms, source, ${text('set_at_us')} AS set_at
    FROM warmline_timeouts`,

  workers: `
    SELECT owner, session, ${text('started_at_us')} AS started_at, ${text('seen_at_us')} AS seen_at,
           ${ms(`${NOW_US} - seen_at_us`)} AS silent_ms, state
    FROM warmline_workers`,
};

const STATEMENTS = Object.entries(VIEWS).map(
  ([name, select]) => `CREATE VIEW ${PREFIX}${name} AS ${select}`,
);
const DIGEST = createHash('sha256').update(STATEMENTS.join(';')).digest('hex').slice(0, 32);

/** The views there are, by name. */
export const VIEW_NAMES: readonly string[] = Object.keys(VIEWS).map((name) => PREFIX + name);

/** Whether the views are those of this version; needs no lock. */
export function hasViews(db: Database): boolean {
  const known = db.prepare(`SELECT value FROM warmline_meta WHERE key = 'views'`).pluck().get();
  return known === DIGEST;
}

/** Makes the views those of this version. Inside a transaction of the caller. */
export function ensureViews(db: Database): void {
  if (hasViews(db)) return;
  dropViews(db);
  db.exec(STATEMENTS.map((statement) => `${statement};\n`).join(''));
  db.prepare(`INSERT OR REPLACE INTO warmline_meta VALUES ('views', ?)`).run(DIGEST);
}

/** Before our tables change: a table cannot be renamed while a view has lost its own. */
export function dropViews(db: Database): void {
  const found = db
    .prepare(`SELECT name FROM sqlite_master WHERE type = 'view' AND name GLOB '${PREFIX}*'`)
    .pluck()
    .all() as string[];
  for (const name of found) db.exec(`DROP VIEW "${name.replaceAll('"', '""')}"`);
  db.prepare(`DELETE FROM warmline_meta WHERE key = 'views'`).run();
}
