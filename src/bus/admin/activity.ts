/** How a bus has gone lately: what was finished, and what failed last. For people who look in. */
import type { Database } from 'better-sqlite3';
import { systemClock } from '../../clock.js';
import type { Side } from '../bus.js';
import { ownTables, withReader } from '../sqlite/inspect.js';

export interface Activity {
  /** Questions finished within the last `WINDOW_MS`, the ignored ones not counted. */
  readonly finished: number;
  /** Which attempt failed last, and is kept. */
  readonly lastError: LastError | undefined;
}

interface LastError {
  readonly messageId: number;
  readonly code: string;
  /** Absent where only the code is kept. */
  readonly message: string | undefined;
  /** Microseconds since the epoch. */
  readonly atUs: number;
}

export const WINDOW_MS = 300_000;

/** Questions end about in the order of their ids: beyond so many that ended earlier, none is looked for. */
const OLDER_ROWS = 1_000;
const MOST_ROWS = 500_000;
/** Among the last so many that failed, the one that failed last is looked for. */
const FAILED_ROWS = 100;

/**
 * Costs a look at what is counted, however much is older.
 * @throws BusError when the file is missing, foreign or damaged
 */
export function recentActivity(file: string, session: Side): Activity {
  return withReader(file, (db) => {
    const tables = ownTables(db);
    if (!tables.has('warmline_done')) return { finished: 0, lastError: undefined };
    const sinceUs = systemClock.wallUs() - WINDOW_MS * 1000;
    return {
      finished: countFinished(db, session, sinceUs),
      lastError: tables.has('warmline_attempts') ? lastError(db, session) : undefined,
    };
  });
}

function countFinished(db: Database, session: Side, sinceUs: number): number {
  const rows = db
    .prepare<[string, number], [number]>(
      `SELECT completed_at_us FROM warmline_done
       WHERE session = ? AND outcome != 'ignored' ORDER BY question_id DESC LIMIT ?`,
    )
    .raw()
    .iterate(session, MOST_ROWS);
  let finished = 0;
  let older = 0;
  for (const [atUs] of rows) {
    if (atUs >= sinceUs) finished += 1;
    else older += 1;
    if (older >= OLDER_ROWS) break;
  }
  return finished;
}

/** The message of the error is in the answer; a retried attempt keeps its own. */
function lastError(db: Database, session: Side): LastError | undefined {
  const row = db
    .prepare(
      `SELECT * FROM (
         SELECT d.question_id AS messageId, d.error_code AS code, d.completed_at_us AS atUs,
                CASE WHEN json_valid(m.message)
                     THEN json_extract(m.message, '$.error.message') END AS message
         FROM (SELECT * FROM warmline_done INDEXED BY warmline_done_without_answer
               WHERE outcome IN ('failed', 'dead') AND session = :session
               ORDER BY question_id DESC LIMIT :most) d
         LEFT JOIN messages m ON m.id = d.answer_id
         UNION ALL
         SELECT * FROM (SELECT question_id, error_code, finished_at_us, error_message
                        FROM warmline_attempts
                        WHERE session = :session AND error_code IS NOT NULL
                        ORDER BY question_id DESC LIMIT :most))
       ORDER BY atUs DESC LIMIT 1`,
    )
    .get({ session, most: FAILED_ROWS }) as ErrorRow | undefined;
  if (row === undefined) return undefined;
  return { ...row, message: row.message === null ? undefined : String(row.message) };
}

type ErrorRow = Omit<LastError, 'message'> & { readonly message: unknown };
