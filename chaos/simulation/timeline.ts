/**
 * Virtual time. What is due at the same moment runs side by side, in an order that chance decides:
 * steps of different processes then fall between each other's, as they do on a real machine.
 */
import type { Clock } from '../../src/clock.js';

/** Moments are this far apart, in milliseconds: coarse, so that many things happen at once. */
const GRID_MS = 100;

type Act = () => Promise<void>;

interface Moment {
  readonly atMs: number;
  readonly acts: Act[];
}

export class Timeline implements Clock {
  readonly #random: () => number;
  readonly #moments: Moment[] = [];
  #nowMs = 0;
  #wallAheadMs = Date.UTC(2026, 10, 20, 23);
  /** By how much the wall clock was set back, altogether, in milliseconds. */
  setBackMs = 0;
  wasSet = false;
  /** Acts that have run. */
  steps = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallUs(): number {
    return (this.#wallAheadMs + this.#nowMs) * 1000;
  }

  /** Somebody sets the wall clock. */
  setWall(byMs: number): void {
    this.#wallAheadMs += byMs;
    this.setBackMs += Math.max(0, -byMs);
    this.wasSet = true;
  }

  after(delayMs: number, act: Act): void {
    const atMs = this.#nowMs + Math.ceil(Math.max(0, delayMs) / GRID_MS) * GRID_MS;
    const later = this.#moments.findIndex((moment) => moment.atMs >= atMs);
    const found = this.#moments[later];
    if (found?.atMs === atMs) found.acts.push(act);
    else
      this.#moments.splice(later === -1 ? this.#moments.length : later, 0, { atMs, acts: [act] });
  }

  /** Runs one moment. @returns false when nothing is left to happen */
  async next(): Promise<boolean> {
    const moment = this.#moments.shift();
    if (moment === undefined) return false;
    this.#nowMs = moment.atMs;
    const acts = shuffled(moment.acts, this.#random);
    this.steps += acts.length;
    await Promise.all(acts.map((act) => act()));
    return true;
  }
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((one, other) => one.at - other.at)
    .map(({ item }) => item);
}
