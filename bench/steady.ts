/** Whether the server stays as it is over many turns: memory, descriptors, processes. */
import { readdirSync, readFileSync } from 'node:fs';
import { type Figure, slope } from './figures.js';
import { measure, paddedLine } from './load.js';
import { memoryBytes, startCollectable } from './processes.js';

const POINTS = 20;
/** Code is compiled and caches are filled by then; what follows is long enough to see past the noise. */
const WARM_UP_TURNS = 500_000;

export async function steady(dir: string, turns: number): Promise<Figure[]> {
  const warm = await startCollectable(dir);
  const line = (id: number) => paddedLine({ type: 'query', id }, 'question', 200);
  const memory: [number, number][] = [];
  const descriptors: number[] = [];
  let children = 0;
  try {
    const load = { port: warm.port, connections: 8, inFlight: 16, line };
    await measure({ ...load, lines: WARM_UP_TURNS });
    const batch = Math.ceil(turns / POINTS);
    for (let point = 0; point < POINTS; point += 1) {
      await measure({ ...load, lines: batch });
      process.kill(warm.pid, 'SIGUSR2');
      await measure({ ...load, connections: 1, inFlight: 1, lines: 10 });
      memory.push([point * batch, memoryBytes(warm.pid, 'VmRSS')]);
      descriptors.push(readdirSync(`/proc/${warm.pid}/fd`).length);
      children = Math.max(children, childCount(warm.pid));
    }
  } finally {
    await warm.stop();
  }
  const bytesPerThousand = slope(memory) * 1000;
  const spread = Math.max(...descriptors) - Math.min(...descriptors);
  return [
    {
      name: `resident memory over ${turns.toLocaleString('en-US')} turns`,
      value: `${(bytesPerThousand / 1024).toFixed(2)} KB per 1,000 turns`,
      baseline: `${((memory.at(-1)?.[1] ?? 0) / 2 ** 20).toFixed(0)} MB at the end`,
      ratio: undefined,
      target: '< 1 KB',
      reached: bytesPerThousand < 1024,
    },
    {
      name: 'descriptors, processes started',
      value: `spread ${spread}, ${children} children`,
      baseline: '',
      ratio: undefined,
      target: 'flat, none',
      reached: spread <= 8 && children === 0,
    },
  ];
}

function childCount(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).reduce((count, task) => {
    const children = readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim();
    return count + (children === '' ? 0 : children.split(' ').length);
  }, 0);
}
