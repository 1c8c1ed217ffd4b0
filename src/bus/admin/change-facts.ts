/** What is known of the questions that the log of changes names, beside what it says itself. */
import type { SqliteBus } from '../sqlite/store.js';

export interface ChangeFacts {
  readonly questionId: number;
  /** Undefined once the question is gone. */
  readonly conversationId: string | undefined;
  /** Of a task of the HTTP door. */
  readonly taskId: string | undefined;
  /** Of its error answer, and the engine of its last attempt; undefined until it is finished. */
  readonly errorCode: string | undefined;
  readonly engine: string | undefined;
}

/** One question to the bus, however many ids. The tables of the door are there (`prepareDoor`). */
export function factsOfChanged(
  bus: Pick<SqliteBus, 'read'>,
  ids: readonly number[],
): Map<number, ChangeFacts> {
  if (ids.length === 0) return new Map();
  const rows = bus.read((db) =>
    db
      .prepare<[string], (string | number | null)[]>(
        `SELECT wanted.value, coalesce(d.conversation_id, m.conversation_id), t.task_id,
                d.error_code, d.engine
         FROM (SELECT DISTINCT value FROM json_each(?)) AS wanted
         LEFT JOIN warmline_done d ON d.question_id = wanted.value
         LEFT JOIN messages m ON m.id = wanted.value
         LEFT JOIN warmline_door_tasks t ON t.question_id = wanted.value`,
      )
      .raw()
      .all(JSON.stringify(ids)),
  );
  return new Map(rows.map((row) => [Number(row[0]), toFacts(row)]));
}

function toFacts([id, ...texts]: (string | number | null)[]): ChangeFacts {
  const [conversationId, taskId, errorCode, engine] = texts.map((text) =>
    text === null ? undefined : String(text),
  );
  return { questionId: Number(id), conversationId, taskId, errorCode, engine };
}
