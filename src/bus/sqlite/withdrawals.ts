/**
 * Takes an unfinished question off the queue, wherever it stands: not taken in yet, at the head of
 * its lane, leased or not, or behind others. It is finished then like any other, by one transaction.
 */
import type { Database } from 'better-sqlite3';
import { cancelledAnswer, REMOVED } from '../answer.js';
import { BusError, type Withdrawal, type Withdrawn } from '../bus.js';
import { MAX_QUESTION_BYTES, OVERSIZED, parseQuestion, parseTaken } from '../question.js';
import { naiveUtc } from '../stamp.js';
import type { Answers } from './answers.js';
import type { Named, Positional, Withdrawable } from './rows.js';
import type { Settlements } from './settlements.js';
import type { Statements } from './statements.js';

/** Rows looked at in one go for the question before another: a few milliseconds, without the lock. */
const PAGE = 20_000;

/** How the bus is looked at, and written to after everything that was submitted before. */
interface Access {
  readonly read: <T>(look: (sql: Statements) => T) => T;
  readonly settle: <T>(run: (sql: Statements, nowUs: number) => T) => Promise<T>;
}

export class Withdrawals {
  readonly #session: string;
  readonly #settlements: Settlements;
  readonly #answers: Answers;

  constructor(session: string, settlements: Settlements, answers: Answers) {
    this.#session = session;
    this.#settlements = settlements;
    this.#answers = answers;
  }

  /**
   * The question before it in its lane, which has to be led past it, is looked for without the lock:
   * the links between questions have no index backwards, which every answer would pay for.
   * @throws BusError `bus_corrupt` when its lane does not lead to the question
   */
  async run(id: number, how: Withdrawal, { read, settle }: Access): Promise<Withdrawn> {
    let before: number | undefined;
    // One that is found and not there any more has ended meanwhile, which cannot go on for ever.
    for (let misses = 0; misses < 2; ) {
      const found = before;
      const result = await settle((sql, nowUs) => this.#withdraw(sql, id, how, found, nowUs));
      if (result !== 'behind') return result;
      before = await findBefore(id, read);
      if (before === undefined) misses += 1;
    }
    throw damaged(id);
  }

  /** @returns `behind` when it stands behind a question, and not behind `before` */
  #withdraw(
    sql: Statements,
    id: number,
    how: Withdrawal,
    before: number | undefined,
    nowUs: number,
  ): Withdrawn | 'behind' {
    const session = this.#session;
    const settlements = this.#settlements;
    const row = sql.withdrawable.get({ id, session, most: MAX_QUESTION_BYTES });
    const standing = standingOf(row, id);
    if (row === undefined || standing === 'missing') return 'missing';
    if (standing === 'finished') return 'finished';
    const isLeased = standing === 'head' && row.token !== null;
    if (isLeased && how === 'remove') return 'processing';
    if (standing === 'behind' && !leadPast(sql, id, row, before)) return 'behind';
    if (standing !== 'head') settlements.left(id, false);
    else if (!settlements.leaveLane(sql, row.lane ?? 0, id, row.token, nowUs)) throw damaged(id);
    // Its conversation has been told of as expired, which happens once.
    if (row.state === 'expired') sql.expireLane.run(row.lane ?? 0);
    if (isLeased) settlements.count('withdrawn');
    this.#finish(sql, id, how, { row, isLeased }, nowUs);
    // A later job of this transaction has to find it finished.
    settlements.flush(sql);
    return 'withdrawn';
  }

  #finish(
    sql: Statements,
    id: number,
    how: Withdrawal,
    { row, isLeased }: { row: Withdrawable; isLeased: boolean },
    nowUs: number,
  ): void {
    const conversation = String(row.conversation);
    const seenAtUs = row.seenAtUs ?? nowUs;
    const attempt = (row.head === id && row.attempts) || 0;
    const details = `{"by": "warmline", "message_id": ${id}}`;
    sql.insertAudits([[conversation, this.#session, how, details, naiveUtc(nowUs)]]);
    if (how === 'remove') {
      this.#settlements.finish({ id, conversation, seenAtUs }, REMOVED, attempt, null, nowUs);
      return;
    }
    const claimedAtUs = isLeased ? row.claimedAtUs : null;
    const question = row.oversized === 1 ? OVERSIZED : parseTaken(row.message, row.metadata);
    const answer = cancelledAnswer(attempt, (nowUs - (claimedAtUs ?? nowUs)) / 1000);
    const lease = { questionId: id, conversationId: conversation, attempt, question };
    this.#answers.write(sql, [
      { lease: { ...lease, seenAtUs, claimedAtUs }, answer, nowUs, result: 'lost' },
    ]);
  }
}

/** For a question that its lane does not lead to. */
export function damaged(id: number): BusError {
  return new BusError(
    'bus_corrupt',
    `the queue of question ${id} is not in order; "warmline verify --repair" puts that right`,
  );
}

/** `new`: nobody has taken it in yet; it never will be, once it is marked as read. */
type Standing = 'missing' | 'finished' | 'new' | 'head' | 'behind';

function standingOf(row: Withdrawable | undefined, id: number): Standing {
  if (row === undefined) return 'missing';
  // Without a code it was no question; one that was removed has a code.
  if (row.outcome === 'ignored' && row.errorCode === null) return 'missing';
  if (row.outcome !== null) return 'finished';
  // It is gone, or its conversation is: a claim notes that it is orphaned.
  if (row.hasConversation === 0 || typeof row.conversation !== 'string') return 'missing';
  if (row.isHeld === 1) return row.head === id ? 'head' : 'behind';
  if (row.oversized === 0 && parseQuestion(row.message, row.metadata).kind === 'ignored') {
    return 'missing';
  }
  return row.isRead === 1 ? 'finished' : 'new';
}

/** @returns false when it does not stand behind that one */
function leadPast(
  sql: Statements,
  id: number,
  row: Withdrawable,
  before: number | undefined,
): boolean {
  if (before === undefined || sql.leadPast.run(row.next, before, id).changes === 0) return false;
  sql.shortenLane.run(id, before, row.lane);
  return true;
}

async function findBefore(id: number, read: Access['read']): Promise<number | undefined> {
  for (let below = id; ; ) {
    const [rows, lowest, found] = read((sql) => sql.linksTo.get(id, below, PAGE)) ?? [];
    if (found != null) return found;
    if (rows !== PAGE || lowest == null) return undefined;
    below = lowest;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

export function prepareWithdrawals(db: Database) {
  const hot = <P extends unknown[]>(sql: string) =>
    db.prepare(sql) as unknown as Positional<P, never>;
  return {
    withdrawable: db.prepare(
      `SELECT m.conversation_id AS conversation, c.id IS NOT NULL AS hasConversation,
              coalesce(m.read, 0) != 0 AS isRead, m.bytes > :most AS oversized,
              CASE WHEN m.bytes <= :most THEN m.message END AS message,
              CASE WHEN m.bytes <= :most THEN m.metadata END AS metadata,
              d.outcome, d.error_code AS errorCode,
              w.question_id IS NOT NULL AS isHeld, w.next_id AS next, w.seen_at_us AS seenAtUs,
              l.lane_id AS lane, l.head_id AS head, l.lease_token AS token, l.state, l.attempts,
              l.claimed_at_us AS claimedAtUs
       FROM (SELECT :id AS id) AS wanted
       LEFT JOIN (SELECT *, coalesce(octet_length(message), 0) + coalesce(octet_length(metadata), 0)
                              AS bytes
                  FROM messages WHERE id = :id AND to_session = :session) m
       LEFT JOIN conversations c ON c.id = m.conversation_id
       LEFT JOIN warmline_done d ON d.question_id = wanted.id AND d.session = :session
       LEFT JOIN warmline_work w ON w.question_id = wanted.id
       LEFT JOIN warmline_lanes l
         ON l.session = :session AND l.conversation_id = m.conversation_id`,
    ) as unknown as Named<{ id: number; session: string; most: number }, Withdrawable>,
    leadPast: hot<[next: number | null, before: number, id: number]>(
      `UPDATE warmline_work SET next_id = ? WHERE question_id = ? AND next_id = ?`,
    ),
    shortenLane: hot<[id: number, before: number, lane: number | null]>(
      `UPDATE warmline_lanes
       SET unfinished = unfinished - 1, tail_id = CASE tail_id WHEN ? THEN ? ELSE tail_id END
       WHERE lane_id = ?`,
    ),
    /** How many rows there are below an id, the lowest of them, and the one that leads to another. */
    linksTo: db
      .prepare(
        `SELECT count(*), min(question_id), max(CASE next_id WHEN ? THEN question_id END)
         FROM (SELECT question_id, next_id FROM warmline_work
               WHERE question_id < ? ORDER BY question_id DESC LIMIT ?)`,
      )
      .raw() as unknown as Positional<
      [id: number, below: number, limit: number],
      readonly [rows: number, lowest: number | null, found: number | null]
    >,
  };
}
