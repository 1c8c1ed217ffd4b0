/** A bus in a directory of its own, with the processes that work on it. */
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openSqliteBus, type SqliteBus } from '../src/bus/index.js';
import { Actor } from './actor.js';
import { type CheckOptions, check, type Report } from './checker/check.js';
import { findDamage, readBus, readHistory } from './checker/read.js';

/** Short, so that what a dead process held is soon free; a healthy worker keeps its leases. */
export const CLOCKS = { leaseMs: 1500, renewEveryMs: 300, reapEveryMs: 150, idleGapMs: 1000 };

/** How long what is left may take when nothing is killed any more, in milliseconds. */
const DRAIN_MS = 60_000;

/** How long a start may take, in milliseconds. */
const READY_MS = 20_000;

export interface Stage {
  readonly dir: string;
  readonly file: string;
  readonly history: string;
  readonly bus: SqliteBus;
  readonly conversations: readonly string[];
  /** An actor on this stage, not started yet. */
  actor(name: string, env?: (start: number) => Readonly<Record<string, string>>): Actor;
  /** Waits until every question has come to its end. @throws Error when that takes too long */
  drained(signal: AbortSignal): Promise<void>;
  /** Tells everybody to stop. @returns what the checker and SQLite find then */
  close(options: CheckOptions): Promise<Outcome>;
  /** Ends everything at once, whatever state it is in. */
  abandon(): Promise<void>;
  /** What the checker and SQLite find in the files as they are. */
  inspect(options: CheckOptions): Outcome;
  /** Deletes the directory. */
  remove(): void;
}

export interface Outcome {
  readonly report: Report;
  /** What went wrong that is no matter of questions and answers, in words. */
  readonly troubles: readonly string[];
}

interface StageOptions {
  readonly conversations: number;
  readonly serve?: readonly string[];
  readonly autopoll?: readonly string[];
}

export async function setStage(options: StageOptions): Promise<Stage> {
  const dir = mkdtempSync(join(tmpdir(), 'warmline-chaos-'));
  const file = join(dir, 'bus.db');
  const history = join(dir, 'history.jsonl');
  const bus = openSqliteBus({ file, create: true });
  const conversations = await Promise.all(
    Array.from({ length: options.conversations }, () =>
      bus.createConversation({ roleA: 'asker', roleB: 'shard' }),
    ),
  );
  const port = await freePort();
  const actors: Actor[] = [];
  const words = {
    server: [...serveWords(port, dir), ...(options.serve ?? [])],
    autopoll: [...autopollWords(port, file), ...(options.autopoll ?? [])],
  };

  async function close(checkOptions: CheckOptions): Promise<Outcome> {
    // The autopolls first: they finish what runs while there is a server.
    const order = [...actors].sort((one, other) => rank(one) - rank(other));
    const troubles = actors.flatMap(({ crashes }) => crashes);
    for (const actor of order) {
      // Before that it knows no signals.
      await actor.ready(AbortSignal.timeout(READY_MS));
      const end = await actor.stop();
      if (end !== 0 && end !== null) troubles.push(`${actor.name} did not stop well: ${end}`);
    }
    await bus.close();
    const found = inspect(checkOptions);
    return { ...found, troubles: [...troubles, ...found.troubles] };
  }

  function inspect(checkOptions: CheckOptions): Outcome {
    const report = check(readBus(file), readHistory(history), checkOptions);
    return { report, troubles: findDamage(file) };
  }

  return {
    dir,
    file,
    history,
    bus,
    conversations,
    close,
    inspect,
    actor: (name, env = () => ({})) => {
      const actor = new Actor({
        name,
        words: name === 'server' ? words.server : words.autopoll,
        env: (start) => ({ WARMLINE_HISTORY: history, ...env(start) }),
        log: join(dir, `${name}.log`),
      });
      actors.push(actor);
      return actor;
    },
    drained: (signal) => drained(bus, signal),
    abandon: async () => {
      await Promise.all(actors.map((actor) => actor.end()));
      await bus.close();
    },
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}

function rank({ name }: Actor): number {
  return name === 'server' ? 1 : 0;
}

function serveWords(port: number, dir: string): string[] {
  const words = [
    'serve',
    '--port',
    String(port),
    '--http-port',
    'off',
    '--engine',
    'fake',
    '--context-root',
    dir,
  ];
  return [...words, '--max-sessions', '8', '--log-level', 'info', '--drain-ms', '3000'];
}

function autopollWords(port: number, file: string): string[] {
  const clocks = Object.entries(CLOCKS).map(([key, ms]) => `--${toFlag(key)}=${ms}`);
  const words = ['autopoll', '--db', file, '--port', String(port), ...clocks];
  // A question that was interrupted often is still to be answered, and not given up.
  const patience = ['--max-attempts', '100', '--retry-base-ms', '20', '--retry-max-ms', '200'];
  return [...words, ...patience, '--concurrency', '8', '--drain-ms', '3000', '--log-level', 'info'];
}

function toFlag(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

async function drained(bus: SqliteBus, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + DRAIN_MS;
  while (bus.hasWork({})) {
    signal.throwIfAborted();
    if (performance.now() > deadline) {
      const { pending, leased } = bus.stats();
      throw new Error(`after ${DRAIN_MS} ms ${pending} questions wait and ${leased} are leased`);
    }
    await sleep(20);
  }
}

/** A port that was free a moment ago, for a server that has to come back on the same one. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Whether an answer is the one to its question: the fake engine repeats what it was told to. */
export function belongs(message: string, answer: string): boolean {
  const { question } = JSON.parse(message) as { question: string };
  return question.includes(' error=')
    ? answer.startsWith('Error:')
    : question.endsWith(` ${answer}`);
}
