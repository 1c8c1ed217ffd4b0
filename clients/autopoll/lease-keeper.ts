/**
 * Keeps the leases of running turns alive, but only while the bridge reports progress: a lease
 * renewed by a timer alone would hide a hang for ever. A turn that is being stopped keeps its lease
 * until it has stopped: nobody else may begin while it may still be at work.
 */

import type { Bus, Lease } from '../../src/bus/index.js';
import type { Clock } from '../../src/clock.js';

/** `cancelled`: its question was. */
type LostBecause = 'lost' | 'cancelled';

export interface KeptTurn {
  readonly lease: Lease;
  /** Ends the turn: it made no progress for too long, or its lease is lost. */
  giveUp(why: 'idle' | LostBecause): void;
}

export interface LeaseKeeperOptions {
  readonly bus: Pick<Bus, 'renew'>;
  readonly clock: Clock;
  readonly leaseMs: number;
  readonly renewEveryMs: number;
  /** A turn silent for longer is given up, in milliseconds. */
  readonly idleGapMs: number;
}

interface Kept {
  lastProgressMs: number;
  renewedMs: number;
  isStopping: boolean;
  isLost: boolean;
}

export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  readonly #turns = new Map<KeptTurn, Kept>();
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
    const nowMs = this.#options.clock.monotonicMs();
    this.#turns.set(turn, {
      lastProgressMs: nowMs,
      renewedMs: nowMs,
      isStopping: false,
      isLost: false,
    });
  }

  progress(turn: KeptTurn): void {
    const kept = this.#turns.get(turn);
    if (kept) kept.lastProgressMs = this.#options.clock.monotonicMs();
  }

  /** From now on the lease is kept whatever the turn does; whoever stops it sets the deadline. */
  stopping(turn: KeptTurn): void {
    const kept = this.#turns.get(turn);
    if (kept === undefined || kept.isStopping) return;
    kept.isStopping = true;
    void this.#renew(turn);
  }

  /** The turn is told once, and its lease is not renewed any more. */
  lose(turn: KeptTurn, why: LostBecause): void {
    const kept = this.#turns.get(turn);
    if (kept === undefined || kept.isLost) return;
    kept.isLost = true;
    turn.giveUp(why);
  }

  /**
   * Renews what ought to have been renewed already. After this process stood still, its own reaper
   * would else hand out questions that its own turns are still at work on.
   */
  catchUp(): void {
    const { clock, renewEveryMs } = this.#options;
    const lateMs = clock.monotonicMs() - 1.5 * renewEveryMs;
    for (const [turn, { renewedMs }] of this.#turns) {
      if (renewedMs < lateMs) void this.#renew(turn);
    }
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
    for (const [turn, { lastProgressMs, isStopping, isLost }] of [...this.#turns]) {
      if (!isStopping && !isLost && now - lastProgressMs >= idleGapMs) turn.giveUp('idle');
      else void this.#renew(turn);
    }
  }

  async #renew(turn: KeptTurn): Promise<void> {
    const { bus, clock, leaseMs } = this.#options;
    const entry = this.#turns.get(turn);
    if (entry === undefined || entry.isLost) return;
    entry.renewedMs = clock.monotonicMs();
    // A renewal that fails is not a lost lease: the next pass, or the fence, decides.
    const kept = await bus.renew(turn.lease, leaseMs).catch(() => 'kept' as const);
    if (kept === 'lost') this.lose(turn, 'lost');
  }
}
