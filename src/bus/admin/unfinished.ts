/** Which questions still wait for an answer. */
import type { SqliteBus } from '../sqlite/store.js';

/** Of these questions, the unfinished ones, each with when it was first seen (see `Lease`). */
export function seenUnfinished(
  bus: Pick<SqliteBus, 'read'>,
  questionIds: readonly number[],
): Map<number, number> {
  const rows = bus.read((db) =>
    db
      .prepare<[string], [number, number]>(
        `SELECT question_id, seen_at_us FROM warmline_work
         WHERE question_id IN (SELECT value FROM json_each(?))`,
      )
      .raw()
      .all(JSON.stringify(questionIds)),
  );
  return new Map(rows);
}
