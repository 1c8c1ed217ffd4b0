/**
 * How long to leave the bridge alone while it refuses work: each refusal in a row doubles the
 * pause, an answer ends it. Keeps an outage of hours from becoming a hot loop of claims.
 */
import type { Clock } from '../../src/clock.js';

const FIRST_MS = 250;
const LONGEST_MS = 15_000;

export class Outage {
  readonly #clock: Clock;
  #untilMs = 0;
  #nextMs = FIRST_MS;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  seen(): void {
    const now = this.#clock.monotonicMs();
    // Refusals of questions that were asked together count once.
    if (now < this.#untilMs) return;
    this.#untilMs = now + this.#nextMs;
    this.#nextMs = Math.min(this.#nextMs * 2, LONGEST_MS);
  }

  over(): void {
    this.#untilMs = 0;
    this.#nextMs = FIRST_MS;
  }

  /** Milliseconds until claiming makes sense again; 0 when it does now. */
  pauseMs(): number {
    return Math.max(0, this.#untilMs - this.#clock.monotonicMs());
  }
}
