/**
 * Keeps the leases of running turns alive, but only while the bridge reports progress: a lease
 * renewed by a timer alone would hide a hang for ever.
 */

import type { Bus, Lease } from '../../src/bus/index.js';
import type { Clock } from '../../src/clock.js';

export interface KeptTurn {
  readonly lease: Lease;
  /** Ends the turn: its lease is lost, or it made no progress for too long. */
  giveUp(why: 'lost' | 'idle'): void;
}

export interface LeaseKeeperOptions {
  readonly bus: Pick<Bus, 'renew'>;
  readonly clock: Clock;
  readonly leaseMs: number;
  readonly renewEveryMs: number;
  /** A turn silent for longer is given up, in milliseconds. */
  readonly idleGapMs: number;
}

export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  readonly #turns = new Map<KeptTurn, { lastProgressMs: number }>();
  readonly #timer: NodeJS.Timeout;

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#pass(), options.renewEveryMs);
  }

  get turns(): Iterable<KeptTurn> {
    return this.#turns.keys();
  }

  get size(): number {
    return this.#turns.size;
  }

  add(turn: KeptTurn): void {
    this.#turns.set(turn, { lastProgressMs: this.#options.clock.monotonicMs() });
  }

  progress(turn: KeptTurn): void {
    const kept = this.#turns.get(turn);
    if (kept) kept.lastProgressMs = this.#options.clock.monotonicMs();
  }

  remove(turn: KeptTurn): void {
    this.#turns.delete(turn);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #pass(): void {
    const { clock, idleGapMs } = this.#options;
    const now = clock.monotonicMs();
    for (const [turn, { lastProgressMs }] of [...this.#turns]) {
      if (now - lastProgressMs >= idleGapMs) turn.giveUp('idle');
      else void this.#renew(turn);
    }
  }

  async #renew(turn: KeptTurn): Promise<void> {
    const { bus, leaseMs } = this.#options;
    // A renewal that fails is not a lost lease: the next pass, or the fence, decides.
    const kept = await bus.renew(turn.lease, leaseMs).catch(() => 'kept' as const);
    if (kept === 'lost' && this.#turns.has(turn)) turn.giveUp('lost');
  }
}
