/** The questions of our side, newest first, a page at a time. */
import type { Database } from 'better-sqlite3';
import { type Clock, systemClock } from '../../clock.js';
import { glanceAt, MAX_QUESTION_BYTES } from '../question.js';
import { usOf } from '../sqlite/sql-time.js';
import type { SqliteBus } from '../sqlite/store.js';
import { beginningOf, questionIn } from './beginning.js';

/**
 * `pending`: waits, for whatever. `processing`: is being answered. `expired`: waits in a conversation
 * that nobody can open any more. The rest are ends; `timeout` and `cancelled` are those of the
 * failed ones that have this error code.
 */
export const LISTED_STATUSES = [
  'pending',
  'processing',
  'expired',
  'complete',
  'failed',
  'timeout',
  'cancelled',
  'ignored',
  'dead',
] as const;

export type ListedStatus = (typeof LISTED_STATUSES)[number];

/**
 * The word for where a question stands; `errorCode` is that of its error answer. Whether an autopoll
 * has seen a pending one is another matter.
 */
export function statusWord<S extends string>(
  status: S,
  errorCode: string | undefined,
): Exclude<S, 'unseen'> | 'pending' | 'timeout' | 'cancelled' {
  if (status === 'unseen') return 'pending';
  const isNamed = errorCode === 'timeout' || errorCode === 'cancelled';
  return status === 'failed' && isNamed ? errorCode : (status as Exclude<S, 'unseen'>);
}

export interface ListedQuestion {
  readonly messageId: number;
  readonly conversationId: string;
  readonly status: ListedStatus;
  /** Its first 200 characters; undefined when the message is no text. */
  readonly question: string | undefined;
  /** As the row has it: naive UTC. */
  readonly askedAt: string;
  /** Microseconds since the epoch; undefined before it is taken in. */
  readonly seenAtUs: number | undefined;
  readonly finishedAtUs: number | undefined;
  readonly attempts: number;
  readonly errorCode: string | undefined;
  /** The engine of its last attempt, once it is finished. */
  readonly engine: string | undefined;
  /** Since it was asked: until it was finished, or until now. */
  readonly ageMs: number;
  /** The module that asks, and the one on our side; undefined when their conversation is gone. */
  readonly source: string | undefined;
  readonly target: string | undefined;
}

export interface ListFilter {
  /** All when undefined. */
  readonly statuses?: readonly ListedStatus[] | undefined;
  readonly conversation?: string | undefined;
  /** Only questions with a lower message id. */
  readonly beforeId?: number | undefined;
  /** At most so many, up to 1,000. */
  readonly limit: number;
}

interface QuestionPage {
  readonly questions: readonly ListedQuestion[];
  /** Give it as `beforeId` for the next page; undefined when this was the last. */
  readonly nextBeforeId: number | undefined;
}

const MAX_LIMIT = 1000;
const QUESTION_CHARS = 200;

/** Rows of each kind that one call looks at: some 10 milliseconds. */
const MAX_ROWS = 10_000;
/** Rows that nobody has taken in have to be read to tell whether they are questions. */
const MAX_NEW_ROWS = 1000;
const MAX_NEW_CHARS = 1_000_000;

/**
 * A page of questions that match. One call looks at a bounded number of rows, however few match: a
 * page may be short, and even empty, while there are more to come; `nextBeforeId` tells.
 * @throws BusError
 */
export function listQuestions(
  bus: Pick<SqliteBus, 'read' | 'session'>,
  filter: ListFilter,
  clock: Clock = systemClock,
): QuestionPage {
  const nowUs = clock.wallUs();
  return bus.read((db) => db.transaction(() => page(db, bus.session, filter, nowUs)).deferred());
}

function page(db: Database, session: string, filter: ListFilter, nowUs: number): QuestionPage {
  const limit = Math.min(Math.max(1, filter.limit), MAX_LIMIT);
  const parts = partsFor(filter.statuses ?? LISTED_STATUSES).map((part) =>
    part(db, {
      session,
      statuses: JSON.stringify(filter.statuses ?? LISTED_STATUSES),
      conversation: filter.conversation ?? null,
      before: filter.beforeId ?? Number.MAX_SAFE_INTEGER,
      limit: limit + 1,
    }),
  );
  // What lies below the end of one part is not known of all of them.
  const end = Math.max(0, ...parts.map((part) => part.end));
  const ids = parts
    .flatMap((part) => part.ids)
    .filter((id) => id >= end)
    .sort((one, other) => other - one);
  const chosen = ids.slice(0, limit);
  return {
    questions: describe(db, session, chosen, nowUs),
    nextBeforeId: (ids.length > limit ? chosen.at(-1) : end) || undefined,
  };
}

interface Wanted {
  readonly session: string;
  readonly statuses: string;
  readonly conversation: string | null;
  readonly before: number;
  readonly limit: number;
}

/** Of one kind of rows: what matches, down to `end`, which is 0 when that is all of them. */
interface Part {
  readonly ids: readonly number[];
  readonly end: number;
}

type ReadPart = (db: Database, wanted: Wanted) => Part;

const UNFINISHED: readonly ListedStatus[] = ['pending', 'processing', 'expired'];
const WITHOUT_ANSWER: readonly ListedStatus[] = ['failed', 'timeout', 'cancelled', 'dead'];

/** Only the rows that can match: few questions fail, however many are finished. */
function partsFor(statuses: readonly ListedStatus[]): ReadPart[] {
  const finished = statuses.filter((status) => !UNFINISHED.includes(status));
  const parts: ReadPart[] = [];
  if (finished.length < statuses.length) parts.push(unfinished);
  if (statuses.includes('pending')) parts.push(newOnes);
  if (finished.length === 0) return parts;
  const areFailures = finished.every((status) => WITHOUT_ANSWER.includes(status));
  return [...parts, areFailures ? failures : ended];
}

/** The word for a finished question. */
const ENDED_AS = `
  CASE WHEN d.outcome = 'failed' AND d.error_code IN ('timeout', 'cancelled') THEN d.error_code
       ELSE d.outcome END`;

/** The word for an unfinished one; `l` is its lane, if there is one. */
const STANDS_AS = `
  CASE WHEN l.state = 'expired' THEN 'expired'
       WHEN l.state = 'leased' AND l.head_id = w.question_id THEN 'processing'
       ELSE 'pending' END`;

const among = (status: string, conversation: string) => `
  ${status} IN (SELECT value FROM json_each(:statuses))
  AND (:conversation IS NULL OR ${conversation} = :conversation)`;

const ended = partOf(
  'FROM warmline_done d WHERE d.question_id < :before',
  (scanned) => `
    SELECT d.question_id FROM warmline_done d
    WHERE ${scanned} AND d.session = :session AND ${among(ENDED_AS, 'd.conversation_id')}`,
);

const failures = partOf(
  `FROM warmline_done d INDEXED BY warmline_done_without_answer
   WHERE d.outcome IN ('failed', 'dead') AND d.question_id < :before`,
  (scanned) => `
    SELECT d.question_id FROM warmline_done d INDEXED BY warmline_done_without_answer
    WHERE d.outcome IN ('failed', 'dead') AND ${scanned}
      AND d.session = :session AND ${among(ENDED_AS, 'd.conversation_id')}`,
);

const unfinished = partOf(
  'FROM warmline_work d WHERE d.question_id < :before',
  (scanned) => `
    SELECT d.question_id FROM warmline_work d
    JOIN warmline_work w ON w.question_id = d.question_id
    JOIN messages m ON m.id = d.question_id AND m.to_session = :session
    LEFT JOIN warmline_lanes l ON l.session = :session AND l.conversation_id = m.conversation_id
    WHERE ${scanned} AND ${among(STANDS_AS, 'm.conversation_id')}`,
);

/** @param rows those looked at; `select` takes the ones that match from among them */
function partOf(rows: string, select: (scanned: string) => string): ReadPart {
  const endSql = `SELECT d.question_id ${rows} ORDER BY d.question_id DESC LIMIT 1 OFFSET :skip`;
  const scanned = 'd.question_id < :before AND d.question_id >= :end';
  const sql = `${select(scanned)} ORDER BY d.question_id DESC LIMIT :limit`;
  return (db, wanted) => {
    const { before } = wanted;
    const end =
      db
        .prepare(endSql)
        .pluck()
        .get({ before, skip: MAX_ROWS - 1 }) ?? 0;
    const ids = db
      .prepare(sql)
      .pluck()
      .all({ ...wanted, end });
    return { ids: ids as number[], end: Number(end) };
  };
}

type NewRow = readonly [id: number, ours: 0 | 1, message: unknown, metadata: unknown];

/** Rows for our side that nobody has taken in yet. */
function newOnes(db: Database, { session, conversation, before, limit }: Wanted): Part {
  const rows = db
    .prepare(
      `SELECT id, to_session = :session AND coalesce(read, 0) = 0
                AND typeof(conversation_id) = 'text'
                AND (:conversation IS NULL OR conversation_id = :conversation) AS ours,
              CASE WHEN octet_length(message) <= :most THEN message END,
              CASE WHEN octet_length(metadata) <= :most THEN metadata END
       FROM messages
       WHERE id < :before AND id > coalesce((SELECT last_id FROM warmline_cursor
                                             WHERE session = :session), 0)
       ORDER BY id DESC LIMIT :rows`,
    )
    .raw()
    .iterate({ session, conversation, before, most: MAX_QUESTION_BYTES, rows: MAX_NEW_ROWS });
  const ids: number[] = [];
  let chars = 0;
  let seen = 0;
  for (const [id, ours, message, metadata] of rows as Iterable<NewRow>) {
    seen += 1;
    chars += String(message).length;
    if (ours === 1 && (message === null || glanceAt(message, metadata) !== 'ignored')) ids.push(id);
    const isLong = seen === MAX_NEW_ROWS || chars > MAX_NEW_CHARS;
    if (isLong || ids.length === limit) return { ids, end: id };
  }
  return { ids, end: 0 };
}

interface Row {
  readonly id: number;
  readonly conversation: string;
  readonly status: ListedStatus;
  readonly beginning: string | null;
  readonly askedAt: string;
  readonly askedUs: number | null;
  readonly seenAtUs: number | null;
  readonly finishedAtUs: number | null;
  readonly attempts: number | null;
  readonly errorCode: string | null;
  readonly engine: string | null;
  readonly source: string | null;
  readonly target: string | null;
}

function describe(
  db: Database,
  session: string,
  ids: readonly number[],
  nowUs: number,
): ListedQuestion[] {
  const rows = db
    .prepare(
      `SELECT m.id, m.conversation_id AS conversation, m.timestamp AS askedAt,
              ${usOf('m.timestamp')} AS askedUs,
              ${beginningOf('m.message')} AS beginning,
              coalesce(${ENDED_AS}, ${STANDS_AS}) AS status,
              coalesce(d.seen_at_us, w.seen_at_us) AS seenAtUs, d.completed_at_us AS finishedAtUs,
              coalesce(d.attempts, CASE WHEN l.head_id = m.id THEN l.attempts END) AS attempts,
              d.error_code AS errorCode, d.engine,
              CASE :session WHEN 'b' THEN c.session_a_role ELSE c.session_b_role END AS source,
              CASE :session WHEN 'b' THEN c.session_b_role ELSE c.session_a_role END AS target
       FROM json_each(:ids) AS wanted
       JOIN messages m ON m.id = wanted.value
       LEFT JOIN conversations c ON c.id = m.conversation_id
       LEFT JOIN warmline_done d ON d.question_id = m.id AND d.session = :session
       LEFT JOIN warmline_work w ON w.question_id = m.id
       LEFT JOIN warmline_lanes l ON l.session = :session AND l.conversation_id = m.conversation_id
       ORDER BY m.id DESC`,
    )
    .all({ ids: JSON.stringify(ids), session }) as Row[];
  return rows.map((row) => toListed(row, nowUs));
}

function toListed(row: Row, nowUs: number): ListedQuestion {
  const { beginning, seenAtUs, finishedAtUs, askedUs } = row;
  const sinceUs = askedUs ?? seenAtUs ?? nowUs;
  return {
    messageId: row.id,
    conversationId: row.conversation,
    status: row.status,
    question: beginning === null ? undefined : questionIn(beginning).slice(0, QUESTION_CHARS),
    askedAt: row.askedAt,
    seenAtUs: seenAtUs ?? undefined,
    finishedAtUs: finishedAtUs ?? undefined,
    attempts: row.attempts ?? 0,
    errorCode: row.errorCode ?? undefined,
    engine: row.engine ?? undefined,
    ageMs: Math.max(0, ((finishedAtUs ?? nowUs) - sinceUs) / 1000),
    source: row.source ?? undefined,
    target: row.target ?? undefined,
  };
}
