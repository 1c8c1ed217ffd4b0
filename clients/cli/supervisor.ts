/**
 * Keeps one of our own programs running as a child process: starts it again when it dies, later
 * each time, and lets it go when told to. The child holds one end of an IPC channel and stops by
 * itself when the other end closes, so that no way of ours to die leaves it behind.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { STOP_MESSAGE } from '../../src/lifecycle.js';
import { EXIT } from './failure.js';

/** The program of every command. */
export const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 10_000;
/** A child that lived this long was well: its next death counts as the first. */
const WELL_AFTER_MS = 60_000;

/** How long to wait before a child is started again after so many deaths in a row. */
export function restartDelayMs(deaths: number): number {
  return Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(deaths - 1, 20));
}

export type ReadyLine = Readonly<Record<string, unknown>>;

export interface ChildOptions {
  readonly name: string;
  /** The command line, asked for at each start. */
  readonly words: () => readonly string[];
  readonly cwd?: string | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Time a stop may take before the child is killed, in milliseconds. */
  readonly stopMs: number;
  readonly onDeath?: ((what: string, delayMs: number) => void) | undefined;
}

/** It ended before it was ever ready: told to stop, or for a reason that it has printed itself. */
export class ChildFailed extends Error {
  override readonly name = 'ChildFailed';
  readonly exitCode: number;

  constructor(name: string, exitCode: number) {
    super(`the ${name} could not start`);
    this.exitCode = exitCode;
  }
}

export class SupervisedChild {
  readonly #options: ChildOptions;
  readonly #stop = new AbortController();
  #process: ChildProcess | undefined;
  #keeping: Promise<void> | undefined;

  constructor(options: ChildOptions) {
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /**
   * Starts the child, resolves with its ready line, and keeps it running from then on.
   * @throws ChildFailed when it ends before that
   */
  async start(): Promise<ReadyLine> {
    if (this.#stop.signal.aborted) throw new ChildFailed(this.#options.name, EXIT.ok);
    const child = this.#fork();
    const exited = once(child, 'exit');
    const ready = await Promise.race([readyLine(child), exited.then(() => undefined)]);
    if (ready === undefined) {
      await exited; // its output ends a moment before it does
      throw new ChildFailed(this.#options.name, child.exitCode ?? EXIT.failed);
    }
    this.#keeping = this.#keep(exited);
    return ready;
  }

  /** Lets it finish what runs; what takes too long is killed. */
  async stop(): Promise<void> {
    this.#stop.abort();
    const child = this.#process;
    if (child !== undefined && isRunning(child)) {
      const exited = once(child, 'exit');
      letGo(child);
      const late = setTimeout(() => child.kill('SIGKILL'), this.#options.stopMs);
      await exited;
      clearTimeout(late);
    }
    await this.#keeping;
  }

  kill(): void {
    this.#stop.abort();
    this.#process?.kill('SIGKILL');
  }

  async #keep(firstExit: Promise<unknown>): Promise<void> {
    const { name, onDeath } = this.#options;
    let exited = firstExit;
    let deaths = 0;
    for (;;) {
      const startedMs = performance.now();
      await exited;
      if (this.#stop.signal.aborted) return;
      deaths = performance.now() - startedMs >= WELL_AFTER_MS ? 1 : deaths + 1;
      const delayMs = restartDelayMs(deaths);
      onDeath?.(`the ${name} ended (${howItEnded(this.#process)})`, delayMs);
      await sleep(delayMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      if (this.#stop.signal.aborted) return;
      exited = once(this.#fork(), 'exit');
    }
  }

  #fork(): ChildProcess {
    const { words, cwd, env } = this.#options;
    const child = fork(MAIN, [...words()], {
      cwd,
      env,
      // Its own process group: Ctrl-C reaches us alone, and we stop our children in order.
      detached: true,
      execArgv: [],
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    child.on('error', () => undefined);
    child.stdout?.on('error', () => undefined).resume();
    this.#process = child;
    return child;
  }
}

/** The message makes the end of the channel a wish of ours; without it we would seem to be gone. */
function letGo(child: ChildProcess): void {
  if (!child.connected) return;
  child.send(STOP_MESSAGE, () => {
    if (child.connected) child.disconnect();
  });
}

async function readyLine(child: ChildProcess): Promise<ReadyLine | undefined> {
  if (child.stdout === null) return undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    const parsed: unknown = JSON.parse(line);
    if ((parsed as ReadyLine).event === 'ready') {
      child.stdout.resume();
      return parsed as ReadyLine;
    }
  }
  return undefined;
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

function howItEnded(child: ChildProcess | undefined): string {
  return child?.signalCode ?? `exit code ${child?.exitCode}`;
}
