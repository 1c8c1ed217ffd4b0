/** A question of one named module to another under an id of the asker's own, put on the bus once. */
import type { Database } from 'better-sqlite3';
import { composeQuestion, type QuestionText } from '../new-question.js';
import { MAX_QUESTION_BYTES, parseQuestion } from '../question.js';
import { PUT_MESSAGE } from '../sqlite/message.js';
import type { SqliteBus } from '../sqlite/store.js';
import { naiveUtc } from '../stamp.js';
import { conversationBetween } from './conversation-between.js';

export interface Task extends QuestionText {
  /** The `query_id` of the question: letters, digits and `._:-`, so that JSON has one way to write it. */
  readonly taskId: string;
  /** The module that asks, and the one that answers on our side. */
  readonly source: string;
  readonly target: string;
}

interface PutTask {
  /** `known`: it was there already. `conflict`: another question of this id was. */
  readonly did: 'put' | 'known' | 'conflict';
  readonly messageId: number;
  readonly conversationId: string;
}

const TASK_ID = /^[A-Za-z0-9._:-]{1,128}$/;
const MODULE_CHARS = 200;
/** A conversation with less time left may end before its question is answered. */
const LASTS_MS = 3_600_000;

/**
 * Ids are told apart for each pair of modules, whichever of their conversations a task is in. Two
 * programs that put the same task at the same moment put it once.
 * @throws RangeError when the id or a module has no good name, or the question is blank or too long
 * @throws BusError
 */
export async function putTask(bus: SqliteBus, task: Task): Promise<PutTask> {
  const { taskId, source, target } = task;
  checkNames(task);
  const { message, metadata } = await composeQuestion(task, taskId);
  // There is no index to find it by, so the long look comes before the lock.
  const seen = bus.read((db) => lookFor(db, bus, task, 0));
  if (seen.task !== undefined) return asFound(seen.task, message);
  const conversationId = await conversationBetween(bus, {
    ...{ asker: source, answerer: target, side: bus.session },
    lastsMs: LASTS_MS,
  });
  return bus.write((db, nowUs) => {
    const meanwhile = lookFor(db, bus, task, seen.lastId).task;
    if (meanwhile !== undefined) return asFound(meanwhile, message);
    const to = bus.session;
    const { lastInsertRowid } = db
      .prepare(PUT_MESSAGE)
      .run(conversationId, to === 'b' ? 'a' : 'b', to, message, metadata, naiveUtc(nowUs));
    return { did: 'put', messageId: Number(lastInsertRowid), conversationId };
  });
}

function checkNames({ taskId, source, target }: Task): void {
  if (!TASK_ID.test(taskId)) {
    throw new RangeError('a task id has 1 to 128 letters, digits, dots, colons, "_" and "-"');
  }
  for (const name of [source, target]) {
    if (name.trim() === '' || name.length > MODULE_CHARS) {
      throw new RangeError(`a module has a name, of at most ${MODULE_CHARS} characters`);
    }
  }
}

interface StoredTask {
  readonly id: number;
  readonly conversationId: string;
  readonly message: string;
}

/** @returns the task if it is in a row after the one given, and the last row there is */
function lookFor(
  db: Database,
  { session }: Pick<SqliteBus, 'session'>,
  { taskId, source, target }: Task,
  afterId: number,
): { readonly task: StoredTask | undefined; readonly lastId: number } {
  const [roleA, roleB] = session === 'b' ? [source, target] : [target, source];
  return db
    .transaction(() => {
      const lastId = Number(db.prepare('SELECT max(id) FROM messages').pluck().get() ?? 0);
      const rows = db
        .prepare(
          `SELECT id, conversation_id AS conversationId, message FROM messages
           WHERE id > :afterId AND to_session = :session AND typeof(message) = 'text'
             AND octet_length(message) <= :most AND instr(message, :taskId) > 0
             AND conversation_id IN (SELECT id FROM conversations
                                     WHERE session_a_role = :roleA AND session_b_role = :roleB)`,
        )
        .iterate({ afterId, session, most: MAX_QUESTION_BYTES, taskId, roleA, roleB });
      for (const row of rows as Iterable<StoredTask>) {
        const parsed = parseQuestion(row.message, null);
        if (parsed.kind !== 'ignored' && parsed.queryId === taskId) return { task: row, lastId };
      }
      return { task: undefined, lastId };
    })
    .deferred();
}

/** The same task is the same question, asked of the same document and model. */
function asFound({ id, conversationId, message: stored }: StoredTask, message: string): PutTask {
  const isSame = wording(stored) === wording(message);
  return { did: isSame ? 'known' : 'conflict', messageId: id, conversationId };
}

function wording(message: string): string {
  const parsed = parseQuestion(message, null);
  if (parsed.kind !== 'question') return parsed.kind;
  return JSON.stringify([parsed.question, parsed.contextFile, parsed.model]);
}
