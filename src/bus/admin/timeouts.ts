/** How long turns may take, by conversation and engine: what people set and what was learned. */
import type { Database } from 'better-sqlite3';
import type { SqliteBus } from '../sqlite/store.js';

export interface Timeout {
  /** Empty: every conversation. */
  readonly conversationId: string;
  /** The engine that answers; empty: every engine. */
  readonly engine: string;
  readonly timeoutMs: number;
  /** By whom: a person, or the figures of the last days. */
  readonly source: 'set' | 'adaptive';
}

/** The time-outs of one side of a bus, as a question finds its own. */
export class TimeoutTable {
  readonly #rows: ReadonlyMap<string, Timeout>;

  constructor(rows: readonly Timeout[]) {
    this.#rows = new Map(rows.map((row) => [keyOf(row.conversationId, row.engine), row]));
  }

  get isEmpty(): boolean {
    return this.#rows.size === 0;
  }

  get rows(): Timeout[] {
    return [...this.#rows.values()];
  }

  at(conversationId: string, engine: string): Timeout | undefined {
    return this.#rows.get(keyOf(conversationId, engine));
  }

  /**
   * The one that holds: what a person set before what was learned, of the conversation before those
   * of all, of the engine before those of every engine.
   * @param engines names of the engine, the one that counts first
   */
  find(conversationId: string, engines: readonly string[]): Timeout | undefined {
    const rows = [conversationId, ''].flatMap((conversation) =>
      [...engines, ''].flatMap((engine) => this.at(conversation, engine) ?? []),
    );
    return rows.find(({ source }) => source === 'set') ?? rows[0];
  }
}

function keyOf(conversationId: string, engine: string): string {
  return `${conversationId}\n${engine}`;
}

export function readTimeouts(db: Database, session: string): TimeoutTable {
  const rows = db
    .prepare(
      `SELECT conversation_id AS conversationId, engine, timeout_ms AS timeoutMs, source
       FROM warmline_timeouts WHERE session = ?`,
    )
    .all(session);
  return new TimeoutTable(rows as Timeout[]);
}

/** The engine that answered last on this bus, if that is known. */
export function lastEngine(db: Database, session: string): string | undefined {
  return db
    .prepare(
      `SELECT engine FROM (SELECT engine, session FROM warmline_done
                           ORDER BY question_id DESC LIMIT 100)
       WHERE session = ? AND engine IS NOT NULL LIMIT 1`,
    )
    .pluck()
    .get(session) as string | undefined;
}

export interface TimeoutChange {
  readonly conversationId: string;
  readonly engine: string;
  /** Undefined takes the time-out away, so that the next wider one holds. */
  readonly timeoutMs: number | undefined;
}

/**
 * Changes time-outs, all of them or none. What a person set is changed by a person alone.
 * @returns how many rows are not what they were
 */
export function changeTimeouts(
  bus: Pick<SqliteBus, 'session' | 'write'>,
  changes: readonly TimeoutChange[],
  source: Timeout['source'],
): Promise<number> {
  if (changes.length === 0) return Promise.resolve(0);
  return bus.write((db, nowUs) => {
    const put = db.prepare(
      `INSERT INTO warmline_timeouts VALUES (:session, :conversationId, :engine, :timeoutMs, :source, :nowUs)
       ON CONFLICT DO UPDATE
         SET timeout_ms = excluded.timeout_ms, source = excluded.source, set_at_us = excluded.set_at_us
         WHERE excluded.source = 'set' OR source = 'adaptive'`,
    );
    const drop = db.prepare(
      `DELETE FROM warmline_timeouts
       WHERE session = :session AND conversation_id = :conversationId AND engine = :engine
         AND (:source = 'set' OR source = 'adaptive')`,
    );
    let changed = 0;
    for (const { conversationId, engine, timeoutMs } of changes) {
      const row = { session: bus.session, conversationId, engine, source };
      const { changes: rows } =
        timeoutMs === undefined ? drop.run(row) : put.run({ ...row, timeoutMs, nowUs });
      changed += rows;
    }
    return changed;
  });
}
