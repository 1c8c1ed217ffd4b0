/** Stops a daemon: lets it finish what runs, and ends it when that takes too long. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isRunning, thisProcess } from '../../src/bus/index.js';
import { type DaemonState, pidOf } from './state.js';

type Stopped =
  /** It has ended by itself; `forced`: it was killed, with whatever it had started. */
  | { readonly did: 'stop'; readonly forced: boolean }
  /** It runs on: the signal was refused, or did not end it. */
  | { readonly did: 'fail'; readonly why: string };

const LOOK_EVERY_MS = 20;
/** The kernel ends a killed process at once, unless it waits for a disk. */
const KILLED_MS = 5_000;

/**
 * @param timeoutMs how long it may take before it is killed
 * @param tell called again and again while it is waited for, with the time that has passed
 */
export async function stopDaemon(
  state: DaemonState,
  timeoutMs: number,
  tell: (waitedMs: number) => void,
): Promise<Stopped> {
  const pid = pidOf(state);
  try {
    if (signal(state, pid, 'SIGTERM') && !(await gone(state, timeoutMs, tell))) {
      // Its whole group: what it had started would be left behind.
      if (signal(state, -pid, 'SIGKILL') && !(await gone(state, KILLED_MS, () => undefined))) {
        return { did: 'fail', why: 'it does not end, it waits for a disk' };
      }
      return { did: 'stop', forced: true };
    }
    return { did: 'stop', forced: false };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
    return { did: 'fail', why: 'it belongs to another user' };
  }
}

/** Sent to no other process that was given the same pid. @returns false when it is gone already */
function signal(state: DaemonState, to: number, name: NodeJS.Signals): boolean {
  if (!isRunning(state.owner, thisProcess())) return false;
  try {
    process.kill(to, name);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

async function gone(
  { owner }: DaemonState,
  timeoutMs: number,
  tell: (waitedMs: number) => void,
): Promise<boolean> {
  const here = thisProcess();
  const startMs = performance.now();
  while (isRunning(owner, here)) {
    const waitedMs = performance.now() - startMs;
    if (waitedMs >= timeoutMs) return false;
    tell(waitedMs);
    await sleep(LOOK_EVERY_MS);
  }
  return true;
}
