/**
 * What a long history costs: a bus with many finished questions beside an empty one. Prints for each
 * how long it takes to open it, to claim and answer a question, to count, to keep the figures of
 * its days, and how long the event loop stood still meanwhile.
 *
 *     npm run -s build && node dist/bench/finished.js [finished questions, a million when absent]
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import Database from 'better-sqlite3';
import {
  DAILY_DAYS,
  DAY_US,
  dayOf,
  daysWithout,
  type Latency,
  latencySelect,
  naiveUtc,
  openSqliteBus,
  readTimeouts,
  recommend,
  rollUp,
  type SqliteBus,
} from '../src/bus/index.js';
import { systemClock } from '../src/clock.js';
import { makeBus } from './bus-file.js';

const CONVERSATIONS = 200;
const QUESTIONS = 4_000;
/** The history reaches back so far. */
const DAYS = 14;

const finished = Number(process.argv[2] ?? 1_000_000);
const dir = mkdtempSync(join(tmpdir(), 'warmline-finished-'));
try {
  for (const count of [0, finished]) {
    const file = join(dir, `${count}.db`);
    await makeBus(file, { questions: QUESTIONS, conversations: CONVERSATIONS, oldRows: count });
    addHistory(file, count);
    console.log(JSON.stringify({ finished: count, ...(await measure(file)) }));
  }
} finally {
  rmSync(dir, { recursive: true });
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

async function measure(file: string) {
  const opening = performance.now();
  const bus = openSqliteBus({ file });
  const openMs = since(opening);
  const answerUs = await answerAll(bus);
  const counting = performance.now();
  bus.stats();
  const statsMs = since(counting);
  const figures = await keepFigures(bus);
  const listing = performance.now();
  const nowUs = systemClock.wallUs();
  const { sql, values } = latencySelect(bus.session, nowUs - 7 * DAY_US, nowUs);
  bus.read((db) => {
    const latencies = db.prepare(sql).all(values) as Latency[];
    return recommend(latencies, readTimeouts(db, 'b'), 300_000);
  });
  const timeoutsMs = since(listing);
  const fileMb = Math.round(statSync(file).size / 1e6);
  await bus.close();
  return { fileMb, openMs, answerUs, statsMs, ...figures, timeoutsMs };
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
  const filling = performance.now();
  const rows = await rollUp(
    bus,
    [...daysWithout(bus, recent[0] as string, DAILY_DAYS), ...recent],
    signal,
  );
  const fillMs = since(filling);
  const again = performance.now();
  await rollUp(bus, recent, signal);
  const hourlyMs = since(again);
  stalls.disable();
  const longestStallMs = Math.round(stalls.max / 1e5) / 10;
  return { rows, fillMs, hourlyMs, longestStallMs };
}

function since(startMs: number): number {
  return Math.round((performance.now() - startMs) * 10) / 10;
}
