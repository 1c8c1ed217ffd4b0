/**
 * What a long history costs: a bus with many finished questions against one with none. How long it
 * takes to open it, to claim and answer a question, to count, to keep the figures of its days, and how
 * long the event loop stood still meanwhile.
 */
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import Database from 'better-sqlite3';
import {
  DAILY_DAYS,
  DAY_US,
  dayOf,
  daysWithout,
  inspectBus,
  naiveUtc,
  openSqliteBus,
  rollUp,
  type SqliteBus,
} from '../src/bus/index.js';
import { systemClock } from '../src/clock.js';
import { makeBus } from './bus-file.js';
import type { Figure } from './figures.js';

const CONVERSATIONS = 200;
const QUESTIONS = 4_000;
/** The history reaches back so far. */
const DAYS = 14;

export async function finished(dir: string, count: number): Promise<Figure[]> {
  const young = await measured(dir, 0);
  const old = await measured(dir, count);
  const figure = (name: string, key: keyof Measured, unit: string, most: number | 'ratio') => {
    const ratio = old[key] / young[key];
    return {
      name: `${name}, ${count.toLocaleString('en-US')} finished`,
      value: `${old[key].toLocaleString('en-US')} ${unit}`,
      baseline: `none: ${young[key].toLocaleString('en-US')} ${unit}`,
      ratio,
      target: most === 'ratio' ? '<= 1.2' : `<= ${most.toLocaleString('en-US')} ${unit}`,
      reached: most === 'ratio' ? ratio <= 1.2 : old[key] <= most,
    };
  };
  return [
    figure('opening to the first lease', 'startMs', 'ms', 5000),
    figure('claim and answer', 'answerUs', 'us', 'ratio'),
    figure('rows of unfinished work', 'workRows', 'rows', QUESTIONS),
    figure('stats', 'statsMs', 'ms', 50),
    figure('figures, the hourly pass', 'hourlyMs', 'ms', 5000),
    figure('longest stall beside it', 'longestStallMs', 'ms', 200),
  ];
}

async function measured(dir: string, count: number): Promise<Measured> {
  const file = join(dir, `finished-${count}.db`);
  await makeBus(file, { questions: QUESTIONS, conversations: CONVERSATIONS, oldRows: count });
  addHistory(file, count);
  return measure(file);
}

interface Measured {
  readonly startMs: number;
  readonly workRows: number;
  readonly answerUs: number;
  readonly statsMs: number;
  readonly hourlyMs: number;
  readonly longestStallMs: number;
}

/** Finished questions as an autopoll leaves them, spread over the days and three engines. */
function addHistory(file: string, count: number): void {
  const db = new Database(file);
  db.pragma('synchronous = OFF');
  // Those of the bench's own have no day of these.
  db.exec('DELETE FROM warmline_done');
  const done = db.prepare(
    `INSERT INTO warmline_done VALUES (?, 'b', ?, ?, NULL, 1, ?, ?, ?, ?, ?, ?, NULL, 100, 200)`,
  );
  const nowUs = systemClock.wallUs();
  const stepUs = Math.floor((DAYS * DAY_US) / Math.max(1, count));
  const ids = db.prepare('SELECT id FROM conversations').pluck().all() as string[];
  db.transaction(() => {
    for (let number = 0; number < count; number += 1) {
      const seen = nowUs - (count - number) * stepUs;
      const turn = 1000 * (50 + ((number * 7919) % 9973));
      const isDead = number % 100 === 0;
      done.run(
        number + 1,
        ids[number % ids.length],
        isDead ? 'dead' : 'complete',
        isDead ? 'timeout' : null,
        seen,
        seen,
        seen + turn,
        ['claude', 'extract', 'openai'][number % 3],
        seen,
      );
    }
    db.prepare(`INSERT OR REPLACE INTO warmline_cursor VALUES ('b', ?)`).run(count);
  })();
  db.pragma('wal_checkpoint(TRUNCATE)');
  db.close();
}

async function measure(file: string): Promise<Measured> {
  const opening = performance.now();
  const bus = openSqliteBus({ file });
  await bus.reap();
  const [first] = await bus.claim({ limit: 1, leaseMs: 60_000 });
  const startMs = since(opening);
  if (!first) throw new Error('nothing could be claimed');
  const count = 'SELECT count(*) FROM warmline_work';
  const workRows = Number(bus.read((db) => db.prepare(count).pluck().get()));
  await bus.release(first);
  const answerUs = await answerAll(bus);
  const counting = performance.now();
  inspectBus(file, 'b');
  const statsMs = since(counting);
  const figures = await keepFigures(bus);
  await bus.close();
  return { startMs, workRows, answerUs, statsMs, ...figures };
}

/** @returns microseconds for claiming and answering one question, in batches of 64 */
async function answerAll(bus: SqliteBus): Promise<number> {
  const started = performance.now();
  let answered = 0;
  for (;;) {
    const leases = await bus.claim({ limit: 64, leaseMs: 60_000 });
    if (leases.length === 0) break;
    const startedAtUs = systemClock.wallUs();
    await Promise.all(
      leases.map((lease) =>
        bus.complete(lease, {
          answer: `answered at ${naiveUtc(startedAtUs)}`,
          sources: [],
          shardId: 'bench',
          llmType: 'fake',
          responseTimeSec: 0.001,
          turn: { engine: 'fake', startedAtUs },
        }),
      ),
    );
    answered += leases.length;
  }
  return Math.round(((performance.now() - started) * 1000) / answered);
}

async function keepFigures(bus: SqliteBus) {
  const { signal } = new AbortController();
  const nowUs = systemClock.wallUs();
  const recent = [dayOf(nowUs - DAY_US), dayOf(nowUs)];
  const stalls = monitorEventLoopDelay({ resolution: 1 });
  stalls.enable();
  await rollUp(bus, [...daysWithout(bus, recent[0] as string, DAILY_DAYS), ...recent], signal);
  const again = performance.now();
  await rollUp(bus, recent, signal);
  const hourlyMs = since(again);
  stalls.disable();
  const longestStallMs = Math.round(stalls.max / 1e5) / 10;
  return { hourlyMs, longestStallMs };
}

function since(startMs: number): number {
  return Math.round((performance.now() - startMs) * 10) / 10;
}
