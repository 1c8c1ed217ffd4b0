/** Starts what is measured in processes of its own and waits until it says that it is ready. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ndjson from 'ndjson';

const CLI = fileURLToPath(new URL('../clients/cli/main.js', import.meta.url));
const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));

export interface Ready {
  readonly port: number;
  readonly http_port?: number;
  /** Of `up`. */
  readonly pids?: { readonly bridge: number };
}

export interface Running {
  readonly port: number;
  readonly pid: number;
  /** What else the ready line says. */
  readonly ready: Ready;
  stop(): Promise<void>;
}

/** Runs `warmline` with these words and resolves with its ready line. */
export function startWarmline(...words: string[]): Promise<Running> {
  return started(
    spawn(process.execPath, [CLI, ...words], { stdio: ['ignore', 'pipe', 'inherit'] }),
  );
}

/** As `startFake`, collecting garbage whenever it gets SIGUSR2. */
export function startCollectable(dir: string): Promise<Running> {
  const flags = ['--expose-gc', '--import', here('collect-on-signal.js')];
  return started(
    spawn(process.execPath, [...flags, CLI, ...fakeServer(dir)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    }),
  );
}

/** The server with the fake engine, and no document that it would look for: `dir` is empty. */
export function startFake(dir: string): Promise<Running> {
  return startWarmline(...fakeServer(dir));
}

function fakeServer(dir: string): string[] {
  const words = [
    'serve',
    '--port',
    '0',
    '--http-port',
    'off',
    '--engine',
    'fake',
    '--log-level',
    'warn',
  ];
  return [...words, '--context-root', dir];
}

/** Runs one of the benchmark's own programs, `baseline-server.js`. */
export function startProgram(file: string, ...words: string[]): Promise<Running> {
  return started(
    spawn(process.execPath, [here(file), ...words], { stdio: ['ignore', 'pipe', 'inherit'] }),
  );
}

/** Runs `warmline` to its end. @throws when it does not exit with 0 */
export async function runWarmline(...words: string[]): Promise<void> {
  const child = spawn(process.execPath, [CLI, ...words], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`warmline ${words.join(' ')}: exit code ${code}`);
}

/** @param field `VmRSS`: what it has now; `VmHWM`: the most it has had */
export function memoryBytes(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) * 1024;
}

async function started(child: ChildProcess): Promise<Running> {
  const lines = child.stdout?.pipe(ndjson.parse());
  if (!lines) throw new Error('the program has no standard output');
  const exited = once(child, 'exit').then(([code]) => {
    throw new Error(`${child.spawnargs.join(' ')}: exit code ${code} before it was ready`);
  });
  const [ready] = (await Promise.race([once(lines, 'data'), exited])) as [Ready];
  exited.catch(() => undefined);
  return {
    port: ready.port,
    pid: child.pid ?? 0,
    ready,
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    },
  };
}
