/** The small things the transactions keep: counts, the watermark, read marks, notes for later. */
import type { Database } from 'better-sqlite3';
import { type Finding, MAX_FINDINGS } from './finding.js';
import { DRAINED } from './lanes.js';
import type { Unheld } from './unheld.js';

/** Read marks of this many questions are set in one transaction. */
const MARKS_PAGE = 500;

/** The counts of what is finished, and the watermark. */
export function findInCounts(db: Database): Finding[] {
  return [...tooFewCounted(db), ...lowWatermarks(db), ...highWatermarks(db)];
}

interface Count {
  readonly session: string;
  readonly name: string;
  readonly counted: number;
  readonly rows: number;
}

/**
 * Finished questions are cleared away in time and stay counted, so a count may be higher than the
 * rows there are, and never lower.
 */
function tooFewCounted(db: Database): Finding[] {
  const counts = db
    .prepare(
      `SELECT d.session, d.outcome AS name, coalesce(c.value, 0) AS counted, d.rows
       FROM (SELECT session, outcome, count(*) AS rows FROM warmline_done GROUP BY 1, 2) d
       LEFT JOIN warmline_counters c ON c.session = d.session AND c.name = d.outcome
       WHERE d.rows > coalesce(c.value, 0)`,
    )
    .all() as Count[];
  return counts.map((count) => ({
    kind: 'count',
    messages: [
      `${count.rows} questions for side ${count.session} are finished as "${count.name}", and ${count.counted} are counted`,
    ],
    steps: [(database) => addMissing(database, count)],
  }));
}

/** Adds what is missing: count and rows grow together, so the difference stays what it was. */
function addMissing(db: Database, { session, name, counted, rows }: Count): boolean {
  return (
    db
      .prepare(
        `INSERT INTO warmline_counters VALUES (:session, :name, :missing)
         ON CONFLICT DO UPDATE SET value = value + :missing WHERE value < :rows`,
      )
      .run({ session, name, missing: rows - counted, rows }).changes === 1
  );
}

/** Rows that were taken in would be taken in again, and every claim would fail on the first. */
function lowWatermarks(db: Database): Finding[] {
  const rows = db
    .prepare(
      `SELECT t.session, max(t.id) AS last, coalesce(c.last_id, 0) AS kept
       FROM (SELECT session, question_id AS id FROM warmline_ignorable
             UNION ALL SELECT m.to_session, w.question_id
                       FROM warmline_work w JOIN messages m ON m.id = w.question_id) t
       LEFT JOIN warmline_cursor c ON c.session = t.session
       WHERE t.session IN (${DRAINED})
         AND EXISTS (SELECT 1 FROM messages m WHERE m.id = t.id AND coalesce(m.read, 0) = 0)
       GROUP BY t.session HAVING max(t.id) > coalesce(c.last_id, 0)`,
    )
    .all() as { session: string; last: number; kept: number }[];
  return rows.map(({ session, last, kept }) => ({
    kind: 'watermark',
    messages: [
      `questions for side ${session} have been taken in up to message ${last}, and the watermark says ${kept}`,
    ],
    steps: [
      (database) =>
        database
          .prepare(
            `INSERT INTO warmline_cursor VALUES (:session, :last)
             ON CONFLICT (session) DO UPDATE SET last_id = :last WHERE last_id < :last`,
          )
          .run({ session, last }).changes === 1,
    ],
  }));
}

/** Messages to come would be passed over as known. */
function highWatermarks(db: Database): Finding[] {
  const last = lastId(db);
  const rows = db
    .prepare(`SELECT session, last_id AS kept FROM warmline_cursor WHERE last_id > ?`)
    .all(last) as { session: string; kept: number }[];
  return rows.map(({ session, kept }) => ({
    kind: 'watermark',
    messages: [
      `the watermark for side ${session} is ${kept}, and no message has had an id above ${last}`,
    ],
    steps: [
      (database) =>
        database
          .prepare(
            'UPDATE warmline_cursor SET last_id = :last WHERE session = :session AND last_id = :kept',
          )
          .run({ session, last: lastId(database), kept }).changes === 1,
    ],
  }));
}

/** The highest id ever given out: the row that had it may have been deleted. */
function lastId(db: Database): number {
  const isCounted = db.prepare(`SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'`).get();
  const counted = isCounted ? `(SELECT seq FROM sqlite_sequence WHERE name = 'messages')` : '0';
  return db
    .prepare(`SELECT max(coalesce((SELECT max(id) FROM messages), 0), coalesce(${counted}, 0))`)
    .pluck()
    .get() as number;
}

/** Finished questions that are not marked as read. */
export function findInMarks(unheld: readonly Unheld[]): Finding[] {
  const ids = unheld.filter(({ answered }) => answered).map(({ id }) => id);
  const findings: Finding[] = [];
  for (let at = 0; at < ids.length; at += MARKS_PAGE) {
    const page = ids.slice(at, at + MARKS_PAGE);
    findings.push({
      kind: 'unread',
      messages: page.map((id) => `question ${id} is finished and not marked as read`),
      steps: [(db) => markRead(db, page)],
    });
  }
  return findings;
}

function markRead(db: Database, ids: readonly number[]): boolean {
  db.prepare(
    `UPDATE messages SET read = 1 WHERE id IN (SELECT value FROM json_each(?))
       AND NOT EXISTS (SELECT 1 FROM warmline_work w WHERE w.question_id = messages.id
                       AND NOT EXISTS (SELECT 1 FROM warmline_done d
                                       WHERE d.question_id = w.question_id))`,
  ).run(JSON.stringify(ids));
  return true;
}

/** Rows to be marked as read that are finished, or are questions after all. */
export function findInIgnorable(db: Database): Finding[] {
  const ids = db
    .prepare(
      `SELECT question_id FROM warmline_ignorable i
       WHERE EXISTS (SELECT 1 FROM warmline_done d WHERE d.question_id = i.question_id)
          OR EXISTS (SELECT 1 FROM warmline_work w WHERE w.question_id = i.question_id)
       LIMIT ?`,
    )
    .pluck()
    .all(MAX_FINDINGS) as number[];
  return ids.map((id) => ({
    kind: 'leftover',
    messages: [
      `message ${id} is noted as no question, and has been taken in as one or is finished`,
    ],
    steps: [
      (database) =>
        database
          .prepare(
            `DELETE FROM warmline_ignorable WHERE question_id = :id
               AND (EXISTS (SELECT 1 FROM warmline_done WHERE question_id = :id)
                    OR EXISTS (SELECT 1 FROM warmline_work WHERE question_id = :id))`,
          )
          .run({ id }).changes === 1,
    ],
  }));
}

/** Notes of what a question waits for that outlived it. */
export function findInDepends(db: Database): Finding[] {
  const ids = db
    .prepare(
      `SELECT DISTINCT question_id FROM warmline_depends d
       WHERE NOT EXISTS (SELECT 1 FROM warmline_work w WHERE w.question_id = d.question_id)
       LIMIT ?`,
    )
    .pluck()
    .all(MAX_FINDINGS) as number[];
  return ids.map((id) => ({
    kind: 'leftover',
    messages: [`it is noted what question ${id} waits for, and that question is not unfinished`],
    steps: [
      (database) =>
        database
          .prepare(
            `DELETE FROM warmline_depends WHERE question_id = :id
               AND NOT EXISTS (SELECT 1 FROM warmline_work WHERE question_id = :id)`,
          )
          .run({ id }).changes > 0,
    ],
  }));
}
