/** Many messages watched at once: what it costs the watcher, and what it costs those who are watched. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import ndjson from 'ndjson';
import { MessageMonitor } from '../clients/monitor/index.js';
import { systemClock } from '../src/clock.js';
import { makeBus } from './bus-file.js';
import { type Figure, median, perSecond, quantile } from './figures.js';

const MESSAGES = 5000;
const CONVERSATIONS = 1000;
/** Of each message: taken up, given back, taken up, answered. */
const CHANGES = 4 * MESSAGES;

interface Watched {
  /** From the stamp of a change, before its commit, until it was told, in milliseconds. */
  readonly waits: readonly number[];
  /** Between two changes of one message, in milliseconds. */
  readonly gaps: readonly number[];
  readonly idleShare: number;
  readonly rate: number;
}

export async function monitor(dir: string, rounds: number, idleMs: number): Promise<Figure[]> {
  const file = join(dir, 'monitor.db');
  const backlog = { questions: MESSAGES, conversations: CONVERSATIONS, oldRows: 0 };
  const alone: number[] = [];
  const beside: Watched[] = [];
  for (let round = 0; round < rounds; round += 1) {
    await makeBus(file, backlog);
    alone.push(await change(file));
    await makeBus(file, backlog);
    beside.push(await watched(file, idleMs));
  }
  return figures(alone, beside);
}

/** @returns changes a second */
async function change(file: string): Promise<number> {
  const program = fileURLToPath(new URL('changer.js', import.meta.url));
  const child = spawn(process.execPath, [program, file], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [{ rate }] = await once(child.stdout.pipe(ndjson.parse()), 'data');
  return rate;
}

async function watched(file: string, idleMs: number): Promise<Watched> {
  const db = new Database(file, { readonly: true });
  const ids = db.prepare('SELECT id FROM messages').pluck().all() as number[];
  db.close();
  const watcher = new MessageMonitor({ db: file });
  const waits: number[] = [];
  const gaps: number[] = [];
  const lastUs = new Map<number, number>();
  watcher.on('statusChange', ({ messageId, atUs }) => {
    if (atUs === undefined) return;
    waits.push((systemClock.wallUs() - atUs) / 1000);
    const before = lastUs.get(messageId);
    if (before !== undefined) gaps.push((atUs - before) / 1000);
    lastUs.set(messageId, atUs);
  });
  try {
    for (const id of ids) watcher.add(id, { timeoutMs: 3_600_000 });
    while (watcher.get(ids.at(-1) ?? 0) === undefined) await sleep(10);
    const idleShare = await shareOfCore(idleMs);
    const rate = await change(file);
    while (watcher.active.length > 0) await sleep(10);
    if (waits.length !== CHANGES) throw new Error(`${waits.length} of ${CHANGES} changes told`);
    return { waits, gaps, idleShare, rate };
  } finally {
    await watcher.close();
  }
}

/**
 * Of a second, the median. The collector tidies up once, eight seconds after the work before: some
 * 90 ms that say nothing of what watching costs.
 */
async function shareOfCore(forMs: number): Promise<number> {
  const shares: number[] = [];
  for (let spentMs = 0; spentMs < forMs; spentMs += 1000) {
    const before = process.cpuUsage();
    await sleep(1000);
    const { user, system } = process.cpuUsage(before);
    shares.push((user + system) / 1_000_000);
  }
  return median(shares);
}

function figures(alone: readonly number[], beside: readonly Watched[]): Figure[] {
  const idle = median(beside.map(({ idleShare }) => idleShare));
  const waits = beside.flatMap((each) => each.waits);
  const gaps = beside.flatMap((each) => each.gaps);
  const ratio = median(beside.map(({ rate }, round) => rate / (alone[round] ?? Number.NaN)));
  const rate = median(beside.map((each) => each.rate));
  return [
    {
      name: `idle share of a core, ${MESSAGES.toLocaleString('en-US')} messages watched`,
      value: `${(idle * 100).toFixed(2)} %`,
      baseline: '',
      ratio: undefined,
      target: '< 0.5 %',
      reached: idle < 0.005,
    },
    {
      name: `changes a second while all ${CHANGES.toLocaleString('en-US')} are told`,
      value: perSecond(rate),
      baseline: `unwatched ${perSecond(median(alone))}`,
      ratio,
      target: '>= 0.9',
      reached: ratio >= 0.9,
    },
    {
      name: 'change to telling, p50 and p99',
      value: `${quantile(waits, 0.5).toFixed(1)} and ${quantile(waits, 0.99).toFixed(1)} ms`,
      baseline: `changes of a message are ${quantile(gaps, 0.01).toFixed(1)} ms apart and more`,
      ratio: undefined,
      target: 'p99 <= 50 ms',
      reached: quantile(waits, 0.99) <= 50,
    },
  ];
}
