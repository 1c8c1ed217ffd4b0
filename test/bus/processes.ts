/** Other programs on the bus, as real processes that are gone when the test ends. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';

export interface Peer {
  readonly child: ChildProcess;
  readonly pid: number;
  /** The next line it says on standard output. */
  line(): Promise<string>;
  say(line: string): void;
  /** Resolves with the exit code, once it has ended by itself or by a signal. */
  readonly ended: Promise<number | null>;
}

/** Runs a script of `test/bus/python`. */
export function python(script: string, ...words: string[]): Peer {
  return run('python3', [join(import.meta.dirname, 'python', script), ...words]);
}

/** Runs a script of `test/bus/children` against the built program. */
export function node(script: string, words: readonly string[], uid?: number): Peer {
  const file = join(import.meta.dirname, 'children', script);
  return run(process.execPath, [file, ...words], uid);
}

function run(command: string, words: readonly string[], uid?: number): Peer {
  const child = spawn(command, words, {
    stdio: ['pipe', 'pipe', 'inherit'],
    ...(uid !== undefined && { uid, gid: uid, cwd: '/' }),
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  child.stdin.on('error', () => undefined);
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    child,
    pid: child.pid ?? 0,
    line: async () => {
      const next = await lines.next();
      if (next.done) throw new Error(`${words[0]} ended (exit ${await ended})`);
      return next.value;
    },
    say: (line) => void child.stdin.write(`${line}\n`),
    ended,
  };
}
