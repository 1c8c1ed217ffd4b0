/** The statements that only look: what people and programs ask of the bus. */
import type { Database } from 'better-sqlite3';
import type { StoredAttempt } from './attempts.js';
import type { LaneCount, Named, Positional } from './rows.js';

/** Only the conversations of a JSON list, or all of them. */
export const AMONG = (column: string) =>
  `(:conversations IS NULL OR ${column} IN (SELECT value FROM json_each(:conversations)))`;

/** The conversations of a request as a statement takes them: a JSON list, or null for all. */
export function listOf(request: {
  readonly conversations?: readonly string[] | undefined;
}): string | null {
  return request.conversations ? JSON.stringify(request.conversations) : null;
}

export function prepareReads(db: Database) {
  const one = <P extends object, R>(sql: string) => db.prepare(sql) as unknown as Named<P, R>;
  return {
    /** Changes with each commit of another connection. */
    dataVersion: db.prepare('PRAGMA data_version').pluck() as unknown as Positional<[], number>,
    laneCounts: one<{ session: string; nowUs: number }, LaneCount>(
      `SELECT state, sum(ready_at_us > :nowUs) AS delayed, count(*) AS lanes,
              sum(unfinished) AS unfinished
       FROM warmline_lanes WHERE session = :session GROUP BY state`,
    ),
    oldest: one<{ session: string }, { day: number | null }>(
      `SELECT min(julianday(m.timestamp)) AS day
       FROM warmline_lanes l
       JOIN warmline_work w ON w.question_id = l.head_id
       JOIN messages m ON m.id = CASE l.state WHEN 'leased' THEN w.next_id ELSE l.head_id END
       WHERE l.session = :session AND l.state != 'expired'`,
    ),
    nextReady: one<{ session: string; nowUs: number }, { at: number | null }>(
      `SELECT min(ready_at_us) AS at FROM warmline_lanes
       WHERE session = :session AND state = 'ready' AND ready_at_us > :nowUs`,
    ),
    unfinishedIn: one<{ session: string; conversations: string | null }, unknown>(
      `SELECT 1 FROM warmline_lanes
       WHERE session = :session AND state IN ('ready', 'leased')
         AND ${AMONG('conversation_id')} LIMIT 1`,
    ),
    counters: one<{ session: string }, { name: string; value: number }>(
      `SELECT name, value FROM warmline_counters WHERE session = :session`,
    ),
    answerTo: one<{ id: number }, { id: number; message: string }>(
      `SELECT m.id, m.message FROM warmline_done d JOIN messages m ON m.id = d.answer_id
       WHERE d.question_id = :id`,
    ),

    attemptsOf: one<{ id: number }, StoredAttempt>(
      `SELECT attempt, outcome, error_code AS errorCode, error_message AS errorMessage, engine,
              seen_at_us AS seenAtUs, claimed_at_us AS claimedAtUs, started_at_us AS startedAtUs,
              first_byte_at_us AS firstByteAtUs, finished_at_us AS finishedAtUs,
              input_tokens AS inputTokens, output_tokens AS outputTokens
       FROM warmline_attempts WHERE question_id = :id
       UNION ALL
       SELECT attempts, outcome, error_code, NULL, engine, seen_at_us, claimed_at_us,
              started_at_us, first_byte_at_us, completed_at_us, input_tokens, output_tokens
       FROM warmline_done WHERE question_id = :id AND claimed_at_us IS NOT NULL
       ORDER BY 1`,
    ),
  };
}
