/** What is known of the account, from what the turns met: for `health`, and for nothing else. */
import type { Clock } from '../../clock.js';
import type { WarmlineError } from '../../errors.js';
import type { EngineStatus } from '../engine.js';

export class Account {
  readonly #clock: Clock;
  #auth: EngineStatus['auth'] = 'unknown';
  #limited = false;
  #resetAtMs: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  answered(): void {
    this.#auth = 'ok';
    this.#limited = false;
    this.#resetAtMs = undefined;
  }

  failed({ code, retryAfterMs }: WarmlineError): void {
    if (code === 'engine_auth') this.#auth = 'failed';
    if (code !== 'engine_limit') return;
    // Who is told of a limit was let in.
    this.#auth = 'ok';
    this.#limited = true;
    this.#resetAtMs = retryAfterMs === undefined ? undefined : this.#nowMs() + retryAfterMs;
  }

  /** Milliseconds from now until a time on the wall clock. */
  untilMs(atMs: number | undefined): number | undefined {
    return atMs === undefined ? undefined : Math.max(0, atMs - this.#nowMs());
  }

  status(): EngineStatus {
    const isOver = this.#resetAtMs !== undefined && this.#resetAtMs <= this.#nowMs();
    if (!this.#limited || isOver) return { auth: this.#auth, limit: { state: 'ok' } };
    return { auth: this.#auth, limit: { state: 'limited', resetAtMs: this.#resetAtMs } };
  }

  #nowMs(): number {
    return this.#clock.wallUs() / 1000;
  }
}
