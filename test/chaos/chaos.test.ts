/** The harness itself, with real processes. `npm run chaos` does more of it. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { tryFailpoint } from '../../chaos/failpoints.js';
import { killAtRandom } from '../../chaos/kills.js';
import { newSeed } from '../../chaos/random.js';
import { planSteps } from '../../chaos/schedule.js';
import { processesNaming } from '../support/process.js';
import { answer, TempBus } from '../support/temp-bus.js';

const MAIN = resolve(import.meta.dirname, '../../dist/chaos/main.js');

/** Aborted when the test is over, however it ends. */
function whileTesting(): AbortSignal {
  const over = new AbortController();
  onTestFinished(() => over.abort());
  return over.signal;
}

function chaos(...words: string[]) {
  return spawnSync(process.execPath, [MAIN, ...words], { encoding: 'utf8' });
}

test('random kills lose nothing, repeat nothing, keep the order, and nothing runs afterwards', {
  timeout: 240_000,
}, async () => {
  const seed = newSeed();
  const run = await killAtRandom({ kills: 50, questions: 300, seed, signal: whileTesting() });
  onTestFinished(() => run.stage.remove());
  expect(run.report, `seed ${seed}`).toMatchObject({ questions: 300, answers: 300 });
  expect(Object.values(run.report.bad).flat(), `seed ${seed}`).toEqual([]);
  expect(run.troubles, `seed ${seed}`).toEqual([]);
  expect(run.recoveries.map(({ samples }) => samples)).not.toContain(undefined);
  expect(processesNaming(run.stage.dir)).toEqual([]);
});

test.each([
  ['ans.sidecar', 'kill'],
  ['reap.select', 'stop'],
  ['eng.result', 'throw'],
] as const)('at %s a process can %s without harm', { timeout: 90_000 }, async (name, action) => {
  const { report, troubles } = await tryFailpoint(name, action, whileTesting());
  expect(Object.values(report.bad).flat()).toEqual([]);
  expect(troubles).toEqual([]);
  expect(report.questions).toBe(report.answers);
});

test('what is begun ends with its signal, and leaves no process behind', async () => {
  const over = new AbortController();
  const running = killAtRandom({
    ...{ kills: 1000, questions: 1000, seed: 1, signal: over.signal },
    onStep: () => over.abort(),
  });
  await expect(running).rejects.toThrow(/abort/);
  expect(processesNaming('warmline-chaos-').filter(isOurs)).toEqual([]);
});

/** Other runs on this machine have processes of that name as well. */
function isOurs(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === process.pid;
  } catch {
    return false;
  }
}

test('a seed is a schedule, with as many kills and questions as were asked for', () => {
  const steps = planSteps(7, 200, 1000, 1500);
  expect(planSteps(7, 200, 1000, 1500)).toEqual(steps);
  expect(planSteps(8, 200, 1000, 1500)).not.toEqual(steps);
  expect(steps.filter(({ blow }) => blow.kind === 'kill')).toHaveLength(200);
  expect(steps.reduce((sum, { questions }) => sum + questions, 0)).toBe(1000);
  expect(new Set(steps.map(({ victim }) => victim)).size).toBe(3);
});

test('the checker alone: 0 for a good bus, 1 for a bad one, 2 used wrongly', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const question = temp.ask(temp.addConversation(), 'why?');
  const history = join(temp.dir, 'history.jsonl');
  writeFileSync(history, '');
  const words = ['--check', '--db', temp.file, '--history', history];
  expect(chaos(...words)).toMatchObject({
    status: 1,
    stdout: expect.stringContaining('no answer'),
  });
  const [lease] = await bus.claim({ limit: 1, leaseMs: 1000 });
  if (lease) await bus.complete(lease, answer());
  expect(chaos(...words).status).toBe(0);
  const { stdout } = chaos(...words, '--json');
  expect(JSON.parse(stdout)).toMatchObject({ ok: true, questions: 1, lost: [] });
  expect(lease?.questionId).toBe(question);
  for (const wrong of [[], ['--kills', 'some'], ['--nonsense']]) {
    expect(chaos(...wrong)).toMatchObject({ status: 2, stdout: '' });
  }
  expect(chaos('--failpoints', 'nowhere')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('there is no failpoint "nowhere"'),
  });
});
