/**
 * Tasks of the HTTP door: questions that it puts on the bus, each with a task id of its own. The
 * question is on the bus and the task in its table by one transaction, so a task that somebody was
 * told of is a question like any other, whatever becomes of the door.
 *
 * The table is the door's: nothing that drains the bus needs it.
 */
import type { Database, Statement } from 'better-sqlite3';
import { requestIdOf } from '../session-key.js';
import { PUT_MESSAGE } from '../sqlite/message.js';
import type { SqliteBus } from '../sqlite/store.js';
import { naiveUtc } from '../stamp.js';
import { placeFor } from './door-lanes.js';

/**
 * - `lane`: the number of its lane (`door-lanes.ts`), or null for a sticky session.
 * - `options`: what the door needs to tell the result, as JSON of its own.
 * - `idempotency_key`, `digest`: what a client named the request, and what it asked by it.
 * - `finished_at_us`: noted some time after the end; it dates the moving out.
 * - `warmline_door_conversations` names the conversations that the door made.
 * - `warmline_door_past` holds what was moved out, question and answer with it.
 */
const TABLES = `
  CREATE TABLE IF NOT EXISTS warmline_door_tasks (
    task_id TEXT PRIMARY KEY,
    session TEXT NOT NULL,
    question_id INTEGER NOT NULL UNIQUE,
    conversation_id TEXT NOT NULL,
    lane INTEGER,
    priority INTEGER NOT NULL,
    created_at_us INTEGER NOT NULL,
    finished_at_us INTEGER,
    idempotency_key TEXT,
    digest TEXT NOT NULL,
    options TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE UNIQUE INDEX IF NOT EXISTS warmline_door_tasks_key
    ON warmline_door_tasks (session, idempotency_key) WHERE idempotency_key IS NOT NULL;
  CREATE INDEX IF NOT EXISTS warmline_door_tasks_unfinished
    ON warmline_door_tasks (session, question_id) WHERE finished_at_us IS NULL;
  CREATE INDEX IF NOT EXISTS warmline_door_tasks_finished
    ON warmline_door_tasks (session, finished_at_us) WHERE finished_at_us IS NOT NULL;
  CREATE INDEX IF NOT EXISTS warmline_door_tasks_conversation ON warmline_door_tasks (conversation_id);
  CREATE TABLE IF NOT EXISTS warmline_door_conversations (
    session TEXT NOT NULL,
    name TEXT NOT NULL,
    conversation_id TEXT NOT NULL UNIQUE,
    PRIMARY KEY (session, name)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS warmline_door_past (
    task_id TEXT PRIMARY KEY,
    question_id INTEGER NOT NULL,
    outcome TEXT,
    created_at_us INTEGER NOT NULL,
    finished_at_us INTEGER NOT NULL,
    question TEXT,
    answer TEXT
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS warmline_door_past_finished ON warmline_door_past (finished_at_us);
`;
const LAST_OF_THEM = 'warmline_door_past_finished';

export interface NewDoorTask {
  readonly taskId: string;
  /** The columns of the question's row. */
  readonly message: string;
  readonly metadata: string;
  readonly priority: number;
  /** The name of a session whose tasks are done one after the other; any lane without it. */
  readonly sticky: string | undefined;
  readonly idempotencyKey: string | undefined;
  /** Stands for what is asked: the same key with another digest is a mistake. */
  readonly digest: string;
  readonly options: Readonly<Record<string, unknown>>;
}

export interface DoorLimits {
  /** Tasks at work at once, those of sticky sessions aside. */
  readonly atOnce: number;
  /** Tasks that may be unfinished. */
  readonly unfinished: number;
}

export type PutDoorTask =
  /** `known`: there is one of that idempotency key, and no other was made. */
  | { readonly put: 'made' | 'known'; readonly taskId: string }
  /** The idempotency key stands for another request. */
  | { readonly put: 'conflict' }
  | { readonly put: 'full'; readonly unfinished: number };

/** How a task ended, as its question did; `gone`: the row of its question was deleted. */
export type DoorOutcome = 'complete' | 'failed' | 'dead' | 'ignored' | 'orphaned' | 'gone';

/** A task and where it stands. Times are microseconds since the epoch. */
export interface DoorTask {
  readonly taskId: string;
  readonly questionId: number;
  readonly conversationId: string;
  readonly createdAtUs: number;
  readonly options: Readonly<Record<string, unknown>>;
  readonly state: 'pending' | 'running' | 'finished';
  /** When it was taken up: for the attempt that runs, or was the last one. */
  readonly startedAtUs: number | undefined;
  readonly completedAtUs: number | undefined;
  readonly outcome: DoorOutcome | undefined;
  readonly errorCode: string | undefined;
  readonly engine: string | undefined;
  readonly inputTokens: number | undefined;
  readonly outputTokens: number | undefined;
  /** The JSON text of the answer row. */
  readonly answer: string | undefined;
  /** What its turn is known by at the bridge; undefined until the question was seen. */
  readonly requestId: string | undefined;
}

/** Makes the tables, where they are not there yet. */
export async function prepareDoor(bus: Pick<SqliteBus, 'read' | 'write'>): Promise<void> {
  const isThere = bus.read((db) =>
    db.prepare('SELECT 1 FROM sqlite_master WHERE name = ?').get(LAST_OF_THEM),
  );
  if (isThere === undefined) await bus.write((db) => db.exec(TABLES));
}

/**
 * Puts a task on the bus, unless its idempotency key is known or too many are unfinished.
 * @throws BusError
 */
export function putDoorTask(
  bus: Pick<SqliteBus, 'session' | 'write'>,
  task: NewDoorTask,
  limits: DoorLimits,
): Promise<PutDoorTask> {
  const { session } = bus;
  return bus.write((db, nowUs): PutDoorTask => {
    const sql = statementsOf(db);
    const { taskId, idempotencyKey: key = null, digest, priority, message, metadata } = task;
    const known = key === null ? undefined : (sql.byKey.get(session, key) as KeyRow | undefined);
    if (known !== undefined) {
      return known.digest === digest ? { put: 'known', taskId: known.id } : { put: 'conflict' };
    }
    const unfinished = sql.unfinished.get(session) as number;
    if (unfinished >= limits.unfinished) return { put: 'full', unfinished };
    const place = placeFor(db, session, task.sticky, limits.atOnce, nowUs);
    const [from, to] = session === 'b' ? ['a', 'b'] : ['b', 'a'];
    const { conversationId, lane } = place;
    const row = [conversationId, from, to, message, metadata, naiveUtc(nowUs)];
    const questionId = Number(sql.insertQuestion.run(row).lastInsertRowid);
    sql.insert.run({
      ...{ taskId, session, questionId, conversationId, lane, priority, nowUs, key, digest },
      options: JSON.stringify(task.options),
    });
    return { put: 'made', taskId };
  });
}

export function readDoorTask(
  bus: Pick<SqliteBus, 'session' | 'read'>,
  taskId: string,
): DoorTask | undefined {
  const row = bus.read((db) => statementsOf(db).one.get(taskId, bus.session));
  return row === undefined ? undefined : toTask(row as TaskRow);
}

/** Every task whose end has not been noted yet, oldest first. */
export function unnotedDoorTasks(bus: Pick<SqliteBus, 'session' | 'read'>): DoorTask[] {
  return bus.read((db) => statementsOf(db).unnoted.all(bus.session) as TaskRow[]).map(toTask);
}

/** Notes that these tasks have ended, once they are seen to. */
export function noteDoorFinished(
  bus: Pick<SqliteBus, 'write'>,
  tasks: readonly DoorTask[],
): Promise<void> {
  return bus.write((db, nowUs) => {
    const { note } = statementsOf(db);
    for (const { taskId, completedAtUs } of tasks) note.run(completedAtUs ?? nowUs, taskId);
  });
}

interface KeyRow {
  readonly id: string;
  readonly digest: string;
}

interface TaskRow {
  readonly taskId: string;
  readonly questionId: number;
  readonly conversationId: string;
  readonly createdAtUs: number;
  readonly options: string;
  readonly hasQuestion: 0 | 1;
  readonly isTaken: 0 | 1;
  readonly isLeased: 0 | 1;
  readonly laneClaimedAtUs: number | null;
  readonly seenAtUs: number | null;
  readonly outcome: Exclude<DoorOutcome, 'gone'> | null;
  readonly errorCode: string | null;
  readonly engine: string | null;
  readonly claimedAtUs: number | null;
  readonly completedAtUs: number | null;
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  readonly answer: string | null;
}

function toTask(row: TaskRow): DoorTask {
  const { taskId, questionId, conversationId, createdAtUs, seenAtUs } = row;
  // The row can be deleted by the programs that share the bus; nobody would answer it then.
  const isGone = row.outcome === null && row.isTaken === 0 && row.hasQuestion === 0;
  const outcome = isGone ? 'gone' : (row.outcome ?? undefined);
  const unfinished = row.isLeased === 1 ? 'running' : 'pending';
  const started = outcome === undefined ? runningSince(row) : row.claimedAtUs;
  // The clock may have been set back since.
  const startedAtUs = started === null ? undefined : Math.max(started, createdAtUs);
  const completed = row.completedAtUs ?? undefined;
  return {
    ...{ taskId, questionId, conversationId, createdAtUs, outcome, startedAtUs },
    options: JSON.parse(row.options),
    state: outcome === undefined ? unfinished : 'finished',
    completedAtUs: completed && Math.max(completed, startedAtUs ?? createdAtUs),
    errorCode: row.errorCode ?? undefined,
    engine: row.engine ?? undefined,
    inputTokens: row.inputTokens ?? undefined,
    outputTokens: row.outputTokens ?? undefined,
    answer: row.answer ?? undefined,
    requestId: seenAtUs === null ? undefined : requestIdOf(conversationId, questionId, seenAtUs),
  };
}

function runningSince({ isLeased, laneClaimedAtUs }: TaskRow): number | null {
  return isLeased === 1 ? laneClaimedAtUs : null;
}

const TASKS = `
  SELECT t.task_id AS taskId, t.question_id AS questionId, t.conversation_id AS conversationId,
         t.created_at_us AS createdAtUs, t.options, q.id IS NOT NULL AS hasQuestion,
         w.question_id IS NOT NULL AS isTaken,
         coalesce(l.state = 'leased' AND l.head_id = t.question_id, 0) AS isLeased,
         l.claimed_at_us AS laneClaimedAtUs, coalesce(d.seen_at_us, w.seen_at_us) AS seenAtUs,
         d.outcome, d.error_code AS errorCode, d.engine, d.claimed_at_us AS claimedAtUs,
         d.completed_at_us AS completedAtUs, d.input_tokens AS inputTokens, d.output_tokens AS outputTokens, a.message AS answer
  FROM warmline_door_tasks t
  LEFT JOIN messages q ON q.id = t.question_id
  LEFT JOIN warmline_done d ON d.question_id = t.question_id
  LEFT JOIN messages a ON a.id = d.answer_id
  LEFT JOIN warmline_work w ON w.question_id = t.question_id
  LEFT JOIN warmline_lanes l ON l.session = t.session AND l.conversation_id = t.conversation_id`;

interface Statements {
  readonly byKey: Statement;
  readonly unfinished: Statement;
  readonly insertQuestion: Statement;
  readonly insert: Statement;
  readonly one: Statement;
  readonly unnoted: Statement;
  readonly note: Statement;
}

/** Prepared once for each connection. */
const prepared = new WeakMap<Database, Statements>();

function statementsOf(db: Database): Statements {
  const known = prepared.get(db);
  if (known) return known;
  const statements = {
    byKey: db.prepare(
      `SELECT task_id AS id, digest FROM warmline_door_tasks
       WHERE session = ? AND idempotency_key = ?`,
    ),
    unfinished: db
      .prepare(
        'SELECT count(*) FROM warmline_door_tasks WHERE session = ? AND finished_at_us IS NULL',
      )
      .pluck(),
    insertQuestion: db.prepare(PUT_MESSAGE),
    insert: db.prepare(
      `INSERT INTO warmline_door_tasks
       VALUES (:taskId, :session, :questionId, :conversationId, :lane, :priority, :nowUs, NULL,
               :key, :digest, :options)`,
    ),
    one: db.prepare(`${TASKS} WHERE t.task_id = ? AND t.session = ?`),
    unnoted: db.prepare(
      `${TASKS} WHERE t.session = ? AND t.finished_at_us IS NULL ORDER BY t.question_id`,
    ),
    note: db.prepare('UPDATE warmline_door_tasks SET finished_at_us = ? WHERE task_id = ?'),
  };
  prepared.set(db, statements);
  return statements;
}
