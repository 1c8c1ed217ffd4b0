/** Processes as a daemon notes itself. */
import { readFileSync } from 'node:fs';
import { formatOwner, type Owner, thisProcess } from '../../src/bus/index.js';

/** Field of `/proc/PID/stat`, counted from the state, which is 0. */
export function statField(pid: number, index: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[index] ?? '';
}

/** @param other what is noted wrongly */
export function ownerOf(pid: number, other: Partial<Owner> = {}): string {
  return formatOwner({ ...thisProcess(), pid, start: statField(pid, 19), ...other });
}
