import type { After, Clock } from '../clock.js';

/** Node runs a longer timer at once; looking up early is harmless. */
const LONGEST_MS = 2 ** 30;

/**
 * One timer for every deadline of a pool. A turn costs a comparison, not a timer: the alarm is set
 * to the earliest deadline it was told of, rings, and whoever hears it says when to ring next.
 */
export class Alarm {
  readonly #clock: Clock;
  readonly #after: After;
  readonly #ring: (nowMs: number) => void;
  #setFor = Number.POSITIVE_INFINITY;
  #callOff: (() => void) | undefined;

  constructor(clock: Clock, after: After, ring: (nowMs: number) => void) {
    this.#clock = clock;
    this.#after = after;
    this.#ring = ring;
  }

  /** Rings at `dueMs` (monotonic) or earlier. */
  by(dueMs: number): void {
    if (dueMs >= this.#setFor) return;
    this.#callOff?.();
    this.#setFor = dueMs;
    const delayMs = Math.min(Math.max(0, dueMs - this.#clock.monotonicMs()), LONGEST_MS);
    // Rounded up: a timer that fires a fraction early would look, find nothing due and be set again.
    this.#callOff = this.#after(Math.ceil(delayMs), () => {
      this.off();
      this.#ring(this.#clock.monotonicMs());
    });
  }

  off(): void {
    this.#callOff?.();
    this.#callOff = undefined;
    this.#setFor = Number.POSITIVE_INFINITY;
  }
}
