/** Questions that ended without an answer: which there are, newest first, a page at a time. */
import type { Database } from 'better-sqlite3';
import { CANCELLED } from '../answer.js';
import type { SqliteBus } from '../sqlite/store.js';
import { beginningOf, questionIn } from './beginning.js';

export interface DeadLetterFilter {
  readonly conversationId?: string | undefined;
  /** Code of the error answer. */
  readonly code?: string | undefined;
  /** Engine of the last attempt. */
  readonly engine?: string | undefined;
  /** Ended at this time or later, microseconds since the epoch. */
  readonly sinceUs?: number | undefined;
  /** Also questions that `failed`: an error that no retry helps, such as a missing context file. */
  readonly includeFailed?: boolean | undefined;
}

export interface DeadLetter {
  readonly questionId: number;
  readonly conversationId: string;
  readonly outcome: 'dead' | 'failed';
  readonly code: string | undefined;
  readonly engine: string | undefined;
  readonly attempts: number;
  /** Microseconds since the epoch. */
  readonly seenAtUs: number;
  readonly endedAtUs: number;
  /** The question that asks it again. */
  readonly redrivenAs: number | undefined;
  /** The beginning of what was asked; absent when the row is gone or no text. */
  readonly question: string | undefined;
}

interface DeadLetterPage {
  readonly letters: readonly DeadLetter[];
  /** Give it as `beforeId` for the next page; undefined when this was the last. */
  readonly nextBeforeId: number | undefined;
}

interface PageRequest {
  readonly limit: number;
  /** Only questions with a lower id. */
  readonly beforeId?: number | undefined;
}

/**
 * Dead letters of our side, the latest question first. Costs a look at each question that ended
 * without an answer, however many have one.
 * @throws BusError
 */
export function listDeadLetters(
  bus: SqliteBus,
  filter: DeadLetterFilter,
  { limit, beforeId }: PageRequest,
): DeadLetterPage {
  return bus.read((db) => {
    const rows = db
      .prepare(
        `SELECT d.question_id AS questionId, d.conversation_id AS conversationId, d.outcome,
                d.error_code AS code, d.engine, d.attempts, d.seen_at_us AS seenAtUs,
                d.completed_at_us AS endedAtUs, r.again_id AS redrivenAs,
                ${beginningOf('m.message')} AS beginning
         FROM warmline_done d INDEXED BY warmline_done_without_answer
         LEFT JOIN warmline_redrives r ON r.question_id = d.question_id
         LEFT JOIN messages m ON m.id = d.question_id
         WHERE ${MATCHES} AND d.question_id < :beforeId
         ORDER BY d.question_id DESC LIMIT :limit`,
      )
      .all({
        ...valuesOf(bus.session, filter),
        beforeId: beforeId ?? Number.MAX_SAFE_INTEGER,
        limit: limit + 1,
      }) as StoredLetter[];
    const letters = rows.slice(0, limit).map(toLetter);
    return { letters, nextBeforeId: rows.length > limit ? letters.at(-1)?.questionId : undefined };
  });
}

interface RangeRequest {
  /** Those that have been asked again already are left out unless this is set. */
  readonly includeRedriven: boolean;
  readonly afterId: number;
  readonly limit: number;
}

/**
 * Ids of dead letters in the order they were asked, after the one given. What somebody cancelled is
 * among them only when its code is asked for.
 */
export function deadLetterIds(
  db: Database,
  session: string,
  filter: DeadLetterFilter,
  { includeRedriven, afterId, limit }: RangeRequest,
): number[] {
  return db
    .prepare(
      `SELECT d.question_id FROM warmline_done d INDEXED BY warmline_done_without_answer
       WHERE ${MATCHES} AND d.question_id > :afterId
         AND (:code IS NOT NULL OR d.error_code IS NOT '${CANCELLED}')
         AND (:includeRedriven OR NOT EXISTS (SELECT 1 FROM warmline_redrives r
                                              WHERE r.question_id = d.question_id))
       ORDER BY d.question_id LIMIT :limit`,
    )
    .pluck()
    .all({
      ...valuesOf(session, filter),
      afterId,
      limit,
      includeRedriven: includeRedriven ? 1 : 0,
    }) as number[];
}

/** The first term is the one of the index. */
const MATCHES = `
  d.outcome IN ('failed', 'dead') AND (d.outcome = 'dead' OR :includeFailed)
  AND d.session = :session
  AND (:conversationId IS NULL OR d.conversation_id = :conversationId)
  AND (:code IS NULL OR d.error_code = :code)
  AND (:engine IS NULL OR d.engine = :engine)
  AND (:sinceUs IS NULL OR d.completed_at_us >= :sinceUs)`;

function valuesOf(session: string, filter: DeadLetterFilter) {
  const { conversationId, code, engine, sinceUs, includeFailed } = filter;
  return {
    session,
    conversationId: conversationId ?? null,
    code: code ?? null,
    engine: engine ?? null,
    sinceUs: sinceUs ?? null,
    includeFailed: includeFailed ? 1 : 0,
  };
}

interface StoredLetter {
  readonly questionId: number;
  readonly conversationId: string;
  readonly outcome: 'dead' | 'failed';
  readonly code: string | null;
  readonly engine: string | null;
  readonly attempts: number;
  readonly seenAtUs: number;
  readonly endedAtUs: number;
  readonly redrivenAs: number | null;
  readonly beginning: string | null;
}

function toLetter({ beginning, ...row }: StoredLetter): DeadLetter {
  return {
    ...row,
    code: row.code ?? undefined,
    engine: row.engine ?? undefined,
    redrivenAs: row.redrivenAs ?? undefined,
    question: beginning === null ? undefined : questionIn(beginning),
  };
}
