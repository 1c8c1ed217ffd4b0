import {
  DAILY_DAYS,
  DAY_US,
  type DailyFigures,
  dayOf,
  daysWithout,
  listDaily,
  rollUp,
  type SqliteBus,
  suggestedTimeoutMs,
} from '../../../src/bus/index.js';
import { systemClock } from '../../../src/clock.js';
import { withBus } from '../bus-file.js';
import { EXIT, UsageError } from '../failure.js';
import type { Words } from '../options.js';
import { printJson, printText } from '../output.js';
import { rowsOf } from '../report.js';

interface MetricsWords {
  readonly day?: string;
  readonly days?: number;
  readonly json?: boolean;
}

const DEFAULT_DAYS = 7;

export async function metrics(words: Words): Promise<number> {
  const { json, ...given } = words as MetricsWords;
  const nowUs = systemClock.wallUs();
  const period = periodOf(given, nowUs);
  return withBus(words, async (bus) => {
    await bringUpToDate(bus, period, nowUs);
    const figures = listDaily(bus, period);
    if (json === true) printJson({ ...period, figures: figures.map(toWire) });
    else if (figures.length === 0) printText(`no turn ended ${inWords(period)}`);
    else printText(rowsOf(figures.map(toWire)));
    return EXIT.ok;
  });
}

interface Period {
  /** Days of UTC, both included. */
  readonly first: string;
  readonly last: string;
}

/** @throws UsageError */
function periodOf({ day, days }: MetricsWords, nowUs: number): Period {
  if (day !== undefined && days !== undefined) {
    throw new UsageError('--day and --days name a time each; give one of them');
  }
  if (day !== undefined) {
    if (!isDay(day)) throw new UsageError(`"${day}" is no day; write it like 2026-11-20`);
    return { first: day, last: day };
  }
  const last = dayOf(nowUs);
  return { first: dayOf(nowUs - ((days ?? DEFAULT_DAYS) - 1) * DAY_US), last };
}

/** A date as it is written on a calendar: no 30th of February. */
function isDay(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return false;
  const ms = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(ms) && dayOf(ms * 1000) === text;
}

/** What a running autopoll does every hour: nobody needs to wait for it to see the last turn. */
async function bringUpToDate(bus: SqliteBus, { first, last }: Period, nowUs: number) {
  const [yesterday, today] = [dayOf(nowUs - DAY_US), dayOf(nowUs)];
  const stale = new Set([...daysWithout(bus, yesterday, DAILY_DAYS), yesterday, today]);
  const days = [...stale].filter((day) => day >= first && day <= last);
  await rollUp(bus, days, new AbortController().signal);
}

function toWire(figures: DailyFigures) {
  const { p99Ms } = figures;
  return {
    day: figures.day,
    conversation_id: figures.conversationId,
    engine: figures.engine,
    samples: figures.samples,
    complete: figures.complete,
    failed: figures.failed,
    p50_ms: figures.p50Ms,
    p95_ms: figures.p95Ms,
    p99_ms: p99Ms,
    max_ms: figures.maxMs,
    mean_ms: figures.meanMs,
    suggested_timeout_ms: p99Ms === null ? null : suggestedTimeoutMs(p99Ms),
    input_tokens: figures.inputTokens,
    output_tokens: figures.outputTokens,
  };
}

function inWords({ first, last }: Period): string {
  return first === last ? `on ${first}` : `from ${first} to ${last}`;
}
