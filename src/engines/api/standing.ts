/** What is known of the account behind an engine: what the last answers of its server said. */
import type { Clock } from '../../clock.js';
import type { EngineStatus } from '../engine.js';
import type { Tells } from './failure.js';

export class Standing {
  readonly #clock: Clock;
  #auth: EngineStatus['auth'] = 'unknown';
  /** Wall-clock milliseconds; infinite when nobody said when it ends. */
  #limitedUntilMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  nowMs(): number {
    return this.#clock.wallUs() / 1000;
  }

  answered(): void {
    this.#auth = 'ok';
    this.#limitedUntilMs = 0;
  }

  /** The server greeted: it takes the key, or does not look at it before it is asked. */
  greeted(): void {
    if (this.#auth === 'failed') this.#auth = 'unknown';
  }

  refused(tells: Tells): void {
    if (tells.of === 'auth') this.#auth = 'failed';
    if (tells.of !== 'limit') return;
    const { waitMs = Number.POSITIVE_INFINITY } = tells;
    this.#limitedUntilMs = Math.max(this.#limitedUntilMs, this.nowMs() + waitMs);
  }

  status(): EngineStatus {
    const untilMs = this.#limitedUntilMs;
    if (untilMs <= this.nowMs()) return { auth: this.#auth, limit: { state: 'ok' } };
    const resetAtMs = Number.isFinite(untilMs) ? Math.round(untilMs) : undefined;
    return { auth: this.#auth, limit: { state: 'limited', resetAtMs } };
  }
}
