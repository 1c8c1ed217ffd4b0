/** How far each web hook of the HTTP door has been told: the number of a change in the log. */
import type { SqliteBus } from '../sqlite/store.js';

const TABLE = `
  CREATE TABLE IF NOT EXISTS warmline_door_hooks (
    hook TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    at_us INTEGER NOT NULL
  ) WITHOUT ROWID`;

/** Hooks that are remembered; one that is configured no more may come back. */
const MAX_HOOKS = 100;

/** @param hook stands for its address, which may hold a secret */
export function readHookCursor(bus: Pick<SqliteBus, 'read'>, hook: string): number | undefined {
  return bus.read((db) => {
    const isThere = db
      .prepare(`SELECT 1 FROM sqlite_master WHERE name = 'warmline_door_hooks'`)
      .get();
    if (isThere === undefined) return undefined;
    const sql = 'SELECT seq FROM warmline_door_hooks WHERE hook = ?';
    return db.prepare(sql).pluck().get(hook) as number | undefined;
  });
}

export function saveHookCursor(
  bus: Pick<SqliteBus, 'write'>,
  hook: string,
  seq: number,
): Promise<void> {
  return bus.write((db, nowUs) => {
    db.exec(TABLE);
    db.prepare('INSERT OR REPLACE INTO warmline_door_hooks VALUES (?, ?, ?)').run(hook, seq, nowUs);
    db.prepare(
      `DELETE FROM warmline_door_hooks WHERE hook NOT IN
         (SELECT hook FROM warmline_door_hooks ORDER BY at_us DESC LIMIT ?)`,
    ).run(MAX_HOOKS);
  });
}
