/** Random kills and stops of a server and two autopolls, while somebody asks and reads. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { History } from '../src/failpoints/index.js';
import { type Actor, ROOT } from './actor.js';
import { readHistory } from './checker/read.js';
import { type Recovery, recoveries } from './figures.js';
import { planSteps, type Step, VICTIMS } from './schedule.js';
import { belongs, CLOCKS, type Outcome, type Stage, setStage } from './stage.js';

const CONVERSATIONS = 12;

interface KillOptions {
  readonly kills: number;
  readonly questions: number;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly onSchedule?: (steps: readonly Step[]) => void;
  readonly onStep?: (done: number, steps: number) => void;
}

interface KillRun extends Outcome {
  readonly kills: number;
  readonly stops: number;
  readonly recoveries: readonly Recovery[];
  readonly stage: Stage;
}

/** @throws Error when what is left at the end does not come to its end, or `signal` was aborted */
export async function killAtRandom(options: KillOptions): Promise<KillRun> {
  const { kills, questions, seed, signal } = options;
  const steps = planSteps(seed, kills, questions, CLOCKS.leaseMs);
  options.onSchedule?.(steps);
  const stage = await setStage({
    conversations: CONVERSATIONS,
    serve: ['--session-max-turns', '20'],
  });
  const history = new History(stage.history);
  const actors = new Map(VICTIMS.map((name) => [name, stage.actor(name)]));
  const asker = startAsker(stage, seed);
  const stopped: Promise<void>[] = [];
  try {
    for (const actor of actors.values()) actor.start();
    for (const [at, step] of steps.entries()) {
      asker.stdin?.write(`${step.questions}\n`);
      const actor = actors.get(step.victim) as Actor;
      await sleep(step.afterMs, undefined, { signal });
      if (step.whenReady) await actor.ready(signal);
      if (step.blow.kind === 'kill') kill(actor, history);
      else stopped.push(standStill(actor, step.blow.forMs, history));
      options.onStep?.(at + 1, steps.length);
    }
    await Promise.all(stopped);
    await allAsked(stage, asker, questions, signal);
    await stage.drained(signal);
    asker.stdin?.end();
    const outcome = await stage.close({ belongs });
    return {
      ...outcome,
      kills,
      stops: steps.length - kills,
      recoveries: recoveries(readHistory(stage.history)),
      stage,
    };
  } catch (error) {
    await stage.abandon();
    if (signal.aborted) stage.remove();
    else (error as Error).message += `; what is there is kept in ${stage.dir}`;
    throw error;
  } finally {
    const askerEnds = asker.exitCode === null && asker.signalCode === null && once(asker, 'exit');
    asker.kill('SIGKILL');
    await askerEnds;
    history.close();
    await stage.abandon();
  }
}

function kill(actor: Actor, history: History): void {
  const { name: victim, pid: victimPid } = actor;
  if (actor.kill()) history.note({ what: 'killed', victim, victimPid });
}

async function standStill(actor: Actor, forMs: number, history: History): Promise<void> {
  const { name: victim, pid: victimPid } = actor;
  actor.signal('SIGSTOP');
  history.note({ what: 'stopped', victim, victimPid });
  await sleep(forMs);
  // Another one runs in its place if it was killed meanwhile.
  actor.signal('SIGCONT');
  history.note({ what: 'continued', victim, victimPid });
}

function startAsker({ file, history, conversations }: Stage, seed: number): ChildProcess {
  const program = join(ROOT, 'chaos/asker.py');
  const words = [program, file, history, String(seed), conversations.join(',')];
  return spawn('python3', words, { stdio: ['pipe', 'ignore', 'inherit'] });
}

/** The asker may be behind: it waits for the lock like everybody. */
async function allAsked(
  { bus }: Stage,
  asker: ChildProcess,
  questions: number,
  signal: AbortSignal,
): Promise<void> {
  const count = () =>
    bus.read((db) =>
      db.prepare(`SELECT count(*) FROM messages WHERE to_session = 'b'`).pluck().get(),
    ) as number;
  while (count() < questions) {
    signal.throwIfAborted();
    if (asker.exitCode !== null) throw new Error(`the asker ended: exit code ${asker.exitCode}`);
    await sleep(50);
  }
}
