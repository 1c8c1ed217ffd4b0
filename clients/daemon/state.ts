/** What a daemon notes of itself, for those who ask for it or stop it. */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { parseOwner } from '../../src/bus/index.js';
import { type Place, unusable } from './place.js';

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

/** Others are whole groups of processes. */
function isPid(pid: number | undefined): boolean {
  return Number.isSafeInteger(pid) && Number(pid) > 0;
}

/** @returns undefined when there is none, or it cannot be understood */
export function readState({ state }: Place): DaemonState | undefined {
  try {
    return State.parse(JSON.parse(readFileSync(state, 'utf8')));
  } catch {
    return undefined;
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
