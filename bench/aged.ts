/** A bus with a million finished questions, against one with none. */
import { join } from 'node:path';
import { inspectBus, openSqliteBus } from '../src/bus/index.js';
import { makeBus } from './bus-file.js';
import { type Figure, median } from './figures.js';

const WAITING = 4000;
/** Claimed at once, again and again: what is measured is the claim. */
const BATCH = 50;
const ROUNDS = 25;

interface Measured {
  /** From opening the file to the first lease, in milliseconds. */
  readonly startMs: number;
  readonly claimMs: number;
  readonly statsMs: number;
  readonly workRows: number;
}

export async function aged(dir: string, finished: number): Promise<Figure[]> {
  const file = join(dir, 'aged.db');
  const young = await measured(file, 0);
  const old = await measured(file, finished);
  const name = (what: string) => `${what}, ${finished.toLocaleString('en-US')} finished`;
  const figure = (what: string, pick: (from: Measured) => number, target: string, most: number) => {
    const ratio = pick(old) / pick(young);
    return {
      name: name(what),
      value: `${pick(old).toFixed(2)} ms`,
      baseline: `none finished: ${pick(young).toFixed(2)} ms`,
      ratio,
      target,
      reached: target.endsWith('ms') ? pick(old) <= most : ratio <= most,
    };
  };
  return [
    figure('opening to the first lease', (from) => from.startMs, '<= 5,000 ms', 5000),
    figure(`claim of ${BATCH}`, (from) => from.claimMs, '<= 1.2 times', 1.2),
    figure('stats', (from) => from.statsMs, '<= 50 ms', 50),
    {
      name: name('rows of unfinished work'),
      value: String(old.workRows),
      baseline: `none finished: ${young.workRows}`,
      ratio: old.workRows / young.workRows,
      target: 'the same',
      reached: old.workRows === young.workRows,
    },
  ];
}

async function measured(file: string, finished: number): Promise<Measured> {
  await makeBus(file, { questions: WAITING, conversations: WAITING, oldRows: finished });
  const opened = performance.now();
  const bus = openSqliteBus({ file });
  await bus.reap();
  const first = await bus.claim({ limit: 1, leaseMs: 60_000 });
  const startMs = performance.now() - opened;
  if (first.length !== 1) throw new Error('nothing could be claimed');
  const claims: number[] = [];
  const looks: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = performance.now();
    const leases = await bus.claim({ limit: BATCH, leaseMs: 60_000 });
    claims.push(performance.now() - before);
    if (leases.length !== BATCH) throw new Error(`${leases.length} of ${BATCH} claimed`);
    const looked = performance.now();
    inspectBus(file, 'b');
    looks.push(performance.now() - looked);
  }
  const workRows = bus.read((db) => db.prepare('SELECT count(*) FROM warmline_work').pluck().get());
  await bus.close();
  return { startMs, claimMs: median(claims), statsMs: median(looks), workRows: Number(workRows) };
}
