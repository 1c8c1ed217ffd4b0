/** The figures of the bus, read without a lock. */
import type { BusStats, Side } from '../bus.js';
import { countsFrom } from '../counts.js';
import { ageOfFirstMs } from './sql-time.js';
import type { Statements } from './statements.js';

/** @param fresh unread rows that no claim has taken in yet, and the Julian day of the first */
export function readStats(
  sql: Statements,
  session: Side,
  fresh: { rows: number; day: number | null },
  nowUs: number,
): BusStats {
  const lanes = sql.laneCounts.all({ session, nowUs });
  const inState = (state: string) => lanes.find((lane) => lane.state === state);
  const leased = inState('leased')?.lanes ?? 0;
  const unfinished = lanes.reduce((total, lane) => total + lane.unfinished, 0);
  const counters = new Map(
    sql.counters.all({ session }).map(({ name, value }) => [name, value] as const),
  );
  return {
    pending: unfinished - leased + fresh.rows,
    leased,
    delayed: inState('ready')?.delayed ?? 0,
    waiting: inState('waiting')?.unfinished ?? 0,
    expired: inState('expired')?.unfinished ?? 0,
    ...countsFrom((name) => counters.get(name)),
    oldestPendingMs: ageOfFirstMs([sql.oldest.get({ session })?.day, fresh.day], nowUs),
  };
}
