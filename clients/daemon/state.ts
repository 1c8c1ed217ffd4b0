/** What a daemon notes of itself, for those who ask for it or stop it. */
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { z } from 'zod';
import { parseOwner } from '../../src/bus/index.js';
import { isOwn, type Place, unusable } from './place.js';

const text = z.string().max(8192);

const State = z.object({
  /** The process: boot, pid namespace, pid and start time, as leases name their holder. */
  owner: text.refine((owner) => isPid(parseOwner(owner)?.pid)),
  /** Microseconds since the epoch. */
  startedAtUs: z.int().nonnegative(),
  db: text,
  session: z.enum(['a', 'b']),
  log: text,
  /** How long it waits for what runs when it is told to stop, in milliseconds. */
  drainMs: z.int().nonnegative(),
  /** The bridge it asks. */
  bridge: z.object({ host: text, port: z.int(), socket: text.optional() }),
});

export type DaemonState = Readonly<z.infer<typeof State>>;

/** Others are whole groups of processes, and the group of 1 is everybody. */
function isPid(pid: number | undefined): boolean {
  return Number.isSafeInteger(pid) && Number(pid) > 1;
}

/** @returns undefined when there is none of this user, or it cannot be understood */
export function readState({ state }: Place): DaemonState | undefined {
  try {
    return State.parse(JSON.parse(readOwn(state)));
  } catch {
    return undefined;
  }
}

const MAX_BYTES = 65_536;

/** What others have written could name any process of ours. */
function readOwn(file: string): string {
  const { O_RDONLY, O_NONBLOCK, O_NOFOLLOW } = constants;
  const descriptor = openSync(file, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
  try {
    const stats = fstatSync(descriptor);
    const isGood = stats.isFile() && stats.size <= MAX_BYTES && isOwn(stats);
    return isGood ? readFileSync(descriptor, 'utf8') : '';
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Whole or not there, whenever it is read. Only for the holder of the lock.
 * @throws ConfigError
 */
export function writeState({ state }: Place, given: DaemonState): void {
  try {
    writeFileSync(`${state}.new`, `${JSON.stringify(given)}\n`, { mode: 0o600 });
    renameSync(`${state}.new`, state);
  } catch (cause) {
    throw unusable(state, cause);
  }
}

/** Only for the holder of the lock. */
export function dropState({ state }: Place): void {
  rmSync(state, { force: true });
}

export function pidOf({ owner }: DaemonState): number {
  return parseOwner(owner)?.pid ?? 0;
}
