/** `warmline` commands as processes, with a working directory and an environment of their own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
export const CLI = join(ROOT, 'dist/clients/cli/main.js');

export interface Surroundings {
  readonly cwd?: string;
  /** Variables beside the ones tests run with; of these the `WARMLINE_` ones are left out. */
  readonly env?: Readonly<Record<string, string>>;
  /** Opens an IPC channel, as a supervisor does. */
  readonly ipc?: boolean;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A directory that is gone, with what is in it, when the test ends. */
export function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'warmline-cli-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** A program under test; killed, should it still run, when the test ends. */
export class Program {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  #stdout = '';
  #stderr = '';
  #over = false;
  /** Called at each output and at the end. */
  #heard = new Set<() => void>();

  constructor(command: string, words: readonly string[], around: Surroundings = {}) {
    this.child = spawn(command, words, {
      cwd: around.cwd,
      env: { ...plainEnvironment(), ...around.env },
      stdio: ['ignore', 'pipe', 'pipe', ...(around.ipc ? (['ipc'] as const) : [])],
    });
    this.child.stdout?.on('data', (chunk) => {
      this.#stdout += chunk;
      this.#tell();
    });
    this.child.stderr?.on('data', (chunk) => {
      this.#stderr += chunk;
      this.#tell();
    });
    // Not "close": it never comes once this side has closed the IPC channel.
    const { stdout, stderr } = this.child;
    const silent = [stdout, stderr].map((stream) => stream && once(stream, 'end'));
    this.ended = Promise.all([once(this.child, 'exit'), ...silent]).then(([[code, signal]]) => ({
      code,
      signal,
      stdout: this.#stdout,
      stderr: this.#stderr,
    }));
    void this.ended.then(() => {
      this.#over = true;
      this.#tell();
    });
    onTestFinished(async () => {
      this.child.kill('SIGKILL');
      await this.ended;
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Resolves with the match once either output has it. @throws when the program ends without it */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.#stdout) ?? pattern.exec(this.#stderr);
      if (match !== null) return match;
      if (this.#over) throw new Error(`ended without ${pattern}: ${this.#stderr}`);
      await new Promise<void>((resolve) => this.#heard.add(resolve));
    }
  }

  /** The ready line. */
  async ready(): Promise<Record<string, unknown> & { readonly port: number }> {
    const [line] = await this.says(/^\{"event":"ready".*\}$/m);
    return JSON.parse(line);
  }

  kill(signal: NodeJS.Signals): Promise<Ended> {
    this.child.kill(signal);
    return this.ended;
  }

  #tell(): void {
    const heard = [...this.#heard];
    this.#heard.clear();
    for (const tell of heard) tell();
  }
}

export function start(words: readonly string[], around?: Surroundings): Program {
  return new Program(process.execPath, [CLI, ...words], around);
}

export function warmline(words: readonly string[], around?: Surroundings): Promise<Ended> {
  return start(words, around).ended;
}

/** The environment tests run in, without settings of warmline but one: its usual port is one for all. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  const others = Object.entries(process.env).filter(([name]) => !name.startsWith('WARMLINE_'));
  return { ...Object.fromEntries(others), WARMLINE_HTTP_PORT: 'off' };
}

/** Waits until `look` gives something; what it looks at tells nobody when it changes. */
export async function until<T>(look: () => T | undefined | false): Promise<T> {
  for (;;) {
    const found = look();
    if (found !== undefined && found !== false) return found;
    await sleep(10);
  }
}

/** Whether a process runs; a dead one that waits for its parent does not. */
export function isAlive(pid: number): boolean {
  const stat = readOr(`/proc/${pid}/stat`);
  return stat !== '' && !'ZX'.includes(stat.slice(stat.lastIndexOf(')') + 2)[0] ?? 'X');
}

/** Running processes that have `mark` on their command line. */
export function processesNaming(mark: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && isAlive(pid))
    .filter((pid) => readOr(`/proc/${pid}/cmdline`).includes(mark));
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
