/** Programs of trees under test: what they are, and what is still running of them. */
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';
import { cleanEnvironment, type ProcessTree, spawnTree } from '../../src/processes/index.js';
import { tempDir } from '../support/process.js';

export interface Grown {
  readonly tree: ProcessTree;
  /** The lines of standard output, one after the other. */
  line(): Promise<string>;
}

/** Starts a program; whatever is left of it is killed when the test ends. */
export function grow(command: string, args: readonly string[]): Grown {
  const env = cleanEnvironment(process.env);
  const tree = spawnTree({ command, args, cwd: tempDir(), env });
  onTestFinished(() => tree.kill());
  const lines = createInterface({ input: tree.stdout })[Symbol.asyncIterator]();
  return { tree, line: async () => (await lines.next()).value };
}

export function shell(script: string): Grown {
  return grow('sh', ['-c', script]);
}

export function node(script: string): Grown {
  return grow(process.execPath, ['-e', script]);
}

/** Running processes that were started with this text in their environment. */
export function carriersOf(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => read(`/proc/${pid}/environ`).includes(text))
    .map(Number);
}

export function markOf(pid: number): string {
  return /WARMLINE_TREE=([^\0]+)/.exec(read(`/proc/${pid}/environ`))?.[1] ?? '';
}

/** The guards a process has started that run. */
export function guardsOf(pid: number): number[] {
  return read(`/proc/${pid}/task/${pid}/children`)
    .split(' ')
    .filter((child) => read(`/proc/${child}/cmdline`).includes('warmline-guard'))
    .map(Number);
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
