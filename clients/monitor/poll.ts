/** Waits for one message. */

import { shellWord } from '../../src/text.js';
import { MonitorError } from './errors.js';
import type { Follower } from './follower.js';
import { withFollower } from './shared.js';
import type { End, MessageCompleted, StatusChanged } from './status.js';

export const DEFAULT_TIMEOUT_MS = 300_000;

export interface WaitOptions {
  /** The bus file. */
  readonly db: string;
  /** Longest wait, from 1 to 2147483647; 300000 when absent. */
  readonly timeoutMs?: number | undefined;
  /** Called with where the message stands, and then with each change of it. */
  readonly onProgress?: ((change: StatusChanged) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Resolves with the answer to a message as soon as it is on the bus. However many are waited for at
 * once in a process, the bus is opened and watched once.
 * @throws MonitorError `failed`, `expired` or `timeout`
 * @throws BusError when the bus cannot be used
 * @throws RangeError when the id or the time is none
 * @throws the reason of the signal when that is aborted; what `onProgress` throws, too
 */
export async function pollUntilComplete(
  messageId: number,
  options: WaitOptions,
): Promise<MessageCompleted> {
  options.signal?.throwIfAborted();
  return await withFollower(options.db, (follower) => waitFor(follower, messageId, options));
}

export function waitFor(
  follower: Follower,
  messageId: number,
  { db, timeoutMs = DEFAULT_TIMEOUT_MS, onProgress, signal }: WaitOptions,
): Promise<MessageCompleted> {
  return new Promise((resolve, reject) => {
    const followed = follower.follow(messageId, timeoutMs, {
      status: (change) => {
        try {
          onProgress?.(change);
        } catch (error) {
          giveUp(error);
        }
      },
      content: () => undefined,
      end: (end) => {
        signal?.removeEventListener('abort', aborted);
        if (end.end === 'complete') resolve(end.told);
        else reject(errorOf(end, db, timeoutMs));
      },
      leave: () => undefined,
    });
    const aborted = () => giveUp(signal?.reason);
    function giveUp(error: unknown): void {
      signal?.removeEventListener('abort', aborted);
      follower.unfollow(followed);
      reject(error);
    }
    signal?.addEventListener('abort', aborted);
    if (signal?.aborted) aborted();
  });
}

function errorOf(end: Exclude<End, { end: 'complete' }>, db: string, timeoutMs: number) {
  const { messageId } = end.told;
  if (end.end === 'fail') {
    const { code, message } = end.told;
    return new MonitorError('failed', `message ${messageId}: ${code}: ${message}`, end.told);
  }
  if (end.told.reason === 'conversation') {
    return new MonitorError(
      'expired',
      `message ${messageId}: its conversation has expired; only an autopoll with --include-expired answers it`,
      end.told,
    );
  }
  return new MonitorError(
    'timeout',
    `message ${messageId} is not answered after ${timeoutMs} ms; it stays on the bus. Is an autopoll running? See: warmline doctor --db ${shellWord(db)}`,
    end.told,
  );
}
