import type { Clock } from '../../clock.js';

/** However many pages ask, one look serves all that come within a time of it. */
export class Shared<T> {
  readonly #forMs: number;
  readonly #clock: Clock;
  readonly #look: () => Promise<T>;
  #last: { readonly atMs: number; readonly found: Promise<T> } | undefined;

  /** @param forMs how long what was found is given out, in milliseconds */
  constructor(forMs: number, clock: Clock, look: () => Promise<T>) {
    this.#forMs = forMs;
    this.#clock = clock;
    this.#look = look;
  }

  get(): Promise<T> {
    const atMs = this.#clock.monotonicMs();
    if (this.#last === undefined || atMs - this.#last.atMs > this.#forMs) {
      this.#last = { atMs, found: this.#look() };
    }
    return this.#last.found;
  }
}
