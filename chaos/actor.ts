/**
 * A `warmline` process that is killed, stopped and started again. It holds an IPC channel of ours,
 * so that it ends by itself should we be the ones who die.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { environmentWithoutSettings } from '../src/config/index.js';

/** Where `package.json` is, above this file in the sources and in `dist` alike. */
export const ROOT = rootAbove(import.meta.dirname);
const CLI = join(ROOT, 'dist/clients/cli/main.js');

function rootAbove(directory: string): string {
  return existsSync(join(directory, 'package.json')) ? directory : rootAbove(dirname(directory));
}

/** How long after a failed start the next one is tried, in milliseconds. */
const AGAIN_MS = 100;
const LOOK_EVERY_MS = 10;

export interface ActorOptions {
  readonly name: string;
  readonly words: readonly string[];
  /** Variables of ours for the start with this number, counted from 0. */
  readonly env: (start: number) => Readonly<Record<string, string>>;
  /** Where its log goes. */
  readonly log: string;
}

export class Actor {
  readonly name: string;
  /** How it ended where nobody had killed or stopped it, in words. */
  readonly crashes: string[] = [];
  readonly #options: ActorOptions;
  #child: ChildProcess | undefined;
  #exited: Promise<unknown> = Promise.resolve();
  #isReady = false;
  #starts = 0;
  #wanted = false;
  #killed = false;
  #again: NodeJS.Timeout | undefined;

  constructor(options: ActorOptions) {
    this.#options = options;
    this.name = options.name;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#child !== undefined && isRunning(this.#child);
  }

  /** Resolves when a process runs and is ready, whatever becomes of those that start before. */
  async ready(signal: AbortSignal): Promise<void> {
    // One that was killed a moment ago still counts as running, until it is seen to be gone.
    while (!this.#isReady || !this.isRunning || this.#killed) {
      signal.throwIfAborted();
      await sleep(LOOK_EVERY_MS);
    }
  }

  /** Keeps one running from now on. */
  start(): void {
    this.#wanted = true;
    this.#spawn();
  }

  /** @returns whether there was a process to kill; another one starts in its place */
  kill(): boolean {
    if (!this.isRunning) return false;
    this.#killed = true;
    return this.#child?.kill('SIGKILL') ?? false;
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGTERM'): void {
    if (this.isRunning) this.#child?.kill(signal);
  }

  /** Tells it to finish what runs. @returns how it ended */
  async stop(): Promise<number | NodeJS.Signals | null> {
    this.#leave();
    const child = this.#child;
    if (child === undefined) return null;
    if (isRunning(child)) child.kill('SIGTERM');
    await this.#exited;
    return child.exitCode ?? child.signalCode;
  }

  /** Ends it now, for good. */
  async end(): Promise<void> {
    this.#leave();
    this.#child?.kill('SIGKILL');
    await this.#exited;
  }

  #leave(): void {
    this.#wanted = false;
    clearTimeout(this.#again);
  }

  #spawn(): void {
    const { words, env, log } = this.#options;
    const out = openSync(log, 'a');
    const child = spawn(process.execPath, [CLI, ...words], {
      stdio: ['ignore', 'pipe', out, 'ipc'],
      env: { ...environmentWithoutSettings(), ...env(this.#starts) },
    });
    closeSync(out);
    this.#starts += 1;
    this.#killed = false;
    this.#child = child;
    this.#exited = once(child, 'exit');
    this.#isReady = false;
    // Its ready line is the only thing that it prints.
    child.stdout?.once('data', () => {
      this.#isReady = this.#child === child;
    });
    child.once('exit', (code, signal) => this.#ended(code, signal));
  }

  #ended(code: number | null, signal: NodeJS.Signals | null): void {
    if (!this.#wanted) return;
    if (this.#killed) {
      this.#spawn();
      return;
    }
    this.crashes.push(`${this.name} ended by itself: ${signal ?? `exit code ${code}`}`);
    this.#again = setTimeout(() => this.#spawn(), AGAIN_MS);
  }
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

/** Whether a process stands still because of a signal. */
export function isStopped(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
  } catch {
    return false;
  }
}
