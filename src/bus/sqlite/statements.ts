/**
 * The SQL of the bus, one named statement for each step, prepared once for each connection.
 *
 * Statements that run for every question take their values by position: binding by name costs more
 * than the statement itself.
 */
import type { Database } from 'better-sqlite3';
import { MAX_QUESTION_BYTES } from '../question.js';
import { bulkInsert } from './bulk-insert.js';
import { type ConversationRow, INSERT_CONVERSATION } from './conversation.js';
import { INSERT_MESSAGE } from './message.js';
import { prepareParents } from './parents.js';
import { AMONG, prepareReads } from './reads.js';
import type {
  Addressee,
  AnswerRow,
  AttemptRow,
  AuditRow,
  DoneRow,
  Head,
  HeadsParams,
  Ignorable,
  LaneRow,
  LeaseRow,
  Named,
  NewRow,
  Positional,
  WorkRow,
} from './rows.js';
import { atMost } from './sql-limit.js';
import { isOpen } from './sql-time.js';
import { prepareWithdrawals } from './withdrawals.js';

const NOT_EXPIRED = isOpen('c.expires_at', ':now');

/** A row for our side that nobody has read yet. */
const isFor = (side: string) => `to_session = ${side} AND coalesce(read, 0) = 0`;
const OURS = isFor(':session');

/**
 * Rows are read many at once when they are no longer than this, in bytes; the other programs write
 * at most 50,000 characters.
 */
const MAX_PLAIN_BYTES = 65_536;

/** Questions for other models than those of a JSON list; one that names none has the empty model. */
const ALLOWED = `(:without IS NULL
  OR coalesce(w.model, '') NOT IN (SELECT value FROM json_each(:without)))`;

const sizeOf = (table: string) =>
  `coalesce(octet_length(${table}.message), 0) + coalesce(octet_length(${table}.metadata), 0)`;

/** A row too large to be read, with its metadata; its text stays where it is. */
const oversized = (table: string) => `${sizeOf(table)} > ${MAX_QUESTION_BYTES}`;

export function prepareStatements(db: Database) {
  const one = <P extends object, R>(sql: string) => db.prepare(sql) as unknown as Named<P, R>;
  const hot = <P extends unknown[], R = never>(sql: string) =>
    db.prepare(sql) as unknown as Positional<P, R>;
  /** Rows as tuples: an object for each costs more than reading it. */
  const tuples = <P extends unknown[], R extends readonly unknown[]>(sql: string) =>
    db.prepare(sql).raw() as unknown as Positional<P, R>;
  return {
    ...prepareReads(db),
    ...prepareParents(db),
    ...prepareWithdrawals(db),

    // Finding new rows: ids are given out under the write lock, so commit order is id order.
    storedCursor: one<{ session: string }, { last_id: number }>(
      `SELECT last_id FROM warmline_cursor WHERE session = :session`,
    ),
    saveCursor: one<{ session: string; lastId: number }, never>(
      `INSERT INTO warmline_cursor VALUES (:session, :lastId)
       ON CONFLICT (session) DO UPDATE SET last_id = max(last_id, excluded.last_id)`,
    ),
    lastMessage: one<object, { id: number | null }>(`SELECT max(id) AS id FROM messages`),
    nextUnread: one<{ session: string; after: number }, { id: number }>(
      `SELECT id FROM messages
       WHERE id > :after AND ${OURS} ORDER BY id LIMIT 1`,
    ),
    /** How many there are, and since when the first one waits. */
    newRows: one<{ session: string; after: number }, { rows: number; day: number | null }>(
      `SELECT count(*) AS rows, min(id), julianday(timestamp) AS day FROM messages
       WHERE id > :after AND ${OURS}`,
    ),
    pageEnd: tuples<[after: number, limit: number], readonly [lastId: number | null, rows: number]>(
      `SELECT max(id), count(*) FROM (SELECT id FROM messages WHERE id > ? ORDER BY id LIMIT ${atMost('?')})`,
    ),
    page: tuples<[after: number, lastId: number | null, session: string], NewRow>(
      `SELECT id, conversation_id, (bytes > ${MAX_PLAIN_BYTES}) + (bytes > ${MAX_QUESTION_BYTES}),
              CASE WHEN bytes <= ${MAX_PLAIN_BYTES} THEN message END,
              CASE WHEN bytes <= ${MAX_PLAIN_BYTES} THEN metadata END
       FROM (SELECT id, conversation_id, message, metadata, ${sizeOf('messages')} AS bytes
             FROM messages WHERE id > ? AND id <= ? AND ${isFor('?')})
       ORDER BY id`,
    ),
    textOf: tuples<[id: number], readonly [message: unknown, metadata: unknown]>(
      `SELECT message, metadata FROM messages WHERE id = ?`,
    ),
    addWork: bulkInsert<WorkRow>(db, 'INSERT INTO warmline_work VALUES', '(?, ?, ?, ?, ?)'),
    linkTail: hot<[id: number, session: string, conversation: string]>(
      `UPDATE warmline_work SET next_id = ?
       WHERE question_id = (SELECT tail_id FROM warmline_lanes
                            WHERE session = ? AND conversation_id = ?)`,
    ),
    growLane: hot<
      [
        session: string,
        conversation: string,
        head: number,
        tail: number,
        count: number,
        rankUs: number,
      ]
    >(
      `INSERT INTO warmline_lanes
         (session, conversation_id, head_id, tail_id, unfinished, state, rank_us)
       VALUES (?, ?, ?, ?, ?, 'ready', ?)
       ON CONFLICT (session, conversation_id) DO UPDATE
         SET unfinished = unfinished + excluded.unfinished, tail_id = excluded.tail_id`,
    ),
    addIgnorable: one<{ id: number; session: string; conversation: string; nowUs: number }, never>(
      `INSERT INTO warmline_ignorable VALUES (:id, :session, :conversation, :nowUs)`,
    ),

    // Claiming.
    setModel: hot<[model: string | null, id: number]>(
      `UPDATE warmline_work SET model = ? WHERE question_id = ?`,
    ),
    anyModel: hot<[], unknown>(`SELECT 1 FROM warmline_work WHERE model IS NOT NULL LIMIT 1`),
    anyReady: one<
      Pick<HeadsParams, 'session' | 'nowUs' | 'without'> & { conversations: string | null },
      unknown
    >(
      `SELECT 1 FROM warmline_lanes l JOIN warmline_work w ON w.question_id = l.head_id
       WHERE session = :session AND state = 'ready' AND ready_at_us <= :nowUs
         AND ${AMONG('conversation_id')} AND ${ALLOWED} LIMIT 1`,
    ),
    anyExpired: one<{ session: string; conversations: string | null }, unknown>(
      `SELECT 1 FROM warmline_lanes
       WHERE session = :session AND state = 'expired' AND ${AMONG('conversation_id')} LIMIT 1`,
    ),
    heads: one<HeadsParams, Head>(heads('')),
    headsOf: one<HeadsParams & { conversations: string }, Head>(
      heads('AND l.conversation_id IN (SELECT value FROM json_each(:conversations))'),
    ),
    /** Leases the heads of lanes together; the number of its lane ends each token. */
    lease: hot<[nowUs: number, tokenStem: string, owner: string, untilUs: number, lanes: string]>(
      `UPDATE warmline_lanes
       SET state = 'leased', attempts = attempts + 1,
           claimed_at_us = max(?, (SELECT seen_at_us FROM warmline_work WHERE question_id = head_id)),
           lease_token = ? || lane_id, lease_owner = ?, lease_until_us = ?
       WHERE lane_id IN (SELECT value FROM json_each(?)) AND state = 'ready'`,
    ),
    expireLane: hot<[lane: number]>(
      `UPDATE warmline_lanes SET state = 'expired' WHERE lane_id = ? AND state = 'ready'`,
    ),

    // Settling. Each is fenced by the token of the lease: a stale one changes no row.
    renew: hot<[untilUs: number, lane: number, token: string]>(
      `UPDATE warmline_lanes SET lease_until_us = ? WHERE lane_id = ? AND lease_token = ?`,
    ),
    /** Fenced by the end of the lease as well: its owner may renew it while we look. */
    reap: hot<[lane: number, token: string, untilUs: number]>(
      `UPDATE warmline_lanes
       SET state = 'ready', lease_token = NULL, lease_owner = NULL, lease_until_us = NULL,
           ready_at_us = 0
       WHERE lane_id = ? AND lease_token = ? AND lease_until_us = ?`,
    ),
    unlease: hot<
      [giveBack: 0 | 1, readyAtUs: number, error: string | null, lane: number, token: string]
    >(
      `UPDATE warmline_lanes
       SET state = 'ready', lease_token = NULL, lease_owner = NULL, lease_until_us = NULL,
           attempts = attempts - ?, ready_at_us = ?, last_error = coalesce(?, last_error)
       WHERE lane_id = ? AND lease_token = ?`,
    ),
    /** Moves a lane to its next question; changes nothing when there is none. */
    advance: hot<[nowUs: number, id: number, lane: number, token: string | null]>(
      `UPDATE warmline_lanes
       SET head_id = next.question_id, unfinished = unfinished - 1, state = 'ready',
           ready_at_us = 0, rank_us = ? - next.priority * 1000000, attempts = 0,
           claimed_at_us = NULL, lease_token = NULL, lease_owner = NULL, lease_until_us = NULL,
           last_error = NULL
       FROM warmline_work AS head JOIN warmline_work AS next ON next.question_id = head.next_id
       WHERE head.question_id = ? AND lane_id = ? AND head_id = head.question_id
         AND lease_token IS ?`,
    ),
    endLane: hot<[lane: number, id: number, token: string | null]>(
      `DELETE FROM warmline_lanes
       WHERE lane_id = ? AND head_id = ? AND lease_token IS ? AND unfinished = 1`,
    ),
    /**
     * Lanes as their leases are settled: what fences a settlement, and what comes next. "Plain" is a
     * next question that may be leased without another look: whole, of readable size, not expired.
     */
    lanes: tuples<[now: string, lanes: string], LaneRow>(
      `SELECT l.lane_id, l.lease_token, l.head_id, n.question_id, n.priority, n.seen_at_us,
              m.id IS NOT NULL AND c.id IS NOT NULL AND ${sizeOf('m')} <= ${MAX_PLAIN_BYTES}
                AND ${isOpen('c.expires_at', '?')},
              CASE WHEN ${sizeOf('m')} <= ${MAX_PLAIN_BYTES} THEN m.message END,
              CASE WHEN ${sizeOf('m')} <= ${MAX_PLAIN_BYTES} THEN m.metadata END, n.model
       FROM json_each(?) AS wanted
       CROSS JOIN warmline_lanes l ON l.lane_id = wanted.value
       LEFT JOIN warmline_work h ON h.question_id = l.head_id
       LEFT JOIN warmline_work n ON n.question_id = h.next_id
       LEFT JOIN messages m ON m.id = n.question_id
       LEFT JOIN conversations c ON c.id = l.conversation_id`,
    ),
    /** Moves leased lanes to their next questions and leases these, in one. */
    keepLanes: hot<
      [
        nowUs: number,
        nowUs: number,
        tokenStem: string,
        owner: string,
        untilUs: number,
        lanes: string,
      ]
    >(
      `UPDATE warmline_lanes
       SET (head_id, rank_us, claimed_at_us) =
             (SELECT n.question_id, ? - n.priority * 1000000, max(?, n.seen_at_us)
              FROM warmline_work h JOIN warmline_work n ON n.question_id = h.next_id
              WHERE h.question_id = head_id),
           unfinished = unfinished - 1, attempts = 1, last_error = NULL,
           lease_token = ? || lane_id, lease_owner = ?, lease_until_us = ?
       WHERE lane_id IN (SELECT value FROM json_each(?))`,
    ),
    insertAnswers: bulkInsert<AnswerRow>(db, `${INSERT_MESSAGE} VALUES`, '(?, ?, ?, ?, ?, ?, 0)'),
    insertAudits: bulkInsert<AuditRow>(
      db,
      `INSERT INTO audit_log (conversation_id, session_id, action, details, timestamp) VALUES`,
      '(?, ?, ?, ?, ?)',
    ),
    insertDone: bulkInsert<DoneRow>(
      db,
      'INSERT INTO warmline_done VALUES',
      '(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    ),
    insertAttempt: bulkInsert<AttemptRow>(
      db,
      `INSERT INTO warmline_attempts
         (question_id, attempt, session, conversation_id, outcome, error_code, error_message,
          seen_at_us, claimed_at_us, finished_at_us, engine, started_at_us, first_byte_at_us,
          input_tokens, output_tokens) VALUES`,
      '(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    ),
    /** Once for each transaction, over the ids of what it finished. */
    dropWork: hot<[ids: string]>(
      `DELETE FROM warmline_work WHERE question_id IN (SELECT value FROM json_each(?))`,
    ),
    /** Of the usual questions only: from the other side to ours, where they were claimed from. */
    markUsualRead: hot<[ids: string, session: string, other: string, conversations: string]>(
      `UPDATE messages SET read = 1
       WHERE id IN (SELECT value FROM json_each(?)) AND to_session = ? AND from_session = ?
         AND conversation_id IN (SELECT c.id FROM json_each(?) JOIN conversations c ON c.id = value)`,
    ),
    /** Tells whom the answers go to; not of a question that is gone, or whose conversation is. */
    markRead: tuples<[ids: string], Addressee>(
      `UPDATE messages SET read = 1 WHERE id IN (SELECT value FROM json_each(?))
       RETURNING id, conversation_id, to_session, from_session,
                 EXISTS (SELECT 1 FROM conversations c WHERE c.id = conversation_id)`,
    ),

    // Rows that are no questions.
    ignorable: one<{ session: string; conversations: string | null; limit: number }, Ignorable>(
      `SELECT question_id AS id, conversation_id AS conversation, seen_at_us AS seenAtUs
       FROM warmline_ignorable
       WHERE session = :session AND ${AMONG('conversation_id')}
       ORDER BY question_id LIMIT ${atMost(':limit')}`,
    ),
    dropIgnorable: one<{ id: number }, never>(
      `DELETE FROM warmline_ignorable WHERE question_id = :id`,
    ),

    // Reaping.
    leases: one<{ session: string }, LeaseRow>(
      `SELECT lane_id AS lane, lease_token AS token, lease_owner AS owner,
              lease_until_us AS untilUs, head_id AS id, conversation_id AS conversation,
              attempts AS attempt, claimed_at_us AS claimedAtUs,
              (SELECT seen_at_us FROM warmline_work WHERE question_id = head_id) AS seenAtUs
       FROM warmline_lanes WHERE session = :session AND state = 'leased'`,
    ),
    /** Lanes that wait although nothing they wait for can still come. */
    wakeable: one<{ session: string; now: string; limit: number }, { lane: number }>(
      `SELECT l.lane_id AS lane FROM warmline_lanes l
       WHERE l.session = :session AND l.state = 'waiting'
         AND NOT EXISTS (SELECT 1 FROM warmline_depends d
                         JOIN warmline_work w ON w.question_id = d.parent_id
                         JOIN messages m ON m.id = d.parent_id
                         JOIN conversations c ON c.id = m.conversation_id
                         WHERE d.question_id = l.head_id AND ${NOT_EXPIRED})
       LIMIT ${atMost(':limit')}`,
    ),
    revivable: one<{ session: string; now: string; limit: number }, { lane: number }>(
      `SELECT l.lane_id AS lane FROM warmline_lanes l
       LEFT JOIN conversations c ON c.id = l.conversation_id
       WHERE l.session = :session AND l.state = 'expired' AND ${NOT_EXPIRED} LIMIT ${atMost(':limit')}`,
    ),
    revive: hot<[lane: number]>(
      `UPDATE warmline_lanes SET state = 'ready'
       WHERE lane_id = ? AND state IN ('expired', 'waiting')`,
    ),
    reviveSome: one<{ session: string; conversations: string | null; limit: number }, never>(
      `UPDATE warmline_lanes SET state = 'ready' WHERE lane_id IN
         (SELECT lane_id FROM warmline_lanes
          WHERE session = :session AND state = 'expired' AND ${AMONG('conversation_id')}
          LIMIT ${atMost(':limit')})`,
    ),

    count: one<{ session: string; name: string; by: number }, never>(
      `INSERT INTO warmline_counters VALUES (:session, :name, :by)
       ON CONFLICT DO UPDATE SET value = value + excluded.value`,
    ),
    // What partners read, and what our own command line writes.
    heartbeats: one<
      {
        session: string;
        now: string;
        after: string;
        limit: number;
        conversations: string | null;
      },
      { id: string }
    >(
      `INSERT INTO session_status (conversation_id, session_id, status, last_heartbeat)
       SELECT c.id, :session,
              CASE WHEN EXISTS (SELECT 1 FROM warmline_lanes l
                                WHERE l.session = :session AND l.conversation_id = c.id)
                   THEN 'working' ELSE 'waiting' END,
              :now
       FROM conversations c
       WHERE c.id > :after AND ${NOT_EXPIRED} AND ${AMONG('c.id')}
       ORDER BY c.id LIMIT ${atMost(':limit')}
       ON CONFLICT (conversation_id, session_id)
         DO UPDATE SET status = excluded.status, last_heartbeat = excluded.last_heartbeat
       RETURNING conversation_id AS id`,
    ),
    insertConversation: one<ConversationRow, never>(INSERT_CONVERSATION),
    insertQuestion: one<
      {
        conversation: string;
        from: string;
        to: string;
        message: string;
        metadata: string | null;
        now: string;
      },
      never
    >(
      `${INSERT_MESSAGE}
       SELECT id, :from, :to, :message, :metadata, :now, 0
       FROM conversations WHERE id = :conversation`,
    ),
  };
}

function heads(filter: string): string {
  return `
    SELECT l.lane_id AS lane, l.conversation_id AS conversation, l.head_id AS id, l.unfinished,
           l.attempts, l.rank_us AS rankUs, w.seen_at_us AS seenAtUs, w.model,
           m.id IS NOT NULL AND c.id IS NOT NULL AS whole, ${oversized('m')} AS oversized,
           CASE WHEN NOT ${oversized('m')} THEN m.message END AS message,
           CASE WHEN NOT ${oversized('m')} THEN m.metadata END AS metadata,
           NOT ${NOT_EXPIRED} AS expired
    FROM warmline_lanes l
    JOIN warmline_work w ON w.question_id = l.head_id
    LEFT JOIN messages m ON m.id = l.head_id
    LEFT JOIN conversations c ON c.id = l.conversation_id
    WHERE l.session = :session AND l.state = 'ready' AND l.ready_at_us <= :nowUs ${filter} AND ${ALLOWED}
    ORDER BY l.rank_us LIMIT ${atMost(':limit')}`;
}

export type Statements = ReturnType<typeof prepareStatements>;
