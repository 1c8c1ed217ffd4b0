/** How questions ended over time, for charts. What it costs is bounded, however much is on the bus. */
import type { SqliteBus } from '../sqlite/store.js';
import { type Quantiles, quantiles } from './quantiles.js';

/** One step of a chart. */
export interface SeriesPoint {
  /** Its beginning, microseconds since the epoch. */
  readonly atUs: number;
  readonly complete: number;
  /** Ended with an error answer, or given up. */
  readonly failed: number;
  /** From when an answered question was seen until it was answered, in milliseconds. */
  readonly totalMs: Quantiles | undefined;
}

export interface Series {
  readonly stepUs: number;
  /** What ended before is not looked at: the chart begins here, or where the rows that are read end. */
  readonly knownFromUs: number;
  /** Oldest first, without a gap; the last one is still going on. */
  readonly points: readonly SeriesPoint[];
}

/** Some 20 milliseconds. */
const MAX_ROWS = 10_000;
/** Questions end about in the order of their ids: beyond so many that ended earlier, none is looked for. */
const OLDER_ROWS = 1_000;

type Row = readonly [endedAtUs: number, isAnswered: 0 | 1, totalUs: number];

/**
 * @param windowMs how far back, in milliseconds, cut into `steps` of the same length
 * @throws BusError
 */
export function seriesOf(
  bus: Pick<SqliteBus, 'read' | 'session'>,
  windowMs: number,
  steps: number,
  nowUs: number,
): Series {
  const stepUs = Math.ceil((windowMs * 1000) / steps);
  // Whole steps, so that a chart that is drawn again moves by one and does not shimmer.
  const firstUs = (Math.floor(nowUs / stepUs) - steps + 1) * stepUs;
  const { rows, isCut } = endsSince(bus, firstUs);
  const byStep = Array.from({ length: steps }, () => ({ failed: 0, timesMs: [] as number[] }));
  for (const [endedAtUs, isAnswered, totalUs] of rows) {
    const step = byStep[Math.min(steps - 1, Math.floor((endedAtUs - firstUs) / stepUs))];
    if (isAnswered === 1) step?.timesMs.push(totalUs / 1000);
    else if (step !== undefined) step.failed += 1;
  }
  const oldestUs = rows.reduce((oldest, [atUs]) => Math.min(oldest, atUs), nowUs);
  return {
    stepUs,
    knownFromUs: isCut ? oldestUs : firstUs,
    points: byStep.map(({ failed, timesMs }, index) => ({
      atUs: firstUs + index * stepUs,
      complete: timesMs.length,
      failed,
      totalMs: quantiles(timesMs),
    })),
  };
}

function endsSince(bus: Pick<SqliteBus, 'read' | 'session'>, sinceUs: number) {
  return bus.read((db) => {
    const found = db
      .prepare<[string, number], Row>(
        `SELECT completed_at_us, outcome = 'complete', completed_at_us - seen_at_us
         FROM warmline_done WHERE session = ? AND outcome IN ('complete', 'failed', 'dead')
         ORDER BY question_id DESC LIMIT ?`,
      )
      .raw()
      .iterate(bus.session, MAX_ROWS) as IterableIterator<Row>;
    const rows: Row[] = [];
    let seen = 0;
    let older = 0;
    for (const row of found) {
      seen += 1;
      if (row[0] >= sinceUs) rows.push(row);
      else older += 1;
      if (older >= OLDER_ROWS) break;
    }
    return { rows, isCut: seen === MAX_ROWS };
  });
}
