import { readFileSync } from 'node:fs';

export interface ProcessCount {
  /** Child processes of this one, dead but unreaped ones included. */
  readonly children: number;
  readonly zombies: number;
}

/**
 * Counts this process's children as the kernel sees them, so that a child nobody remembers is
 * counted too. `known` are children to look at where the kernel does not list them.
 */
export function countProcesses(known: readonly number[]): ProcessCount {
  const states = [...new Set([...listChildren(), ...known])].map(stateOf);
  return {
    children: states.filter((state) => state !== undefined).length,
    zombies: states.filter((state) => state === 'Z').length,
  };
}

function listChildren(): number[] {
  const list = read(`/proc/self/task/${process.pid}/children`) ?? '';
  return list.split(' ').filter(Boolean).map(Number);
}

/** The state letter of a process whose parent we are, or undefined when it is gone. */
function stateOf(pid: number): string | undefined {
  const stat = read(`/proc/${pid}/stat`);
  // The command name may hold spaces and brackets; the fields we want follow the last bracket.
  const [state, parent] = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  return Number(parent) === process.pid ? state : undefined;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined; // gone since it was listed, or a system without /proc
  }
}
