/** `npm run simulate`: plays the queue in virtual time, thousands of runs, each decided by its seed. */
import { parseArgs } from 'node:util';
import { newSeed } from './random.js';
import { type RunResult, simulate } from './simulation/simulate.js';
import type { Adapter } from './simulation/world.js';

const USAGE = `npm run simulate -- [--runs 10000] [--seed N] [--adapter memory|sqlite] [--json]

Seeds count up from the given one. A run that breaks an invariant is named with its seed; --runs 1 with
that --seed repeats it. Exit code 0: no invariant was broken; 1: one was; 2: used wrongly.`;

const OPTIONS = {
  runs: { type: 'string', default: '10000' },
  seed: { type: 'string' },
  adapter: { type: 'string', default: 'memory' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

class UsageError extends Error {}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`simulate: ${(error as Error).message}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

async function main(): Promise<number> {
  const { runs, seed, adapter, json, help } = options();
  if (help) {
    console.log(USAGE);
    return 0;
  }
  const say = json ? () => undefined : console.log;
  say(`seeds from ${seed}: npm run simulate -- --runs ${runs} --seed ${seed} --adapter ${adapter}`);
  const started = performance.now();
  const total = { runs: 0, questions: 0, deaths: 0, refused: 0, steps: 0, virtualMs: 0 };
  const failed: RunResult[] = [];
  for (let at = 0; at < runs; at += 1) {
    const run = await simulate({ seed: seed + at, adapter });
    total.runs += 1;
    for (const key of ['questions', 'deaths', 'refused', 'steps', 'virtualMs'] as const) {
      total[key] += run[key];
    }
    if (run.violations.length > 0) failed.push(run);
  }
  const seconds = (performance.now() - started) / 1000;
  const perMinute = Math.round((total.runs / seconds) * 60);
  if (json) console.log(JSON.stringify({ ok: failed.length === 0, ...total, perMinute, failed }));
  else tell(total, perMinute, failed);
  return failed.length === 0 ? 0 : 1;
}

function tell(
  total: { runs: number; questions: number; deaths: number; refused: number; virtualMs: number },
  perMinute: number,
  failed: readonly RunResult[],
): void {
  const days = (total.virtualMs / 86_400_000).toFixed(1);
  console.log(
    `${total.runs} runs (${perMinute} a minute), ${days} days of virtual time: ${total.questions} questions, ${total.deaths} deaths, ${total.refused} late writes refused, ${failed.length} runs broke an invariant`,
  );
  for (const { seed, violations } of failed) {
    console.log([`seed ${seed}`, ...violations.slice(0, 5)].join('\n  '));
  }
}

function options() {
  try {
    const { values } = parseArgs({ options: OPTIONS });
    const { adapter, json, help } = values;
    if (adapter !== 'memory' && adapter !== 'sqlite') {
      throw new UsageError('--adapter must be memory or sqlite');
    }
    const seed = whole('--seed', values.seed ?? String(newSeed()), 0);
    return { runs: whole('--runs', values.runs), seed, adapter: adapter as Adapter, json, help };
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function whole(flag: string, text: string, least = 1): number {
  if (/^\d{1,9}$/.test(text) && Number(text) >= least) return Number(text);
  throw new UsageError(`${flag} must be a whole number from ${least}`);
}
