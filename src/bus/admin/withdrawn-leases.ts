/** How a worker learns soon that a question it works on was cancelled by somebody else. */
import type { Database, Statement } from 'better-sqlite3';
import type { Lease } from '../bus.js';
import type { SqliteBus } from '../sqlite/store.js';

/**
 * How many questions of our side have been cancelled while they were worked on. Asked for after each
 * change of the bus, so it costs one look at one row.
 */
export function countWithdrawn(bus: Pick<SqliteBus, 'read' | 'session'>): number {
  const { session } = bus;
  return bus.read((db) => (counterOf(db).get(session) as number | undefined) ?? 0);
}

/** Of these leases, those that are no longer held: the tokens. */
export function lostLeases(
  bus: Pick<SqliteBus, 'read'>,
  leases: readonly Pick<Lease, 'lane' | 'token'>[],
): Set<string> {
  const wanted = JSON.stringify(leases.map(({ lane, token }) => [lane, token]));
  const lost = bus.read((db) =>
    db
      .prepare(
        `SELECT lease.value ->> 1 FROM json_each(?) AS lease
         LEFT JOIN warmline_lanes l ON l.lane_id = lease.value ->> 0
         WHERE l.lease_token IS NOT lease.value ->> 1`,
      )
      .pluck()
      .all(wanted),
  );
  return new Set(lost as string[]);
}

/** Prepared once for each connection. */
const prepared = new WeakMap<Database, Statement>();

function counterOf(db: Database): Statement {
  const known = prepared.get(db);
  if (known) return known;
  const statement = db
    .prepare(`SELECT value FROM warmline_counters WHERE session = ? AND name = 'withdrawn'`)
    .pluck();
  prepared.set(db, statement);
  return statement;
}
