/** A bridge, an autopoll and a bus as real processes and files, and the trouble made for them. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import { CLI, Program, start, tempDir, until } from '../support/process.js';

// Half a dozen processes for each test, on a machine that may be busy.
vi.setConfig({ testTimeout: 120_000 });

const PYTHON = join(import.meta.dirname, 'python');

/** Questions that run at once, and conversations they are spread over. */
export const CONCURRENCY = 4;
const CONVERSATIONS = 6;
const PER_CONVERSATION = 4;
/** The bus is made by asking one more. */
export const QUESTIONS = CONVERSATIONS * PER_CONVERSATION + 1;

/** Leases that outlast a short trouble, and a reaper that looks often. */
const CLOCKS = ['--reap-every-ms', '100', '--heartbeat-every-ms', '1000'];

/** What another program finds on a bus on which nothing was lost. */
export const ALL_IS_WELL = {
  check: 'ok',
  asked: QUESTIONS,
  unanswered: [],
  repeated: [],
  disordered: [],
  unread: 0,
};

/** A command that a test needs beside node and python. @throws when this machine lacks it */
export function need(command: string, aptPackage: string): string {
  const places = (process.env.PATH ?? '').split(':').map((dir) => join(dir, command));
  const found = places.find((path) => existsSync(path));
  if (found === undefined) {
    throw new Error(`${command} is needed here: apt-get install ${aptPackage}`);
  }
  return found;
}

/** How a command is run: as it is, or by another one (`strace`, `nsenter`). */
export type Prefix = readonly string[];

export interface HouseOptions {
  /** Where the bus lives, when that is no plain directory. */
  readonly dir?: string;
  readonly prefix?: Prefix;
  /** How long the fake engine takes for a turn, in milliseconds. */
  readonly delayMs?: number;
}

export class House {
  readonly dir = tempDir();
  readonly file: string;
  readonly spoolDir = join(this.dir, 'spool');
  readonly #prefix: Prefix;
  readonly #delayMs: number;

  constructor({ dir, prefix = [], delayMs = 150 }: HouseOptions = {}) {
    this.file = join(dir ?? this.dir, 'bus.db');
    this.#prefix = prefix;
    this.#delayMs = delayMs;
  }

  /** Makes the bus, with its questions on it. */
  async fill(): Promise<void> {
    const made = await this.run([
      process.execPath,
      CLI,
      'send',
      '--create',
      '--db',
      this.file,
      '?',
    ]);
    expect(made).toMatchObject({ code: 0 });
    const sizes = [CONVERSATIONS, PER_CONVERSATION, this.#delayMs].map(String);
    expect(await this.python('fill.py', this.file, ...sizes)).toMatchObject({ code: 0 });
  }

  run(words: readonly string[]) {
    return this.program(words).ended;
  }

  /** Runs where the bus can be seen. */
  program(words: readonly string[]): Program {
    const [command = '', ...rest] = [...this.#prefix, ...words];
    return new Program(command, rest, { env: { HOME: this.dir } });
  }

  python(script: string, ...words: readonly string[]) {
    return this.run(['python3', join(PYTHON, script), ...words]);
  }

  async bridge(): Promise<Bridge> {
    const program = start([
      ...['serve', '--port', '0', '--engine', 'fake', '--context-root', this.dir],
      ...['--max-sessions', String(CONCURRENCY)],
    ]);
    const { port } = await program.ready();
    return { program, port: String(port) };
  }

  autopoll(bridge: Bridge, ...words: readonly string[]): Program {
    return this.program([
      ...[process.execPath, CLI, 'autopoll', '--db', this.file, '--port', bridge.port],
      ...['--spool-dir', this.spoolDir, '--concurrency', String(CONCURRENCY), ...CLOCKS, ...words],
    ]);
  }

  /** Makes the bus, and resolves with an autopoll that is in the midst of answering it. */
  async atWork(...words: readonly string[]): Promise<Program> {
    await this.fill();
    const autopoll = this.autopoll(await this.bridge(), ...words);
    await this.begun();
    return autopoll;
  }

  /** What another program finds on the bus. */
  async verdict(file = this.file): Promise<Record<string, unknown>> {
    const { stdout, stderr } = await this.python('verdict.py', file);
    if (stdout === '') throw new Error(stderr);
    return JSON.parse(stdout);
  }

  /** Waits until the first answers are there: everything that is opened at all is open then. */
  async begun(): Promise<void> {
    while ((await this.verdict()).unread === QUESTIONS);
  }

  /** Waits until nothing is unread, and says what is on the bus then. */
  async drained(): Promise<Record<string, unknown>> {
    for (;;) {
      const verdict = await this.verdict();
      if (verdict.unread === 0) return verdict;
    }
  }

  /** The answers that are in the spool. */
  spooled(): string[] {
    if (!existsSync(this.spoolDir)) return [];
    return readdirSync(this.spoolDir, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.json'),
    );
  }

  /** Waits until so many answers are in the spool, or more. */
  async untilSpooled(count: number): Promise<void> {
    await until(() => this.spooled().length >= count);
  }
}

export interface Bridge {
  readonly program: Program;
  readonly port: string;
}

/** Lines of a log with this message. */
export function told(program: Program, message: RegExp): Record<string, unknown>[] {
  return program.stderr
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
    .filter((line) => message.test(String(line.msg)));
}

export const WRITABLE_AGAIN = /^bus writable again$/;

/** That trouble was told once, by this code, and its end once. */
export function expectToldOnce(program: Program, code: string): void {
  const lines = told(program, /./).filter((line) => String(line.code).startsWith('bus_'));
  expect(lines.map((line) => line.code)).toEqual([code]);
  expect(told(program, WRITABLE_AGAIN)).toHaveLength(1);
}
