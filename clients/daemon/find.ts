/** Whether a daemon runs on a bus, and which process it is. */
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isRunning, thisProcess } from '../../src/bus/index.js';
import { isLocked, takeLock } from './lock.js';
import { type Place, requireOwn } from './place.js';
import { type DaemonState, dropState, readState } from './state.js';

export type Found =
  | { readonly at: 'absent' }
  /** Its process is the one noted, and no other that was given the same pid. */
  | { readonly at: 'running'; readonly state: DaemonState }
  /** One runs, and cannot be told from here: in another container, or its note was taken away. */
  | { readonly at: 'hidden'; readonly state: DaemonState | undefined };

/** A daemon that starts or ends has the lock for a moment without a note. In milliseconds. */
const PASSING_MS = 1_500;
const LOOK_AGAIN_MS = 20;

/**
 * The lock decides; what is noted only says who has it.
 * @throws ConfigError when the place cannot be used
 */
export async function findDaemon(place: Place): Promise<Found> {
  requireOwn(place);
  const deadline = performance.now() + PASSING_MS;
  for (;;) {
    const found = lookForDaemon(place);
    if (found.at !== 'hidden' || performance.now() >= deadline) return found;
    await sleep(LOOK_AGAIN_MS);
  }
}

/** The same as of this moment. */
export function lookForDaemon(place: Place): Found {
  if (!isLocked(place.lock)) return { at: 'absent' };
  const state = readState(place);
  if (state !== undefined && isRunning(state.owner, thisProcess())) return { at: 'running', state };
  return { at: 'hidden', state };
}

/**
 * Takes away what a daemon that died left noted, unless another one starts at this moment.
 * @returns whether there was any
 */
export function tidy(place: Place): boolean {
  if (!existsSync(place.state)) return false;
  const lock = takeLock(place.lock);
  if (lock === undefined) return false;
  dropState(place);
  lock.release();
  return true;
}
