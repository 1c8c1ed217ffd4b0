/** `npm run chaos`: breaks a running warmline in every way it knows, then looks at the bus. */
import { parseArgs } from 'node:util';
import { isFailpoint } from '../src/failpoints/index.js';
import { check, isGood, type Report } from './checker/check.js';
import { readBus, readHistory } from './checker/read.js';
import { badText, reportText } from './checker/text.js';
import { allTrials, type Trial, tryAll } from './failpoints.js';
import { ruleOfThree } from './figures.js';
import { killAtRandom } from './kills.js';
import { newSeed } from './random.js';
import { scheduleText } from './schedule.js';
import type { Outcome } from './stage.js';

const USAGE = `npm run chaos -- --kills N [--seed N] [--questions N]     random kills and stops
npm run chaos -- --failpoints [NAME]…                    every failpoint, every action
npm run chaos -- --check --db FILE --history FILE        the checker alone

With --json the result is one JSON object on standard output. Exit code 0: nothing was found;
1: something was, and its directory is kept; 2: used wrongly.`;

const OPTIONS = {
  kills: { type: 'string' },
  questions: { type: 'string' },
  seed: { type: 'string' },
  failpoints: { type: 'boolean' },
  check: { type: 'boolean' },
  db: { type: 'string' },
  history: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

/** So that whoever is hit is at work. */
const QUESTIONS_FOR_A_KILL = 10;

/** Trials under way together: most of their time they wait. */
const AT_ONCE = 4;

class UsageError extends Error {}

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`chaos: ${(error as Error).message}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

async function main(): Promise<number> {
  const { values, positionals } = parse();
  if (values.help === true) {
    console.log(USAGE);
    return 0;
  }
  if (values.check === true) return checkOnly(values.db, values.history, values.json === true);
  if (values.failpoints === true) return failpoints(positionals, values.json === true);
  if (positionals.length > 0) throw new UsageError(`"${positionals[0]}" is not understood`);
  if (values.kills === undefined) throw new UsageError(`nothing to do\n${USAGE}`);
  const kills = whole('--kills', values.kills);
  return kill(
    kills,
    whole('--questions', values.questions ?? String(kills * QUESTIONS_FOR_A_KILL)),
    whole('--seed', values.seed ?? String(newSeed()), 0),
    values.json === true,
  );
}

function parse() {
  try {
    return parseArgs({ options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function whole(flag: string, text: string, least = 1): number {
  if (/^\d{1,9}$/.test(text) && Number(text) >= least) return Number(text);
  throw new UsageError(`${flag} must be a whole number from ${least}`);
}

async function kill(kills: number, questions: number, seed: number, json: boolean) {
  const say = json ? () => undefined : console.log;
  say(`seed ${seed}: npm run chaos -- --kills ${kills} --questions ${questions} --seed ${seed}`);
  const { stage, ...run } = await killAtRandom({
    ...{ kills, questions, seed, signal: stop.signal },
    onSchedule: (steps) => say(scheduleText(steps)),
    onStep: progress,
  });
  const good = tell(run, json, { seed, kills, stops: run.stops, recoveries: run.recoveries });
  if (!json) {
    for (const { of, samples, p50Ms, p99Ms, maxMs } of run.recoveries) {
      say(`${of}: p50 ${p50Ms} ms, p99 ${p99Ms} ms, max ${maxMs} ms (${samples})`);
    }
    if (good) say(ruleOfThree(kills));
  }
  if (good) stage.remove();
  else console.error(`chaos: what was found is kept in ${stage.dir}`);
  return good ? 0 : 1;
}

async function failpoints(names: readonly string[], json: boolean): Promise<number> {
  const unknown = names.find((name) => !isFailpoint(name));
  if (unknown !== undefined) throw new UsageError(`there is no failpoint "${unknown}"`);
  const trials = allTrials(names);
  const done: Trial[] = [];
  await tryAll(trials, AT_ONCE, stop.signal, (trial) => {
    done.push(trial);
    progress(done.length, trials.length);
    if (!trial.ok) console.error(failureText(trial));
  });
  const bad = done.filter(({ ok }) => !ok);
  if (json) console.log(JSON.stringify({ ok: bad.length === 0, trials: done.map(trialFacts) }));
  else
    console.log(`${done.length} trials of ${names.length || 'all'} failpoints, ${bad.length} bad`);
  return bad.length === 0 ? 0 : 1;
}

function trialFacts({ name, action, ok, report, troubles }: Trial) {
  return { name, action, ok, ...counts(report), troubles };
}

function failureText({ name, action, report, troubles, dir }: Trial): string {
  return [`${name}:${action}`, badText(report), ...troubles, `kept in ${dir}`].join('\n');
}

function checkOnly(db: string | undefined, history: string | undefined, json: boolean): number {
  if (db === undefined || history === undefined)
    throw new UsageError('--check needs --db and --history');
  const report = check(readBus(db), readHistory(history));
  return tell({ report, troubles: [] }, json, {}) ? 0 : 1;
}

function tell({ report, troubles }: Outcome, json: boolean, more: object): boolean {
  const good = isGood(report) && troubles.length === 0;
  if (json) console.log(JSON.stringify({ ok: good, ...more, ...counts(report), troubles }));
  else {
    console.log(reportText(report));
    for (const trouble of troubles) console.log(`  ${trouble}`);
  }
  return good;
}

function counts({ bad, recovered, questions, answers }: Report) {
  const found = Object.entries(bad).map(([kind, findings]) => [kind, findings]);
  return { questions, answers, ...Object.fromEntries(found), recovered: recovered.length };
}

function progress(done: number, steps: number): void {
  if (!process.stderr.isTTY) return;
  process.stderr.write(done === steps ? '\r\x1b[K' : `\r${done} of ${steps}`);
}
