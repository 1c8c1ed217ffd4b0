/** What stands between the autopoll and its bus: the lock of another program, or worse. */
import type { BusError } from '../../src/bus/index.js';
import type { Clock } from '../../src/clock.js';

export class BusTrouble {
  readonly #clock: Clock;
  #standing: { readonly code: string; readonly sinceMs: number } | undefined;
  /** The longest wait for a lock that ended since the last look. */
  #endedLockMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param waitedMs how long writes have been waiting by now */
  began({ code }: Pick<BusError, 'code'>, waitedMs: number): void {
    this.#standing = { code, sinceMs: this.#clock.monotonicMs() - waitedMs };
  }

  ended(waitedMs: number): void {
    if (this.#standing?.code === 'bus_busy') {
      this.#endedLockMs = Math.max(this.#endedLockMs, waitedMs);
    }
    this.#standing = undefined;
  }

  /** As of now; what has ended is told once. */
  look(): { readonly lockMs: number; readonly trouble: string | undefined } {
    const standing = this.#standing;
    const endedMs = this.#endedLockMs;
    this.#endedLockMs = 0;
    if (standing?.code !== 'bus_busy') return { lockMs: endedMs, trouble: standing?.code };
    const waitingMs = this.#clock.monotonicMs() - standing.sinceMs;
    return { lockMs: Math.max(endedMs, waitingMs), trouble: undefined };
  }
}
