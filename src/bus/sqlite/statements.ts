/** The SQL of the bus, one named statement for each step. Prepared once for each connection. */
import type { Database } from 'better-sqlite3';

/** True while the conversation's time has not run out; an unreadable time never runs out. */
const NOT_EXPIRED = `coalesce(julianday(c.expires_at) > julianday(:now), 1)`;

export function prepareStatements(db: Database) {
  const one = <P extends object, R>(sql: string) => db.prepare<P, R>(sql);
  return {
    // Finding new rows: ids are given out under the write lock, so commit order is id order.
    storedCursor: one<{ session: string }, { last_id: number }>(
      `SELECT last_id FROM warmline_cursor WHERE session = :session`,
    ),
    saveCursor: one<{ session: string; lastId: number }, never>(
      `INSERT INTO warmline_cursor VALUES (:session, :lastId)
       ON CONFLICT (session) DO UPDATE SET last_id = max(last_id, excluded.last_id)`,
    ),
    firstUnread: one<{ session: string }, { id: number | null }>(
      `SELECT min(id) AS id FROM messages WHERE to_session = :session AND coalesce(read, 0) = 0`,
    ),
    lastMessage: one<object, { id: number | null }>(`SELECT max(id) AS id FROM messages`),
    anyUnread: one<{ session: string; after: number }, unknown>(
      `SELECT 1 FROM messages
       WHERE id > :after AND to_session = :session AND coalesce(read, 0) = 0 LIMIT 1`,
    ),
    page: one<{ after: number; limit: number }, NewRow>(
      `SELECT id, conversation_id, to_session, message, metadata,
              coalesce(read, 0) = 0 AS unread
       FROM messages WHERE id > :after ORDER BY id LIMIT :limit`,
    ),
    addWork: one<
      {
        id: number;
        session: string;
        conversation: string;
        kind: 'question' | 'ignored';
        priority: number;
        now: number;
      },
      never
    >(
      `INSERT OR IGNORE INTO warmline_work
         (question_id, session, conversation_id, kind, priority, seen_at_us)
       VALUES (:id, :session, :conversation, :kind, :priority, :now)`,
    ),
    growLane: one<{ session: string; conversation: string; id: number; rank: number }, never>(
      `INSERT INTO warmline_lanes VALUES (:session, :conversation, :id, 1, 'ready', 0, :rank)
       ON CONFLICT DO UPDATE SET unfinished = unfinished + 1`,
    ),

    // Claiming.
    anyReady: one<{ session: string; nowUs: number }, unknown>(
      `SELECT 1 FROM warmline_lanes
       WHERE session = :session AND state = 'ready' AND ready_at_us <= :nowUs LIMIT 1`,
    ),
    anyExpired: one<{ session: string }, unknown>(
      `SELECT 1 FROM warmline_lanes WHERE session = :session AND state = 'expired' LIMIT 1`,
    ),
    heads: one<HeadsParams, Head>(heads('')),
    headsOf: one<HeadsParams & { conversations: string }, Head>(
      heads('AND l.conversation_id IN (SELECT value FROM json_each(:conversations))'),
    ),
    lease: one<{ id: number; token: string; owner: string; untilUs: number; nowUs: number }, never>(
      `UPDATE warmline_work
       SET attempts = attempts + 1, claimed_at_us = :nowUs, lease_token = :token,
           lease_owner = :owner, lease_until_us = :untilUs
       WHERE question_id = :id AND lease_token IS NULL`,
    ),
    setLane: one<
      { session: string; conversation: string; state: string; readyAtUs: number },
      never
    >(
      `UPDATE warmline_lanes SET state = :state, ready_at_us = :readyAtUs
       WHERE session = :session AND conversation_id = :conversation`,
    ),

    // Settling, each fenced by the token of its lease.
    renew: one<{ id: number; token: string; untilUs: number }, never>(
      `UPDATE warmline_work SET lease_until_us = :untilUs
       WHERE question_id = :id AND lease_token = :token`,
    ),
    unlease: one<{ id: number; token: string; giveBack: number; error: string | null }, never>(
      `UPDATE warmline_work
       SET lease_token = NULL, lease_owner = NULL, lease_until_us = NULL,
           attempts = attempts - :giveBack, last_error = coalesce(:error, last_error)
       WHERE question_id = :id AND lease_token = :token`,
    ),
    takeWork: one<{ id: number; token: string }, Work>(
      `DELETE FROM warmline_work WHERE question_id = :id AND lease_token = :token
       RETURNING session, conversation_id, attempts, seen_at_us, claimed_at_us`,
    ),
    dropWork: one<{ id: number }, Work>(
      `DELETE FROM warmline_work WHERE question_id = :id
       RETURNING session, conversation_id, attempts, seen_at_us, claimed_at_us`,
    ),
    insertAnswer: one<{ id: number; message: string; metadata: string; now: string }, never>(
      `INSERT INTO messages
         (conversation_id, from_session, to_session, message, metadata, timestamp, read)
       SELECT m.conversation_id, m.to_session, m.from_session, :message, :metadata, :now, 0
       FROM messages m JOIN conversations c ON c.id = m.conversation_id WHERE m.id = :id`,
    ),
    markRead: one<{ id: number }, never>(`UPDATE messages SET read = 1 WHERE id = :id`),
    audit: one<
      { conversation: string; session: string; action: string; details: string; now: string },
      never
    >(
      `INSERT INTO audit_log (conversation_id, session_id, action, details, timestamp)
       VALUES (:conversation, :session, :action, :details, :now)`,
    ),
    finish: one<
      {
        id: number;
        session: string;
        conversation: string;
        outcome: string;
        answerId: number | bigint | null;
        attempts: number;
        errorCode: string | null;
        seenAtUs: number;
        claimedAtUs: number | null;
        nowUs: number;
      },
      never
    >(
      `INSERT INTO warmline_done VALUES (:id, :session, :conversation, :outcome, :answerId,
         :attempts, :errorCode, :seenAtUs, :claimedAtUs,
         max(:nowUs, coalesce(:claimedAtUs, :seenAtUs)))`,
    ),
    nextInLane: one<{ session: string; conversation: string; nowUs: number }, never>(
      `UPDATE warmline_lanes
       SET unfinished = unfinished - 1, state = 'ready', ready_at_us = 0,
           head_id = next.question_id, rank_us = :nowUs - next.priority * 1000000
       FROM (SELECT question_id, priority FROM warmline_work
             WHERE session = :session AND conversation_id = :conversation AND kind = 'question'
             ORDER BY question_id LIMIT 1) AS next
       WHERE session = :session AND conversation_id = :conversation`,
    ),
    dropLane: one<{ session: string; conversation: string }, never>(
      `DELETE FROM warmline_lanes WHERE session = :session AND conversation_id = :conversation`,
    ),

    // Rows that are no questions.
    ignored: one<{ session: string; conversations: string | null; limit: number }, IgnoredRow>(
      `SELECT question_id AS id FROM warmline_work
       WHERE session = :session AND kind = 'ignored'
         AND (:conversations IS NULL
              OR conversation_id IN (SELECT value FROM json_each(:conversations)))
       ORDER BY question_id LIMIT :limit`,
    ),

    // Reaping.
    leases: one<{ session: string }, LeaseRow>(
      `SELECT question_id AS id, conversation_id AS conversation, lease_token AS token,
              lease_owner AS owner, lease_until_us AS untilUs
       FROM warmline_work WHERE lease_token IS NOT NULL AND session = :session`,
    ),
    revivable: one<{ session: string; now: string }, { conversation: string }>(
      `SELECT l.conversation_id AS conversation FROM warmline_lanes l
       LEFT JOIN conversations c ON c.id = l.conversation_id
       WHERE l.session = :session AND l.state = 'expired' AND ${NOT_EXPIRED}`,
    ),
    reviveAll: one<{ session: string }, never>(
      `UPDATE warmline_lanes SET state = 'ready' WHERE session = :session AND state = 'expired'`,
    ),

    // Looking.
    laneCounts: one<{ session: string; nowUs: number }, LaneCount>(
      `SELECT state, sum(ready_at_us > :nowUs) AS delayed, count(*) AS lanes,
              sum(unfinished) AS unfinished
       FROM warmline_lanes WHERE session = :session GROUP BY state`,
    ),
    oldest: one<{ session: string }, { day: number | null }>(
      `SELECT min(julianday(m.timestamp)) AS day
       FROM warmline_lanes l JOIN messages m ON m.id = l.head_id
       WHERE l.session = :session AND l.state != 'expired'`,
    ),
    nextReady: one<{ session: string; nowUs: number }, { at: number | null }>(
      `SELECT min(ready_at_us) AS at FROM warmline_lanes
       WHERE session = :session AND state = 'ready' AND ready_at_us > :nowUs`,
    ),
    unfinishedIn: one<{ session: string; conversations: string | null }, unknown>(
      `SELECT 1 FROM warmline_lanes
       WHERE session = :session AND state != 'expired'
         AND (:conversations IS NULL
              OR conversation_id IN (SELECT value FROM json_each(:conversations)))
       LIMIT 1`,
    ),
    counters: one<{ session: string }, { name: string; value: number }>(
      `SELECT name, value FROM warmline_counters WHERE session = :session`,
    ),
    count: one<{ session: string; name: string; by: number }, never>(
      `INSERT INTO warmline_counters VALUES (:session, :name, :by)
       ON CONFLICT DO UPDATE SET value = value + excluded.value`,
    ),
    answerTo: one<{ id: number }, { id: number; message: string }>(
      `SELECT m.id, m.message FROM warmline_done d JOIN messages m ON m.id = d.answer_id
       WHERE d.question_id = :id`,
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
       WHERE c.id > :after AND ${NOT_EXPIRED}
         AND (:conversations IS NULL OR c.id IN (SELECT value FROM json_each(:conversations)))
       ORDER BY c.id LIMIT :limit
       ON CONFLICT (conversation_id, session_id)
         DO UPDATE SET status = excluded.status, last_heartbeat = excluded.last_heartbeat
       RETURNING conversation_id AS id`,
    ),
    insertConversation: one<
      {
        id: string;
        roleA: string;
        roleB: string;
        tokenA: string;
        tokenB: string;
        now: string;
        expires: string;
      },
      never
    >(
      `INSERT INTO conversations (id, session_a_role, session_b_role, session_a_token,
         session_b_token, created_at, expires_at)
       VALUES (:id, :roleA, :roleB, :tokenA, :tokenB, :now, :expires)`,
    ),
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
      `INSERT INTO messages
         (conversation_id, from_session, to_session, message, metadata, timestamp, read)
       SELECT id, :from, :to, :message, :metadata, :now, 0
       FROM conversations WHERE id = :conversation`,
    ),
  };
}

function heads(filter: string): string {
  return `
    SELECT l.conversation_id AS conversation, l.head_id AS id, l.unfinished,
           w.attempts, w.seen_at_us AS seenAtUs,
           m.id IS NOT NULL AND c.id IS NOT NULL AS whole, m.message, m.metadata,
           NOT ${NOT_EXPIRED} AS expired
    FROM warmline_lanes l
    JOIN warmline_work w ON w.question_id = l.head_id
    LEFT JOIN messages m ON m.id = l.head_id
    LEFT JOIN conversations c ON c.id = l.conversation_id
    WHERE l.session = :session AND l.state = 'ready' AND l.ready_at_us <= :nowUs ${filter}
    ORDER BY l.rank_us LIMIT :limit`;
}

export type Statements = ReturnType<typeof prepareStatements>;

interface HeadsParams {
  session: string;
  now: string;
  nowUs: number;
  limit: number;
}

export interface NewRow {
  readonly id: number;
  readonly conversation_id: unknown;
  readonly to_session: unknown;
  readonly message: unknown;
  readonly metadata: unknown;
  readonly unread: 0 | 1;
}

export interface Head {
  readonly conversation: string;
  readonly id: number;
  readonly unfinished: number;
  readonly attempts: number;
  readonly seenAtUs: number;
  /** The question and its conversation still exist. */
  readonly whole: 0 | 1;
  readonly message: unknown;
  readonly metadata: unknown;
  readonly expired: 0 | 1;
}

export interface Work {
  readonly session: string;
  readonly conversation_id: string;
  readonly attempts: number;
  readonly seen_at_us: number;
  readonly claimed_at_us: number | null;
}

interface IgnoredRow {
  readonly id: number;
}

interface LeaseRow {
  readonly id: number;
  readonly conversation: string;
  readonly token: string;
  readonly owner: string;
  readonly untilUs: number;
}

interface LaneCount {
  readonly state: 'ready' | 'leased' | 'expired';
  readonly lanes: number;
  readonly delayed: number;
  readonly unfinished: number;
}
