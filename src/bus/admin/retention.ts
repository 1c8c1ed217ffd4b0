/** Forgets what is old, a little at a time: nobody waits for the lock while it does. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { SqliteBus } from '../sqlite/store.js';
import { DAY_US, dayOf } from './daily.js';

/** How long the figures of a day are kept: a year can be compared with the one before. */
export const DAILY_DAYS = 400;

/** Rows deleted in one transaction, and the time others have the lock to themselves after it. */
const ROWS_TOGETHER = 200;
const PAUSE_MS = 20;

interface Forgotten {
  readonly questions: number;
  readonly figures: number;
}

/**
 * Deletes finished questions, with their attempts, whose answer is older than so many days, and
 * figures of days long past. The messages themselves belong to other programs and stay. What
 * something unfinished depends on stays as well, and so does what is being asked again.
 */
export async function forgetOld(
  bus: Pick<SqliteBus, 'session' | 'read' | 'write'>,
  nowUs: number,
  retentionDays: number,
  signal: AbortSignal,
): Promise<Forgotten> {
  const questions = await forgetQuestions(bus, nowUs - retentionDays * DAY_US, signal);
  const figures = await forgetFigures(bus, dayOf(nowUs - DAILY_DAYS * DAY_US), signal);
  return { questions, figures };
}

const OLD = `
  SELECT question_id FROM warmline_done d
  WHERE completed_at_us < :untilUs AND session = :session
    AND NOT EXISTS (SELECT 1 FROM warmline_depends WHERE parent_id = d.question_id)
    AND NOT EXISTS (SELECT 1 FROM warmline_redrives r
                    JOIN warmline_work w ON w.question_id = r.again_id
                    WHERE r.question_id = d.question_id)`;

async function forgetQuestions(
  bus: Pick<SqliteBus, 'session' | 'read' | 'write'>,
  untilUs: number,
  signal: AbortSignal,
): Promise<number> {
  const { session } = bus;
  let after = 0;
  let forgotten = 0;
  for (;;) {
    signal.throwIfAborted();
    // In the order of their ids, which is that of their arrival: the first that came later ends it.
    const page = bus.read(
      (db) =>
        db
          .prepare(
            `SELECT question_id, seen_at_us FROM warmline_done
             WHERE question_id > ? ORDER BY question_id LIMIT ${ROWS_TOGETHER}`,
          )
          .raw()
          .all(after) as [id: number, seenAtUs: number][],
    );
    const until = page.at(-1);
    if (until === undefined) return forgotten;
    const [upTo, seenAtUs] = until;
    forgotten += await forgetBetween(bus, { session, untilUs, after, upTo });
    if (seenAtUs >= untilUs) return forgotten;
    after = upTo;
    await sleep(PAUSE_MS, undefined, { signal });
  }
}

async function forgetBetween(
  bus: Pick<SqliteBus, 'read' | 'write'>,
  range: { session: string; untilUs: number; after: number; upTo: number },
): Promise<number> {
  const old = `${OLD} AND question_id > :after AND question_id <= :upTo`;
  const isAny = bus.read((db) => db.prepare(`${old} LIMIT 1`).get(range) !== undefined);
  if (!isAny) return 0;
  return bus.write((db) => {
    const ids = JSON.stringify(db.prepare(old).pluck().all(range));
    const among = 'question_id IN (SELECT value FROM json_each(?))';
    db.prepare(`DELETE FROM warmline_attempts WHERE ${among}`).run(ids);
    db.prepare(`DELETE FROM warmline_redrives WHERE ${among}`).run(ids);
    return db.prepare(`DELETE FROM warmline_done WHERE ${among}`).run(ids).changes;
  });
}

async function forgetFigures(
  bus: Pick<SqliteBus, 'session' | 'read' | 'write'>,
  before: string,
  signal: AbortSignal,
): Promise<number> {
  const { session } = bus;
  const old = `FROM warmline_daily WHERE day < ? AND session = ? LIMIT ${ROWS_TOGETHER}`;
  let forgotten = 0;
  for (;;) {
    signal.throwIfAborted();
    const isAny = bus.read((db) => db.prepare(`SELECT 1 ${old}`).get(before, session));
    if (isAny === undefined) return forgotten;
    forgotten += await bus.write(
      (db) =>
        db
          .prepare(
            `DELETE FROM warmline_daily WHERE (day, session, conversation_id, engine) IN
               (SELECT day, session, conversation_id, engine ${old})`,
          )
          .run(before, session).changes,
    );
    await sleep(PAUSE_MS, undefined, { signal });
  }
}
