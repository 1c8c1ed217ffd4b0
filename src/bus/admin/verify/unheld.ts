/**
 * Unread rows below the watermark that are neither waiting in a lane nor finished: the queue passed
 * them and does not know them any more. Those that were answered before their records were cleared
 * away lack only the read mark; the others are owed an answer.
 */
import type { Database } from 'better-sqlite3';
import { type Glance, glanceAt, MAX_QUESTION_BYTES } from '../../question.js';
import { MAX_FINDINGS } from './finding.js';

export interface Unheld {
  readonly id: number;
  readonly session: string;
  readonly conversation: string;
  /** Finished by `warmline_done`, or answered by a row on the bus; only the mark is missing. */
  readonly answered: boolean;
  /** What a claim would make of it. */
  readonly glance: Glance | 'ignored';
}

interface Row {
  readonly id: number;
  readonly session: string;
  readonly conversation: string;
  readonly isDone: 0 | 1;
  readonly message: unknown;
  readonly metadata: unknown;
}

/** At most `MAX_FINDINGS`, the oldest first. */
export function findUnheld(db: Database): Unheld[] {
  const rows = db
    .prepare(
      `SELECT m.id, m.to_session AS session, m.conversation_id AS conversation,
              d.question_id IS NOT NULL AS isDone,
              CASE WHEN octet_length(m.message) <= :most THEN m.message END AS message,
              CASE WHEN octet_length(m.metadata) <= :most THEN m.metadata END AS metadata
       FROM messages m
       LEFT JOIN warmline_cursor c ON c.session = m.to_session
       LEFT JOIN warmline_done d ON d.question_id = m.id
       WHERE coalesce(m.read, 0) = 0
         AND (d.question_id IS NOT NULL OR m.id <= c.last_id AND typeof(m.conversation_id) = 'text')
         AND NOT EXISTS (SELECT 1 FROM warmline_work w WHERE w.question_id = m.id
                         AND d.question_id IS NULL)
         AND NOT EXISTS (SELECT 1 FROM warmline_ignorable i WHERE i.question_id = m.id
                         AND d.question_id IS NULL)
       ORDER BY m.id LIMIT :limit`,
    )
    .iterate({ most: MAX_QUESTION_BYTES, limit: MAX_FINDINGS }) as Iterable<Row>;
  const found: Unheld[] = [];
  // Their texts are looked at one by one, and not kept: each may be large.
  for (const { id, session, conversation, isDone, message, metadata } of rows) {
    const glance = message === null ? OVERSIZED : glanceAt(message, metadata);
    found.push({ id, session, conversation, answered: isDone === 1, glance });
  }
  const answered = answeredAmong(db, found);
  return found.map((each) => (answered.has(each.id) ? { ...each, answered: true } : each));
}

/** It gets an error answer in its turn. */
const OVERSIZED: Glance = { priority: 0, model: undefined };

/** One look at all answers of ours: nothing leads from a question to them once it is cleared away. */
function answeredAmong(db: Database, unheld: readonly Unheld[]): Set<number> {
  const unknown = new Set(unheld.filter(({ answered }) => !answered).map(({ id }) => id));
  const found = new Set<number>();
  if (unknown.size === 0) return found;
  const answers = db
    .prepare(
      `SELECT cast(substr(metadata, :from) AS INTEGER) FROM messages
       WHERE substr(metadata, 1, :from - 1) = :prefix`,
    )
    .pluck()
    .iterate({ from: ANSWER_PREFIX.length + 1, prefix: ANSWER_PREFIX }) as Iterable<number>;
  for (const id of answers) if (unknown.has(id)) found.add(id);
  return found;
}

/** As `answerMetadata` begins: an answer row of ours names its question right after this. */
const ANSWER_PREFIX = '{"action_type":"response","in_reply_to":';
