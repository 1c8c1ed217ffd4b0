/** Tasks that ended a while ago leave the bus: their rows are the door's, and nobody asks for them. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from 'better-sqlite3';
import type { SqliteBus } from '../sqlite/store.js';
import { naiveUtc } from '../stamp.js';

/** How long a task can be asked for after its end, and how long it is kept aside after that. */
const KEEP_US = 24 * 3_600_000_000;
const KEEP_PAST_US = 90 * 86_400_000_000;

/** Tasks moved in one transaction, and the time others have the lock to themselves after it. */
const TOGETHER = 50;
const PAUSE_MS = 20;

/**
 * Moves the tasks that ended a day ago out of `messages`, with their answers, into a table of ours; forgets those that were moved long ago, and the door's conversations that have expired empty.
 * @returns how many were moved
 */
export async function moveOutDoorTasks(
  bus: Pick<SqliteBus, 'session' | 'read' | 'write'>,
  nowUs: number,
  signal: AbortSignal,
): Promise<number> {
  let moved = 0;
  for (;;) {
    const old = bus.read((db) => oldTasks(db, bus.session, nowUs - KEEP_US));
    if (old.length === 0) break;
    await bus.write((db) => moveOut(db, JSON.stringify(old)));
    moved += old.length;
    await sleep(PAUSE_MS, undefined, { signal });
  }
  if (bus.read((db) => hasForgettable(db, bus.session, nowUs))) {
    await bus.write((db) => forget(db, bus.session, nowUs));
  }
  return moved;
}

function oldTasks(db: Database, session: string, untilUs: number): string[] {
  return db
    .prepare(
      `SELECT task_id FROM warmline_door_tasks
       WHERE session = ? AND finished_at_us < ? ORDER BY finished_at_us LIMIT ${TOGETHER}`,
    )
    .pluck()
    .all(session, untilUs) as string[];
}

function moveOut(db: Database, ids: string): void {
  const among = 'task_id IN (SELECT value FROM json_each(?))';
  db.prepare(
    `INSERT OR REPLACE INTO warmline_door_past
     SELECT t.task_id, t.question_id, d.outcome, t.created_at_us, t.finished_at_us, q.message, a.message
     FROM warmline_door_tasks t
     LEFT JOIN warmline_done d ON d.question_id = t.question_id
     LEFT JOIN messages q ON q.id = t.question_id
     LEFT JOIN messages a ON a.id = d.answer_id
     WHERE t.${among}`,
  ).run(ids);
  db.prepare(
    `DELETE FROM messages WHERE id IN (
       SELECT d.answer_id FROM warmline_door_tasks t JOIN warmline_done d ON d.question_id = t.question_id
       WHERE t.${among} AND d.answer_id IS NOT NULL)`,
  ).run(ids);
  db.prepare(
    `DELETE FROM messages WHERE id IN (SELECT question_id FROM warmline_door_tasks WHERE ${among})`,
  ).run(ids);
  db.prepare(`DELETE FROM warmline_door_tasks WHERE ${among}`).run(ids);
}

const EMPTY_EXPIRED = `
  SELECT c.id FROM warmline_door_conversations t JOIN conversations c ON c.id = t.conversation_id
  WHERE t.session = :session AND julianday(c.expires_at) < julianday(:now)
    AND NOT EXISTS (SELECT 1 FROM warmline_door_tasks k WHERE k.conversation_id = c.id)`;

function hasForgettable(db: Database, session: string, nowUs: number): boolean {
  const now = naiveUtc(nowUs);
  return (
    db.prepare(`${EMPTY_EXPIRED} LIMIT 1`).get({ session, now }) !== undefined ||
    db
      .prepare('SELECT 1 FROM warmline_door_past WHERE finished_at_us < ? LIMIT 1')
      .get(nowUs - KEEP_PAST_US) !== undefined
  );
}

function forget(db: Database, session: string, nowUs: number): void {
  const ids = JSON.stringify(
    db
      .prepare(EMPTY_EXPIRED)
      .pluck()
      .all({ session, now: naiveUtc(nowUs) }),
  );
  const among = '(SELECT value FROM json_each(?))';
  db.prepare(`DELETE FROM session_status WHERE conversation_id IN ${among}`).run(ids);
  db.prepare(`DELETE FROM warmline_door_conversations WHERE conversation_id IN ${among}`).run(ids);
  db.prepare(`DELETE FROM conversations WHERE id IN ${among}`).run(ids);
  db.prepare('DELETE FROM warmline_door_past WHERE finished_at_us < ?').run(nowUs - KEEP_PAST_US);
}
