/**
 * `npm run bench` prints every figure with its baseline from the same run.
 *
 *     npm run bench               all, some minutes
 *     npm run bench -- --short    all, small
 *     npm run bench -- drain      one group: transport, drain, finished, neighbours, wake, monitor, events,
 *                                 steady, warm
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { drain } from './drain.js';
import { events } from './events.js';
import { type Figure, printTable } from './figures.js';
import { finished } from './finished.js';
import { monitor } from './monitor.js';
import { neighbours } from './neighbours.js';
import { steady } from './steady.js';
import { transport } from './transport.js';
import { wake } from './wake.js';
import { warmVersusSpawn } from './warm-vs-spawn.js';

const words = process.argv.slice(2);
const short = words.includes('--short');
const chosen = words.filter((word) => !word.startsWith('-'));
const dir = mkdtempSync(join(tmpdir(), 'warmline-bench-'));

const groups: Record<string, () => Promise<Figure[]>> = {
  transport: () => (short ? transport(dir, 40_000, 1) : transport(dir, 400_000, 5)),
  drain: () =>
    drain(
      dir,
      short
        ? { questions: 10_000, oldRows: 50_000, rounds: 1 }
        : { questions: 100_000, oldRows: 1_000_000, rounds: 3 },
    ),
  finished: () => finished(dir, short ? 100_000 : 1_000_000),
  neighbours: () => (short ? neighbours(dir, 200, 1) : neighbours(dir, 1000, 5)),
  wake: () => (short ? wake(dir, 100, 2000) : wake(dir, 500, 10_000)),
  monitor: () => (short ? monitor(dir, 1, 3000) : monitor(dir, 3, 10_000)),
  events: () => events(dir, short ? { readers: 200, seconds: 4 } : { readers: 1000, seconds: 12 }),
  steady: () => steady(dir, short ? 1_000_000 : 2_000_000),
  warm: () => warmVersusSpawn(dir, short ? { warm: 120, spawned: 3 } : { warm: 200, spawned: 15 }),
};

const unknown = chosen.find((name) => !Object.hasOwn(groups, name));
if (unknown !== undefined) {
  console.error(`no group "${unknown}"; there are ${Object.keys(groups).join(', ')}`);
  process.exit(2);
}
try {
  console.log(`Node ${process.version}, ${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}`);
  const figures: Figure[] = [];
  for (const [name, run] of Object.entries(groups)) {
    if (chosen.length > 0 && !chosen.includes(name)) continue;
    console.error(`measuring ${name} …`);
    figures.push(...(await run()));
  }
  printTable(figures);
} finally {
  rmSync(dir, { recursive: true, force: true });
}
