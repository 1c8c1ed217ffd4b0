/** From the commit of a question by another program to its claim. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import ndjson from 'ndjson';
import { systemClock } from '../src/clock.js';
import { makeBus, STAMP } from './bus-file.js';
import { type Figure, quantile } from './figures.js';

export async function wake(dir: string, samples: number, idleMs: number): Promise<Figure[]> {
  const file = join(dir, 'wake.db');
  // A conversation for each question: what is measured is the pick-up, not the queue.
  await makeBus(file, { questions: 0, conversations: samples, oldRows: 0 });
  const program = fileURLToPath(new URL('claimer.js', import.meta.url));
  const child = spawn(process.execPath, [program, file, String(samples), String(idleMs)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = child.stdout.pipe(ndjson.parse());
  await once(lines, 'data');
  const claimedAt = new Map<number, number>();
  let idleShare = Number.NaN;
  lines.on('data', (line: { id?: number; at?: number; idleShare?: number }) => {
    if (line.id !== undefined && line.at !== undefined) claimedAt.set(line.id, line.at);
    if (line.idleShare !== undefined) idleShare = line.idleShare;
  });
  const committedAt = await ask(file, samples);
  await once(child, 'exit');
  const waits = [...committedAt].map(([id, at]) => ((claimedAt.get(id) ?? Number.NaN) - at) / 1000);
  return figures(waits, idleShare);
}

async function ask(file: string, samples: number): Promise<Map<number, number>> {
  const db = new Database(file);
  db.pragma('synchronous = FULL');
  const ids = db.prepare('SELECT id FROM conversations').pluck().all() as string[];
  const insert = db.prepare(
    `INSERT INTO messages (conversation_id, from_session, to_session, message, metadata, timestamp, read)
     VALUES (?, 'a', 'b', 'Are you there?', '{"action_type":"question"}', '${STAMP}', 0)`,
  );
  const committedAt = new Map<number, number>();
  for (const conversation of ids.slice(0, samples)) {
    const { lastInsertRowid } = insert.run(conversation);
    committedAt.set(Number(lastInsertRowid), systemClock.wallUs());
    await sleep(20 + Math.random() * 40);
  }
  db.close();
  return committedAt;
}

function figures(waits: number[], idleShare: number): Figure[] {
  const p50 = quantile(waits, 0.5);
  const p99 = quantile(waits, 0.99);
  const baseline = 'a 5 s poll: 2,500 ms';
  return [
    {
      name: 'commit to claim, p50',
      value: `${p50.toFixed(2)} ms`,
      baseline,
      ratio: undefined,
      target: '<= 1.5 ms',
      reached: p50 <= 1.5,
    },
    {
      name: 'commit to claim, p99',
      value: `${p99.toFixed(2)} ms`,
      baseline,
      ratio: undefined,
      target: '<= 6 ms',
      reached: p99 <= 6,
    },
    {
      name: 'idle share of a core',
      value: `${(idleShare * 100).toFixed(2)} %`,
      baseline: '',
      ratio: undefined,
      target: '< 0.5 %',
      reached: idleShare < 0.005,
    },
  ];
}
