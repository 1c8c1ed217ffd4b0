/** Every failpoint with every action: each time a few questions, and two autopolls in the end. */
import { setTimeout as sleep } from 'node:timers/promises';
import { openSqliteBus } from '../src/bus/index.js';
import { FAILPOINTS, type Failpoint, History } from '../src/failpoints/index.js';
import { type Actor, isStopped } from './actor.js';
import { isGood } from './checker/check.js';
import { readHistory } from './checker/read.js';
import { belongs, type Outcome, type Stage, setStage } from './stage.js';

const ACTIONS = ['kill', 'stop', 'throw'] as const;
export type Action = (typeof ACTIONS)[number];

const CLOCKS = { lease: 800, renewEvery: 150, reapEvery: 100, idleGap: 500 };
const CLOCK_WORDS = Object.entries({
  'lease-ms': CLOCKS.lease,
  'renew-every-ms': CLOCKS.renewEvery,
  'reap-every-ms': CLOCKS.reapEvery,
  'idle-gap-ms': CLOCKS.idleGap,
}).map(([flag, ms]) => `--${flag}=${ms}`);

/** Past the lease, so that somebody else takes over what the stopped process has. */
const STOPPED_MS = CLOCKS.lease + 3 * CLOCKS.reapEvery;
/** A failpoint that is not reached by then never will be, in milliseconds. */
const REACHED_MS = 20_000;
const LOOK_EVERY_MS = 20;

const IN_SERVER = /^(srv|eng|reply|recycle)\./;

/** Reached only by a process that is told to stop while it has work. */
const WHEN_STOPPING = new Set<Failpoint>(['drain.mid', 'release.write', 'srv.drain']);

/** The first time would be before any question: at the first heartbeat. */
const LATER: Partial<Record<Failpoint, number>> = { 'write.commit': 4 };

/** A long one for the leases to be renewed, one that fails for the retries, and short ones. */
const QUESTIONS = [
  '!fake delay=600 alive=6 echo q-1',
  '!fake error=engine_error q-2',
  '!fake delay=30 deltas=2 echo q-3',
  '!fake delay=10 echo q-4',
  '!fake echo q-5',
  '!fake delay=40 deltas=2 echo q-6',
];

export interface Trial extends Outcome {
  readonly name: Failpoint;
  readonly action: Action;
  readonly ok: boolean;
  readonly dir: string;
}

export function allTrials(names: readonly string[]): { name: Failpoint; action: Action }[] {
  const chosen = (Object.keys(FAILPOINTS) as Failpoint[]).filter(
    (name) => names.length === 0 || names.includes(name),
  );
  return chosen.flatMap((name) => ACTIONS.map((action) => ({ name, action })));
}

/** Runs so many at a time; `onTrial` hears of each as it ends. */
export async function tryAll(
  trials: readonly { readonly name: Failpoint; readonly action: Action }[],
  atOnce: number,
  signal: AbortSignal,
  onTrial: (trial: Trial) => void,
): Promise<Trial[]> {
  const waiting = [...trials];
  const done: Trial[] = [];
  const worker = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      signal.throwIfAborted();
      const trial = await tryFailpoint(next.name, next.action, signal);
      done.push(trial);
      onTrial(trial);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return done;
}

export async function tryFailpoint(
  name: Failpoint,
  action: Action,
  signal: AbortSignal,
): Promise<Trial> {
  const stage = await setStage({
    conversations: 3,
    serve: ['--session-max-turns=1', '--max-sessions=2', '--idle-gap-ms', String(CLOCKS.idleGap)],
    autopoll: [...CLOCK_WORDS, '--max-attempts=6', '--drain-ms=100'],
  });
  try {
    const outcome = await play(stage, name, action, signal).catch(async (error: Error) => {
      await stage.abandon();
      if (signal.aborted) stage.remove();
      signal.throwIfAborted();
      const { report, troubles } = stage.inspect({ belongs });
      return { report, troubles: [error.message, ...troubles] };
    });
    const ok = isGood(outcome.report) && outcome.troubles.length === 0;
    if (ok) stage.remove();
    return { ...outcome, name, action, ok, dir: stage.dir };
  } finally {
    await stage.abandon();
  }
}

async function play(
  stage: Stage,
  name: Failpoint,
  action: Action,
  signal: AbortSignal,
): Promise<Outcome> {
  await ask(stage);
  const armed = (start: number): Readonly<Record<string, string>> =>
    start === 0 ? { WARMLINE_FAILPOINTS: `${name}:${action}@${LATER[name] ?? 1}` } : {};
  const inServer = IN_SERVER.test(name);
  const server = stage.actor('server', inServer ? armed : undefined);
  const first = stage.actor('autopoll-1', inServer ? undefined : armed);
  const victim = inServer ? server : first;
  server.start();
  first.start();
  if (WHEN_STOPPING.has(name)) {
    await noted(stage, (fact) => fact.what === 'asked_bridge', signal);
    victim.signal('SIGTERM');
  }
  const { pid } = victim;
  await noted(stage, (fact) => fact.what === 'failpoint', signal);
  stage.actor('autopoll-2').start();
  if (action === 'stop') await standStill(victim, pid);
  await stage.drained(signal);
  const outcome = await stage.close({ belongs });
  // That it ended by itself is what was asked for.
  const own = new Set(victim.crashes);
  return { ...outcome, troubles: outcome.troubles.filter((trouble) => !own.has(trouble)) };
}

/** Puts the questions, one of them claimed already by a process that is gone. */
async function ask({ bus, file, conversations, history }: Stage): Promise<void> {
  const asked = new History(history);
  for (const [index, text] of QUESTIONS.entries()) {
    const conversation = conversations[index % conversations.length] ?? '';
    const message = JSON.stringify({ type: 'query', question: text });
    const question = await bus.put({
      ...{ conversationId: conversation, from: 'a', message },
      metadata: '{"action_type": "question"}',
    });
    asked.note({ what: 'asked', question, conversation });
  }
  asked.close();
  const owner = { boot: 'an earlier one', namespace: '1', pid: 1, start: '1' };
  const gone = openSqliteBus({ file, owner });
  await gone.claim({ limit: 1, leaseMs: 60_000 });
  await gone.close();
}

async function standStill(victim: Actor, pid: number): Promise<void> {
  while (!isStopped(pid)) await sleep(LOOK_EVERY_MS);
  await sleep(STOPPED_MS);
  victim.signal('SIGCONT');
}

type Facts = ReturnType<typeof readHistory>;

async function noted(
  { history }: Stage,
  wanted: (fact: Facts[number]) => boolean,
  signal: AbortSignal,
): Promise<void> {
  const deadline = performance.now() + REACHED_MS;
  while (!readHistory(history).some(wanted)) {
    signal.throwIfAborted();
    if (performance.now() > deadline) throw new Error('the failpoint was never reached');
    await sleep(LOOK_EVERY_MS);
  }
}
