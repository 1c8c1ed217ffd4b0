/**
 * Asks dead questions again. What is finished is never changed: the same words are put on the bus
 * once more as a question of their own, which gets an answer of its own under the query id that the
 * asker knows. `warmline_redrives` leads from the first to the second, so that what depends on the
 * one waits for the other.
 */
import type { Database } from 'better-sqlite3';
import { type Clock, systemClock } from '../../clock.js';
import { MAX_QUESTION_BYTES, OVERSIZED, parseQuestion } from '../question.js';
import { INSERT_MESSAGE } from '../sqlite/message.js';
import { isOpen } from '../sqlite/sql-time.js';
import type { SqliteBus } from '../sqlite/store.js';
import { naiveUtc } from '../stamp.js';
import { type DeadLetterFilter, deadLetterIds } from './dead-letters.js';

export interface RedriveOptions {
  /** Also questions that have been asked again before; not while that is unfinished. */
  readonly again?: boolean | undefined;
  /** Also questions that `failed`. */
  readonly includeFailed?: boolean | undefined;
  /** Also where the conversation has expired: only `autopoll --include-expired` answers there. */
  readonly includeExpired?: boolean | undefined;
  /** Says what would be done, and does nothing. */
  readonly dryRun?: boolean | undefined;
  readonly clock?: Clock | undefined;
}

export type Redriven =
  /** `againId` is 0 in a dry run. */
  | { readonly questionId: number; readonly did: 'redriven'; readonly againId: number }
  | { readonly questionId: number; readonly did: 'refused'; readonly why: string };

/** Questions judged at once; each is asked again in a job of its own, and they share transactions. */
const PAGE = 100;

/**
 * @param ids in any order; they are asked again in the order they were asked, parents first
 * @throws BusError
 */
export async function redriveQuestions(
  bus: SqliteBus,
  ids: readonly number[],
  options: RedriveOptions = {},
): Promise<Redriven[]> {
  const inOrder = [...new Set(ids)].sort((one, other) => one - other);
  const results: Redriven[] = [];
  for (let at = 0; at < inOrder.length; at += PAGE) {
    results.push(...(await redrivePage(bus, inOrder.slice(at, at + PAGE), options)));
  }
  return results;
}

/**
 * All dead letters that match and have not been asked again, oldest first; results come page by page.
 * What dies while this runs is left for another time.
 * @throws BusError
 */
export async function* redriveMatching(
  bus: SqliteBus,
  filter: DeadLetterFilter,
  options: RedriveOptions = {},
): AsyncGenerator<Redriven[]> {
  const last = bus.read((db) => db.prepare('SELECT max(id) FROM messages').pluck().get());
  const includeRedriven = options.again === true;
  for (let afterId = 0; ; ) {
    const range = { includeRedriven, afterId, limit: PAGE };
    const ids = bus.read((db) => deadLetterIds(db, bus.session, filter, range));
    const page = ids.filter((id) => id <= Number(last));
    if (page.length === 0) return;
    const includeFailed = filter.includeFailed;
    yield await redrivePage(bus, page, { ...options, includeFailed });
    afterId = page.at(-1) ?? afterId;
  }
}

/** Submitted together, so they run in order and no other job of ours comes between. */
async function redrivePage(
  bus: SqliteBus,
  ids: readonly number[],
  options: RedriveOptions,
): Promise<Redriven[]> {
  const { session } = bus;
  const nowUs = (options.clock ?? systemClock).wallUs();
  if (options.dryRun) {
    return bus.read((db) =>
      ids.map((questionId) => {
        const why = refusal(db, session, questionId, nowUs, options);
        return why === undefined
          ? { questionId, did: 'redriven', againId: 0 }
          : { questionId, did: 'refused', why };
      }),
    );
  }
  const jobs = ids.map((questionId) =>
    bus.write((db, stampUs): Redriven => {
      const why = refusal(db, session, questionId, nowUs, options);
      if (why !== undefined) return { questionId, did: 'refused', why };
      return { questionId, did: 'redriven', againId: askAgain(db, session, questionId, stampUs) };
    }),
  );
  return Promise.all(jobs);
}

interface Candidate {
  readonly outcome: string | null;
  readonly redrivenAs: number | null;
  readonly isAgainUnfinished: 0 | 1;
  readonly isThere: 0 | 1;
  readonly isUnfinished: 0 | 1;
  readonly conversation: string | null;
  readonly isExpired: 0 | 1 | null;
  readonly isOversized: 0 | 1 | null;
}

/** Why a question is not asked again, in a sentence with the next step; undefined when it may be. */
function refusal(
  db: Database,
  session: string,
  id: number,
  nowUs: number,
  options: RedriveOptions,
): string | undefined {
  const found = candidate(db, session, id, nowUs);
  const { outcome } = found;
  if (outcome === null) {
    if (found.isUnfinished === 1) return `question ${id} is not finished yet`;
    return found.isThere === 1
      ? `message ${id} is no question that was finished for side ${session}`
      : `there is no question ${id} on this bus`;
  }
  if (outcome === 'failed' && !options.includeFailed) {
    return `question ${id} got an error answer that no retry helps, and is not dead; --failed asks it again all the same`;
  }
  if (outcome !== 'dead' && outcome !== 'failed') {
    return `question ${id} is not dead, it ended as "${outcome}"`;
  }
  return refusedAgain(id, found, options) ?? refusedByRow(db, id, found, options);
}

function refusedAgain(id: number, found: Candidate, { again }: RedriveOptions): string | undefined {
  const { redrivenAs } = found;
  if (redrivenAs === null) return undefined;
  if (found.isAgainUnfinished === 1) {
    return `question ${id} is being asked again already, as question ${redrivenAs}`;
  }
  return again
    ? undefined
    : `question ${id} was asked again already, as question ${redrivenAs}; --again asks it once more`;
}

function refusedByRow(
  db: Database,
  id: number,
  found: Candidate,
  { includeExpired }: RedriveOptions,
): string | undefined {
  if (found.isThere === 0) return `question ${id} has been deleted from the bus`;
  if (found.isExpired === null) {
    return `the conversation of question ${id} is gone, nobody could read an answer`;
  }
  if (found.isExpired === 1 && !includeExpired) {
    return `conversation ${found.conversation} of question ${id} has expired, nobody can read an answer; --include-expired asks it again all the same`;
  }
  const { message, metadata } = textOf(db, id, found);
  const parsed = found.isOversized === 1 ? OVERSIZED : parseQuestion(message, again(id, metadata));
  return parsed.kind === 'ignored'
    ? `message ${id} has been changed since and is no question any more`
    : undefined;
}

function candidate(db: Database, session: string, id: number, nowUs: number): Candidate {
  return db
    .prepare(
      `SELECT d.outcome, r.again_id AS redrivenAs,
              again.id IS NOT NULL AND ended.question_id IS NULL AS isAgainUnfinished,
              m.id IS NOT NULL AS isThere,
              EXISTS (SELECT 1 FROM warmline_work w WHERE w.question_id = wanted.id)
                AS isUnfinished,
              m.conversation_id AS conversation,
              CASE WHEN c.id IS NOT NULL
                   THEN NOT ${isOpen('c.expires_at', ':now')} END AS isExpired,
              octet_length(m.message) + coalesce(octet_length(m.metadata), 0) > :most AS isOversized
       FROM (SELECT :id AS id) AS wanted
       LEFT JOIN warmline_done d ON d.question_id = wanted.id AND d.session = :session
       LEFT JOIN warmline_redrives r ON r.question_id = wanted.id
       LEFT JOIN messages again ON again.id = r.again_id
       LEFT JOIN warmline_done ended ON ended.question_id = r.again_id
       LEFT JOIN messages m ON m.id = wanted.id
       LEFT JOIN conversations c ON c.id = m.conversation_id`,
    )
    .get({ id, session, now: naiveUtc(nowUs), most: MAX_QUESTION_BYTES }) as Candidate;
}

interface Text {
  readonly message: unknown;
  readonly metadata: unknown;
}

function textOf(db: Database, id: number, { isOversized }: Pick<Candidate, 'isOversized'>): Text {
  if (isOversized === 1) return { message: undefined, metadata: undefined };
  return db.prepare('SELECT message, metadata FROM messages WHERE id = ?').get(id) as Text;
}

/** The new row, the note that leads to it, and the audit, in the transaction of the caller. */
function askAgain(db: Database, session: string, id: number, nowUs: number): number {
  const now = naiveUtc(nowUs);
  const metadata = db
    .prepare(
      'SELECT CASE WHEN octet_length(metadata) <= ? THEN metadata END FROM messages WHERE id = ?',
    )
    .pluck()
    .get(MAX_QUESTION_BYTES, id);
  const inserted = db
    .prepare(
      `${INSERT_MESSAGE}
       SELECT conversation_id, from_session, to_session, message, :metadata, :now, 0
       FROM messages WHERE id = :id`,
    )
    .run({ id, metadata: again(id, metadata), now });
  const againId = Number(inserted.lastInsertRowid);
  db.prepare('INSERT OR REPLACE INTO warmline_redrives VALUES (?, ?)').run(id, againId);
  db.prepare(
    `INSERT INTO audit_log (conversation_id, session_id, action, details, timestamp)
     SELECT conversation_id, :session, 'redrive', :details, :now FROM messages WHERE id = :againId`,
  ).run({
    session,
    details: `{"by": "warmline", "redrive_of": ${id}, "message_id": ${againId}}`,
    now,
    againId,
  });
  return againId;
}

/**
 * The metadata of the question that asks another one again: always valid JSON, whatever the other's
 * was, for its readers stop at a row that is not.
 */
function again(id: number, metadata: unknown): string {
  return JSON.stringify({ action_type: 'question', ...objectIn(metadata), redrive_of: id });
}

function objectIn(metadata: unknown): object {
  try {
    const parsed: unknown = JSON.parse(String(metadata));
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? parsed : {};
  } catch {
    return {};
  }
}
