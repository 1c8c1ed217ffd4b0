/**
 * The figures of each day, by conversation and engine. Days are those of UTC, and a turn belongs to
 * the day it ended on. What is found is computed from the attempts that are kept, so it may be
 * computed again at any time; what was found stays when they have been forgotten.
 */
import type { SqliteBus } from '../sqlite/store.js';
import { type Select, selectAside } from './aside.js';
import { finishedTurns, latency } from './latency.js';
import type { Latency } from './recommend.js';

export const DAY_US = 86_400_000_000;

/** Turns of a question that was seen longer before they ended are missing in the figures. */
const LONGEST_WAIT_US = 2 * DAY_US;
/** A clock that was set back by no more than this loses no turn. */
const CLOCK_LEEWAY_US = 3_600_000_000;

type AdminBus = Pick<SqliteBus, 'file' | 'session' | 'read' | 'write'>;

/** The figures of a day, of one conversation with one engine. */
export interface DailyFigures extends Omit<Latency, 'timed'> {
  readonly day: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** `2026-11-20` for microseconds since the epoch. */
export function dayOf(us: number): string {
  return new Date(us / 1000).toISOString().slice(0, 10);
}

export function startOfDayUs(day: string): number {
  return Date.parse(`${day}T00:00:00Z`) * 1000;
}

/** The days from the first to the last, both included. */
export function daysBetween(first: string, last: string): string[] {
  const count = Math.round((startOfDayUs(last) - startOfDayUs(first)) / DAY_US) + 1;
  return Array.from({ length: Math.max(0, count) }, (_, index) =>
    dayOf(startOfDayUs(first) + index * DAY_US),
  );
}

const COLUMNS = `
  conversation_id AS conversationId, engine, samples, complete, failed, p50_ms AS p50Ms,
  p95_ms AS p95Ms, p99_ms AS p99Ms, max_ms AS maxMs, mean_ms AS meanMs,
  input_tokens AS inputTokens, output_tokens AS outputTokens`;

/**
 * Questions are seen in the order of their ids, so the first one since a time is found by halving,
 * without an index that every answer would pay for.
 */
const firstSeenSince = (us: string) => `
  (WITH RECURSIVE halves(low, high) AS (
     SELECT 0, (SELECT coalesce(max(question_id), 0) + 1 FROM warmline_done)
     UNION ALL
     SELECT CASE WHEN found.seen_at_us < ${us} THEN found.question_id + 1 ELSE low END,
            CASE WHEN found.seen_at_us < ${us} THEN high ELSE (low + high) / 2 END
     FROM halves LEFT JOIN warmline_done found ON found.question_id =
       (SELECT question_id FROM warmline_done
        WHERE question_id >= (low + high) / 2 AND session = :session ORDER BY question_id LIMIT 1)
     WHERE low < high)
   SELECT low FROM halves WHERE low >= high)`;

/** The ids among which are all questions whose turns may have ended between two times. */
export const LOW_ID = firstSeenSince(`:fromUs - ${LONGEST_WAIT_US}`);
/** Between finished questions, and beyond the last, there may be attempts at others. */
export const HIGH_ID = `
  coalesce((SELECT question_id FROM warmline_done
            WHERE question_id >= ${firstSeenSince(`:untilUs + ${CLOCK_LEEWAY_US}`)}
              AND session = :session ORDER BY question_id LIMIT 1), 9223372036854775807)`;

/** The turns that ended between two times. Runs for as long as it takes to read and sort them. */
export function latencySelect(session: string, fromUs: number, untilUs: number): Select {
  const among = `AND session = :session AND question_id BETWEEN ${LOW_ID} AND ${HIGH_ID}`;
  const turns = finishedTurns('BETWEEN :fromUs AND :untilUs', among);
  return {
    sql: `SELECT ${COLUMNS}, timed FROM (${latency(turns)}) ORDER BY conversation_id, engine`,
    values: { session, fromUs, untilUs: untilUs - 1 },
  };
}

/** Days with finished questions and without figures, before the given one; oldest first. */
export function daysWithout(bus: AdminBus, before: string, keepDays: number): string[] {
  const { session } = bus;
  return bus.read((db) => {
    const oldestUs = db
      .prepare('SELECT seen_at_us FROM warmline_done ORDER BY question_id LIMIT 1')
      .pluck()
      .get() as number | undefined;
    if (oldestUs === undefined) return [];
    const known = db.prepare('SELECT 1 FROM warmline_daily WHERE day = ? AND session = ? LIMIT 1');
    const earliestUs = Math.max(oldestUs, startOfDayUs(before) - keepDays * DAY_US);
    const days = daysBetween(dayOf(earliestUs), before).slice(0, -1);
    return days.filter((day) => known.get(day, session) === undefined);
  });
}

/** Days read by one process: it holds their figures in memory. */
const DAYS_TOGETHER = 10;

/**
 * Computes the figures of these days and writes what is new in them, in short transactions.
 * @returns how many rows were not what they were
 * @throws Error when the bus cannot be read, or `signal` was aborted
 */
export async function rollUp(
  bus: AdminBus,
  days: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  let changed = 0;
  for (let from = 0; from < days.length; from += DAYS_TOGETHER) {
    const some = days.slice(from, from + DAYS_TOGETHER);
    const selects = some.map((day) =>
      latencySelect(bus.session, startOfDayUs(day), startOfDayUs(day) + DAY_US),
    );
    const found = await selectAside<Omit<DailyFigures, 'day'>>(bus.file, selects, signal);
    for (const [index, day] of some.entries()) {
      changed += await replaceDay(bus, day, found[index] ?? [], signal);
    }
  }
  return changed;
}

/** Rows written in one transaction: others wait for the lock. */
const ROWS_TOGETHER = 200;

async function replaceDay(
  bus: AdminBus,
  day: string,
  rows: readonly Omit<DailyFigures, 'day'>[],
  signal: AbortSignal,
): Promise<number> {
  const before = new Map(listDaily(bus, { first: day, last: day }).map((row) => [keyOf(row), row]));
  const now = new Set(rows.map(keyOf));
  const gone = [...before.values()].filter((row) => !now.has(keyOf(row)));
  const fresh = rows.filter((row) => !isSame(row, before.get(keyOf(row))));
  for (const { conversationId, engine } of gone) {
    await bus.write((db) =>
      db
        .prepare(
          `DELETE FROM warmline_daily
           WHERE day = ? AND session = ? AND conversation_id = ? AND engine = ?`,
        )
        .run(day, bus.session, conversationId, engine),
    );
  }
  for (let from = 0; from < fresh.length; from += ROWS_TOGETHER) {
    signal.throwIfAborted();
    await bus.write((db, nowUs) => {
      const put = db.prepare(
        `INSERT OR REPLACE INTO warmline_daily
           (day, session, conversation_id, engine, samples, complete, failed, p50_ms, p95_ms,
            p99_ms, max_ms, mean_ms, input_tokens, output_tokens, rolled_up_at_us)
         VALUES (:day, :session, :conversationId, :engine, :samples, :complete, :failed, :p50Ms,
                 :p95Ms, :p99Ms, :maxMs, :meanMs, :inputTokens, :outputTokens, :nowUs)`,
      );
      for (const row of fresh.slice(from, from + ROWS_TOGETHER)) {
        put.run({ ...row, day, session: bus.session, nowUs });
      }
    });
  }
  return fresh.length + gone.length;
}

function keyOf({ conversationId, engine }: Omit<DailyFigures, 'day'>): string {
  return `${conversationId}\n${engine}`;
}

function isSame(row: Omit<DailyFigures, 'day'>, before: DailyFigures | undefined): boolean {
  if (before === undefined) return false;
  const figures = Object.keys(before) as (keyof typeof row)[];
  return figures.every((name) => (name as string) === 'day' || row[name] === before[name]);
}

/** The figures there are, oldest day first. */
export function listDaily(
  bus: AdminBus,
  { first, last }: { readonly first: string; readonly last: string },
): DailyFigures[] {
  return bus.read(
    (db) =>
      db
        .prepare(
          `SELECT day, ${COLUMNS} FROM warmline_daily
           WHERE day BETWEEN ? AND ? AND session = ? ORDER BY day, conversation_id, engine`,
        )
        .all(first, last, bus.session) as DailyFigures[],
  );
}
