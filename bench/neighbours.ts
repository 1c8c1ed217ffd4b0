/** Answers of one engine while another one on the same bus and bridge is stuck. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { systemClock } from '../src/clock.js';
import { makeBus, STAMP } from './bus-file.js';
import { type Figure, median, quantile } from './figures.js';
import { type Running, startWarmline } from './processes.js';

/** Questions for the stuck engine, each in a conversation of its own: more than all slots there are. */
const STUCK = 300;
const GAP_MS = 5;

export async function neighbours(dir: string, samples: number, rounds: number): Promise<Figure[]> {
  const alone: number[][] = [];
  const beside: number[][] = [];
  for (let round = 0; round < rounds; round += 1) {
    alone.push(await waits(dir, samples, 0));
    beside.push(await waits(dir, samples, STUCK));
  }
  return [0.5, 0.99].map((q) => {
    const [one, other] = [alone, beside].map((all) => all.map((each) => quantile(each, q)));
    const ratio = median((other ?? []).map((ms, round) => ms / (one?.[round] ?? Number.NaN)));
    return {
      name: `commit to answer beside a stuck engine, p${q * 100}`,
      value: `${median(other ?? []).toFixed(2)} ms`,
      baseline: `alone: ${median(one ?? []).toFixed(2)} ms`,
      ratio,
      target: '<= 1.2',
      reached: ratio <= 1.2,
    };
  });
}

/** @returns from commit to answer of each question, in milliseconds */
async function waits(dir: string, samples: number, stuck: number): Promise<number[]> {
  const file = join(dir, 'neighbours.db');
  const config = join(dir, 'neighbours.toml');
  writeFileSync(config, '[engines.good]\nkind = "fake"\n\n[engines.stuck]\nkind = "fake"\n');
  await makeBus(file, { questions: 0, conversations: samples + stuck, oldRows: 0 });
  const words = ['--config', config, '--context-root', dir, '--log-level', 'error'];
  const bridge = await startWarmline('serve', '--port', '0', '--http-port', 'off', ...words);
  let autopoll: Running | undefined;
  try {
    const db = new Database(file);
    db.pragma('synchronous = FULL');
    const ids = db.prepare('SELECT id FROM conversations').pluck().all() as string[];
    for (const id of ids.slice(samples)) put(db, id, 'stuck', '!fake delay=3600000');
    autopoll = await startWarmline(
      ...['autopoll', '--db', file, '--port', String(bridge.port)],
      ...['--log-level', 'error', '--drain-ms', '0'],
    );
    await untilInFlight(db, stuck);
    const askedAtUs = new Map<number, number>();
    for (const id of ids.slice(0, samples)) {
      askedAtUs.set(put(db, id, 'good', 'Are you there?'), systemClock.wallUs());
      await sleep(GAP_MS + Math.random() * GAP_MS);
    }
    const took = await answered(db, askedAtUs);
    db.close();
    return took;
  } finally {
    await autopoll?.stop();
    await bridge.stop();
  }
}

function put(db: Database.Database, conversation: string, model: string, question: string): number {
  const message = JSON.stringify({ type: 'query', question, model });
  const insert = db.prepare(
    `INSERT INTO messages (conversation_id, from_session, to_session, message, metadata, timestamp, read)
     VALUES (?, 'a', 'b', ?, '{"action_type":"question"}', '${STAMP}', 0)`,
  );
  return Number(insert.run(conversation, message).lastInsertRowid);
}

/** Until the stuck engine has got all that it will get. */
async function untilInFlight(db: Database.Database, stuck: number): Promise<void> {
  const leased = db.prepare(`SELECT count(*) FROM warmline_lanes WHERE state = 'leased'`).pluck();
  for (let before = -1, now = 0; stuck > 0 && (now === 0 || now !== before); ) {
    await sleep(500);
    before = now;
    now = Number(leased.get());
  }
}

async function answered(
  db: Database.Database,
  askedAtUs: ReadonlyMap<number, number>,
): Promise<number[]> {
  const ends = db.prepare('SELECT question_id, completed_at_us FROM warmline_done').raw();
  for (let tries = 0; tries < 600; tries += 1) {
    const rows = ends.all() as [number, number][];
    if (rows.length >= askedAtUs.size) {
      return rows.map(([id, at]) => (at - (askedAtUs.get(id) ?? Number.NaN)) / 1000);
    }
    await sleep(100);
  }
  throw new Error('questions for the good engine were left unanswered for a minute');
}
