/**
 * The ends of our own leases on the monotonic clock: when somebody sets the wall clock, turns of
 * this process neither lose their leases nor keep them for ever. Other processes know only the
 * wall-clock time that is written on the bus.
 */
import type { Clock } from '../clock.js';

export class OwnLeases {
  readonly #clock: Clock;
  readonly #ends = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  extend(token: string, leaseMs: number): void {
    this.#ends.set(token, this.#clock.monotonicMs() + leaseMs);
  }

  forget(token: string): void {
    this.#ends.delete(token);
  }

  /** Forgets all but these: a lease may end by what others do. */
  keepOnly(tokens: ReadonlySet<string>): void {
    for (const token of this.#ends.keys()) if (!tokens.has(token)) this.#ends.delete(token);
  }

  /** Whether the lease has run out; undefined when it is not one of ours. */
  isOver(token: string): boolean | undefined {
    const end = this.#ends.get(token);
    return end === undefined ? undefined : end <= this.#clock.monotonicMs();
  }
}
