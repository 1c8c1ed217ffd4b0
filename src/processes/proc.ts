/** Processes as Linux shows them in /proc (proc(5)); everything is empty where there is no /proc. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';

export const HAS_PROC = existsSync('/proc/self/stat');

/** A process that cannot be mistaken for a later one that was given the same number. */
export interface Identity {
  readonly pid: number;
  /** When it started, in clock ticks since the machine did. */
  readonly startTicks: number;
}

export interface Stat extends Identity {
  readonly parent: number;
  readonly group: number;
  readonly session: number;
}

/** A process that runs, stopped ones included; undefined for one that is gone or a zombie. */
function statOf(pid: number): Stat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return undefined;
  }
}

export function isRunning({ pid, startTicks }: Identity): boolean {
  return statOf(pid)?.startTicks === startTicks;
}

/** When a process started, even if it is a zombie by now. */
export function startTicksOf(pid: number): number | undefined {
  try {
    return Number(fields(readFileSync(`/proc/${pid}/stat`, 'latin1'))[19]);
  } catch {
    return undefined;
  }
}

/** Every process that runs. */
export async function listProcesses(): Promise<Stat[]> {
  const names = (await readdir('/proc')).filter((name) => /^[1-9]\d*$/.test(name));
  const stats = await Promise.all(
    names.map(async (name) => {
      const text = await readFile(`/proc/${name}/stat`, 'latin1').catch(() => '');
      return parseStat(text);
    }),
  );
  return stats.filter((stat) => stat !== undefined);
}

/** Whether a process was started with this text in its environment; false when we may not know. */
export async function environmentHas(pid: number, text: string): Promise<boolean> {
  const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
  return environment.split('\0').includes(text);
}

/** Of the threads of a family, which each have children of their own, so many are asked. */
const MOST_THREADS = 2000;

/**
 * A process and its descendants, without a look at any other process; of a family larger than
 * `most` the nearest. The work grows with what is found, and not beyond bounds.
 */
export function descendants(root: Identity, most: number): number[] {
  if (!isRunning(root)) return [];
  const found = new Set([root.pid]);
  let threadsLeft = MOST_THREADS;
  // Grows while it is walked: each process found is asked for its children in turn.
  for (const pid of found) {
    const threads = threadsOf(pid).slice(0, threadsLeft);
    threadsLeft -= threads.length;
    for (const child of childrenOf(pid, threads)) if (found.size < most) found.add(child);
    if (found.size >= most || threadsLeft === 0) break;
  }
  return [...found].filter((pid) => statOf(pid) !== undefined);
}

/** Resident bytes of a process (VmRSS); pages it shares with others count in full. */
export function residentBytes(pid: number): number {
  const status = read(`/proc/${pid}/status`);
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}

function childrenOf(pid: number, threads: readonly string[]): number[] {
  return threads
    .flatMap((thread) => read(`/proc/${pid}/task/${thread}/children`).split(' '))
    .filter(Boolean)
    .map(Number);
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

function parseStat(text: string): Stat | undefined {
  const [state = 'X', parent, group, session, ...rest] = fields(text);
  if ('ZX'.includes(state)) return undefined;
  return {
    pid: Number.parseInt(text, 10),
    parent: Number(parent),
    group: Number(group),
    session: Number(session),
    startTicks: Number(rest[15]),
  };
}

/** From the state on: the command name before it may hold spaces and brackets. */
function fields(text: string): string[] {
  const end = text.lastIndexOf(')');
  return end === -1 ? [] : text.slice(end + 2).split(' ');
}

function read(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
