import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { fault } from '../errors.js';
import { type Guarded, guardTree } from './guard.js';
import { descendants, HAS_PROC, isRunning, residentBytes, startTicksOf } from './proc.js';
import { diesWithUs, findProgram } from './program.js';
import { createRoster, type Roster } from './roster.js';
import { Tail } from './tail.js';

const STDERR_TAIL_BYTES = 8 * 1024;
/** Standard error of a tree that is gone: more only comes where a stranger holds its pipe. */
const LAST_WORDS_MS = 100;
const FIRST_LOOK_MS = 2;
const LONGEST_LOOK_MS = 50;
/** Of a larger family the rest is neither listed nor measured; `kill` ends all of it. */
const MOST_MEASURED = 128;
/** What was seen of a family holds this long, however often it is asked for. */
const FRESH_MS = 1000;

interface SpawnOptions {
  /** A path, or a name looked up in the PATH of `env`; never a line for a shell. */
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** All the variables the program sees, see `cleanEnvironment`. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * A program and everything it starts. Whoever spawned it calls `kill`, also when the program ended
 * by itself: what it left behind ends only then.
 */
export interface ProcessTree {
  readonly pid: number;
  /** Errors (a reader that is gone) are swallowed; `exited` tells. */
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** The last 8 KiB of standard error, nothing redacted. It is read always: nothing blocks on it. */
  stderrTail(): string;
  /** Resolves once when the first process has ended; never rejects. */
  readonly exited: Promise<Exit>;
  /**
   * Resident bytes of `pids`, pages they share counted in each; undefined where there is no /proc.
   */
  memoryBytes(): number | undefined;
  /**
   * Ends the whole tree, processes that left their group or session included: SIGTERM, and SIGKILL
   * after `graceMs` (0: at once). Resolves when no process of it runs. Called again, the shorter
   * grace counts.
   */
  kill(graceMs?: number): Promise<void>;
  /**
   * The first process and its descendants, at most 128, as they were within the last second; none
   * once the first has ended.
   */
  readonly pids: readonly number[];
}

interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/**
 * Starts a program in a process group of its own that ends with this process, however this ends:
 * the kernel ends the first process (`setpriv --pdeathsig`, Linux), a guard the others.
 * @throws WarmlineError `engine_unavailable`: the program is not there or cannot be started
 */
export function spawnTree(options: SpawnOptions): ProcessTree {
  const program = findProgram(options.command, options.env.PATH, options.cwd);
  if (program === undefined) throw missing(options.command);
  const guarded = guardTree();
  const { name, value } = guarded.variable;
  const [file = program, ...words] = [...diesWithUs(), program, ...options.args];
  try {
    const child = spawn(file, words, {
      cwd: options.cwd,
      env: { ...options.env, [name]: value },
      detached: true,
      stdio: 'pipe',
    });
    return new Tree(child, guarded);
  } catch (error) {
    guarded.release();
    throw error;
  }
}

function missing(command: string) {
  return fault(
    'engine_unavailable',
    `the program ${JSON.stringify(command)} is not there or not executable; ` +
      'install it, or give its path in the settings',
  );
}

/** A first process and its descendants, as they were. */
interface Family {
  readonly pids: readonly number[];
  /** Of all of them; undefined until asked for. */
  bytes: number | undefined;
  readonly seenMs: number;
}

class Tree implements ProcessTree {
  readonly pid: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly exited: Promise<Exit>;

  readonly #child: ChildProcessWithoutNullStreams;
  readonly #guarded: Guarded;
  readonly #roster: Roster;
  readonly #startTicks: number;
  readonly #stderr = new Tail(STDERR_TAIL_BYTES);
  /** Resolves when all of standard error has been read. */
  readonly #stderrRead: Promise<unknown>;
  #seen: Family | undefined;
  #killAtMs = Number.POSITIVE_INFINITY;
  #killing: Promise<void> | undefined;

  constructor(child: ChildProcessWithoutNullStreams, guarded: Guarded) {
    child.on('error', () => {}); // said by what follows, or by `exited`
    if (child.pid === undefined) {
      throw fault(
        'engine_unavailable',
        'the program could not be started: its directory is gone, or there are no processes, ' +
          'memory or file descriptors left for it; look at the limits of this machine',
      );
    }
    this.#child = child;
    this.#guarded = guarded;
    this.pid = child.pid;
    this.stdin = child.stdin;
    this.stdout = child.stdout;
    // Known at once and for certain: a process is not reaped before this turn of the loop is over.
    this.#startTicks = startTicksOf(this.pid) ?? 0;
    const { name, value } = guarded.variable;
    this.#roster = createRoster(this.#identity, `${name}=${value}`);
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream.on('error', () => {});
    this.#stderrRead = new Promise((resolve) => child.stderr.once('close', resolve));
    child.stderr.on('data', (chunk: Buffer) => this.#stderr.push(chunk));
    this.exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
  }

  get pids(): readonly number[] {
    if (HAS_PROC) return this.#family().pids;
    return this.#child.exitCode === null && this.#child.signalCode === null ? [this.pid] : [];
  }

  stderrTail(): string {
    return this.#stderr.text();
  }

  memoryBytes(): number | undefined {
    if (!HAS_PROC) return undefined;
    const family = this.#family();
    family.bytes ??= family.pids.reduce((bytes, pid) => bytes + residentBytes(pid), 0);
    return family.bytes;
  }

  kill(graceMs = 0): Promise<void> {
    this.#killAtMs = Math.min(this.#killAtMs, performance.now() + graceMs);
    this.#killing ??= this.#end();
    return this.#killing;
  }

  #family(): Family {
    const nowMs = performance.now();
    if (!isRunning(this.#identity)) return { pids: [], bytes: 0, seenMs: nowMs };
    if (this.#seen === undefined || nowMs - this.#seen.seenMs > FRESH_MS) {
      const pids = descendants(this.#identity, MOST_MEASURED);
      this.#seen = { pids, bytes: undefined, seenMs: nowMs };
    }
    return this.#seen;
  }

  get #identity() {
    return { pid: this.pid, startTicks: this.#startTicks };
  }

  async #end(): Promise<void> {
    let lookMs = FIRST_LOOK_MS;
    while (await this.#roster.anyRunning()) {
      const isTime = performance.now() >= this.#killAtMs;
      await this.#roster.signal(isTime ? 'SIGKILL' : 'SIGTERM');
      await pause(lookMs);
      lookMs = Math.min(lookMs * 2, LONGEST_LOOK_MS);
    }
    await this.exited;
    await Promise.race([this.#stderrRead, pause(LAST_WORDS_MS, undefined, { ref: false })]);
    // A pipe that a process outside the tree was handed would otherwise stay open with it.
    for (const stream of [this.#child.stdin, this.#child.stdout, this.#child.stderr]) {
      stream.destroy();
    }
    this.#guarded.release();
  }
}
