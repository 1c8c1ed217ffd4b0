/**
 * Who holds a lease, in a form that lets another process prove the holder is gone: a process id
 * alone is reused, and means nothing after a reboot or in another container.
 */
import { readFileSync, readlinkSync } from 'node:fs';

export interface Owner {
  /** The first eight digits of the boot id: they only have to tell one boot from the next. */
  readonly boot: string;
  readonly namespace: string;
  readonly pid: number;
  /** Start time in clock ticks since boot, field 22 of `/proc/PID/stat`; empty where unknown. */
  readonly start: string;
}

export function thisProcess(): Owner {
  return {
    boot: readOr('/proc/sys/kernel/random/boot_id', '').slice(0, 8),
    namespace: pidNamespace(),
    pid: process.pid,
    start: startTime(process.pid) ?? '',
  };
}

/** Kept short: it stands in every lane that is leased, and is written with each claim. */
export function formatOwner(owner: Owner): string {
  return [owner.boot, owner.namespace, owner.pid, owner.start].join('/');
}

export function parseOwner(text: string): Owner | undefined {
  const [boot, namespace, pid, start] = text.split('/');
  if (boot === undefined || namespace === undefined || start === undefined) return undefined;
  return { boot, namespace, pid: Number(pid), start };
}

/**
 * True only when the owner provably no longer runs. In doubt (another pid namespace, a `/proc`
 * that is absent or hides the processes of others) the answer is false, and the lease has to run out.
 */
export function isGone(text: string, here: Owner): boolean {
  const owner = parseOwner(text);
  if (!owner || owner.boot === '' || here.boot === '') return false;
  if (owner.boot !== here.boot) return true;
  if (owner.namespace !== here.namespace || owner.start === '') return false;
  if (isFree(owner.pid)) return true;
  const start = startTime(owner.pid);
  return start !== undefined && start !== owner.start;
}

/**
 * True only when the owner provably runs now, as one of the processes we can see: a signal to its
 * pid reaches it and nobody else. In doubt the answer is false.
 */
export function isRunning(text: string, here: Owner): boolean {
  const owner = parseOwner(text);
  if (!owner || owner.boot === '' || owner.start === '') return false;
  const isSeen = owner.boot === here.boot && owner.namespace === here.namespace;
  return isSeen && startTime(owner.pid) === owner.start;
}

function isFree(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

/** @returns undefined when it cannot be seen, and an empty text for a zombie: nobody started then */
function startTime(pid: number): string | undefined {
  const stat = readOr(`/proc/${pid}/stat`, '');
  if (stat === '') return undefined;
  // The second field is the program's name in brackets and may hold spaces and brackets itself.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const state = fields[0];
  return state === 'Z' || state === 'X' ? '' : fields[19];
}

function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid').replace(/\D/g, '');
  } catch {
    return '';
  }
}

function readOr(path: string, fallback: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return fallback;
  }
}
