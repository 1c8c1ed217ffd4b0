/**
 * Where the tasks of the HTTP door are put, so that a given number of them is at work at once and
 * the most urgent one goes first.
 *
 * The bus answers the questions of a conversation one at a time, so the door has a conversation for
 * each task at work at once: its *lanes*. Lane 0 holds the queue; each other lane takes one task, and
 * the next one out of the queue when it is free. All of them are questions on the bus from the
 * beginning: without the door they are still answered, one after the other.
 *
 * The conversations are few and stay: partners are told every half minute of each open one that its
 * other side lives, and figures are kept for each.
 */
import type { Database } from 'better-sqlite3';
import { conversationRow, INSERT_CONVERSATION } from '../sqlite/conversation.js';
import type { SqliteBus } from '../sqlite/store.js';
import { naiveUtc } from '../stamp.js';

/** How the door's conversations name their two sides. */
const ASKER = 'warmline-http';
const ANSWERER = 'warmline';

const HOUR_MS = 3_600_000;
const LIFETIME_MS = 48 * HOUR_MS;
/** A conversation with less left than this is given its whole life again when it is used. */
const RENEW_BELOW_MS = 24 * HOUR_MS;

const QUEUE = 0;

export interface DoorPlace {
  readonly conversationId: string;
  /** null: a conversation of its own, for a sticky session. */
  readonly lane: number | null;
}

/** The conversation for a new task. Inside a transaction of the caller, like the rest of it. */
export function placeFor(
  db: Database,
  session: string,
  sticky: string | undefined,
  atOnce: number,
  nowUs: number,
): DoorPlace {
  if (sticky !== undefined) {
    const conversationId = openConversation(db, session, stickyName(sticky), nowUs);
    return { conversationId, lane: null };
  }
  const busy = busyLanes(db, session);
  let lane = QUEUE;
  while (lane < atOnce && busy.has(lane)) lane += 1;
  if (lane === atOnce) lane = QUEUE;
  return { conversationId: openConversation(db, session, laneName(lane), nowUs), lane };
}

/** The conversation of a sticky session, which is made if need be. */
export function stickyDoorConversation(
  bus: Pick<SqliteBus, 'session' | 'write'>,
  sticky: string,
): Promise<string> {
  return bus.write((db, nowUs) => openConversation(db, bus.session, stickyName(sticky), nowUs));
}

/**
 * Moves waiting tasks to lanes that have become free: the most urgent first, then the oldest.
 * @returns how many were moved; their conversation is another one then
 */
export function fillDoorLanes(
  bus: Pick<SqliteBus, 'session' | 'read' | 'write'>,
  atOnce: number,
): Promise<number> {
  const { session } = bus;
  const isAny = bus.read((db) => freeLanes(db, session, atOnce).length > 0 && waits(db, session));
  if (!isAny) return Promise.resolve(0);
  return bus.write((db, nowUs) => {
    let moved = 0;
    for (const lane of freeLanes(db, session, atOnce)) {
      const next = nextWaiting(db, session);
      if (next === undefined) break;
      const conversationId = openConversation(db, session, laneName(lane), nowUs);
      if (moveTo(db, session, next, { conversationId, lane })) moved += 1;
    }
    return moved;
  });
}

/** Unfinished tasks must not see their conversation expire, however long they wait. */
export function keepDoorOpen(bus: Pick<SqliteBus, 'session' | 'write'>): Promise<void> {
  const { session } = bus;
  return bus.write((db, nowUs) => {
    const names = db
      .prepare(
        `SELECT name FROM warmline_door_conversations c
         WHERE session = :session AND EXISTS (
           SELECT 1 FROM warmline_door_tasks t
           WHERE t.conversation_id = c.conversation_id AND t.finished_at_us IS NULL)`,
      )
      .pluck()
      .all({ session }) as string[];
    for (const name of names) {
      const conversationId = openConversation(db, session, name, nowUs);
      db.prepare(
        `UPDATE warmline_lanes SET state = 'ready'
         WHERE session = ? AND conversation_id = ? AND state = 'expired'`,
      ).run(session, conversationId);
    }
  });
}

function laneName(lane: number): string {
  return `lane ${lane}`;
}

function stickyName(sticky: string): string {
  return `session ${sticky}`;
}

/** The conversation of that name: the one there is, with time left, or a new one. */
function openConversation(db: Database, session: string, name: string, nowUs: number): string {
  const known = db
    .prepare(
      `SELECT c.id, julianday(c.expires_at) < julianday(:soon) AS isShort
       FROM warmline_door_conversations t JOIN conversations c ON c.id = t.conversation_id
       WHERE t.session = :session AND t.name = :name`,
    )
    .get({ session, name, soon: naiveUtc(nowUs + RENEW_BELOW_MS * 1000) }) as
    | { readonly id: string; readonly isShort: 0 | 1 | null }
    | undefined;
  if (known !== undefined) {
    if (known.isShort !== 0) {
      db.prepare('UPDATE conversations SET expires_at = ? WHERE id = ?').run(
        naiveUtc(nowUs + LIFETIME_MS * 1000),
        known.id,
      );
    }
    return known.id;
  }
  const [roleA, roleB] = session === 'b' ? [ASKER, ANSWERER] : [ANSWERER, ASKER];
  const row = conversationRow({ roleA, roleB, lifetimeMs: LIFETIME_MS }, nowUs);
  db.prepare(INSERT_CONVERSATION).run(row);
  db.prepare('INSERT OR REPLACE INTO warmline_door_conversations VALUES (?, ?, ?)').run(
    session,
    name,
    row.id,
  );
  return row.id;
}

/** Without those that have ended and are not noted as ended yet. */
const UNFINISHED = `
  t.session = ? AND t.finished_at_us IS NULL
  AND NOT EXISTS (SELECT 1 FROM warmline_done d WHERE d.question_id = t.question_id)`;

function busyLanes(db: Database, session: string): ReadonlySet<number> {
  const lanes = db
    .prepare(
      `SELECT DISTINCT lane FROM warmline_door_tasks t WHERE ${UNFINISHED} AND lane IS NOT NULL`,
    )
    .pluck()
    .all(session) as number[];
  return new Set(lanes);
}

function freeLanes(db: Database, session: string, atOnce: number): number[] {
  const busy = busyLanes(db, session);
  const free: number[] = [];
  for (let lane = QUEUE + 1; lane < atOnce; lane += 1) if (!busy.has(lane)) free.push(lane);
  return free;
}

/** The first task of the queue stays: the bus is at work on it, or about to be. */
const WAITING = `
  FROM warmline_door_tasks t
  WHERE ${UNFINISHED} AND lane = ${QUEUE}
    AND t.question_id > (SELECT min(t.question_id) FROM warmline_door_tasks t
                         WHERE ${UNFINISHED} AND lane = ${QUEUE})`;

function waits(db: Database, session: string): boolean {
  return db.prepare(`SELECT 1 ${WAITING} LIMIT 1`).get(session, session) !== undefined;
}

function nextWaiting(db: Database, session: string): number | undefined {
  return db
    .prepare(`SELECT question_id ${WAITING} ORDER BY t.priority DESC, t.question_id LIMIT 1`)
    .pluck()
    .get(session, session) as number | undefined;
}

/** Takes a question out of the middle or the end of its lane into one of its own. */
function moveTo(db: Database, session: string, id: number, to: DoorPlace): boolean {
  const { conversationId, lane } = to;
  const taken = db
    .prepare('SELECT priority, seen_at_us AS seenAtUs FROM warmline_work WHERE question_id = ?')
    .get(id) as { readonly priority: number; readonly seenAtUs: number } | undefined;
  if (taken !== undefined) {
    const isBusy = db
      .prepare('SELECT 1 FROM warmline_lanes WHERE session = ? AND conversation_id = ?')
      .get(session, conversationId);
    if (isBusy !== undefined || !unlink(db, session, id)) return false;
    const rankUs = taken.seenAtUs - taken.priority * 1_000_000;
    db.prepare(
      `INSERT INTO warmline_lanes
         (session, conversation_id, head_id, tail_id, unfinished, state, rank_us)
       VALUES (?, ?, ?, ?, 1, 'ready', ?)`,
    ).run(session, conversationId, id, id, rankUs);
  }
  db.prepare('UPDATE messages SET conversation_id = ? WHERE id = ?').run(conversationId, id);
  db.prepare(
    'UPDATE warmline_door_tasks SET conversation_id = ?, lane = ? WHERE question_id = ?',
  ).run(conversationId, lane, id);
  return true;
}

/** @returns whether it stood behind another one; the head of a lane stays where it is */
function unlink(db: Database, session: string, id: number): boolean {
  const found = db
    .prepare(
      `WITH RECURSIVE chain (lane_id, question_id, next_id) AS (
         SELECT l.lane_id, w.question_id, w.next_id
         FROM warmline_door_tasks t
         JOIN warmline_lanes l ON l.session = :session AND l.conversation_id = t.conversation_id
         JOIN warmline_work w ON w.question_id = l.head_id
         WHERE t.question_id = :id
         UNION ALL
         SELECT c.lane_id, w.question_id, w.next_id
         FROM chain c JOIN warmline_work w ON w.question_id = c.next_id
         WHERE c.next_id != :id)
       SELECT lane_id AS laneId, question_id AS before FROM chain WHERE next_id = :id`,
    )
    .get({ session, id }) as { readonly laneId: number; readonly before: number } | undefined;
  if (found === undefined) return false;
  const { laneId, before } = found;
  db.prepare(
    `UPDATE warmline_work SET next_id = (SELECT next_id FROM warmline_work WHERE question_id = ?)
     WHERE question_id = ?`,
  ).run(id, before);
  db.prepare(
    `UPDATE warmline_lanes
     SET unfinished = unfinished - 1, tail_id = CASE tail_id WHEN ? THEN ? ELSE tail_id END
     WHERE lane_id = ?`,
  ).run(id, before, laneId);
  db.prepare('UPDATE warmline_work SET next_id = NULL WHERE question_id = ?').run(id);
  return true;
}
