/**
 * How many questions may be in flight. Each engine has slots of its own, so that one whose turns do
 * not end leaves the others theirs; all together have a few times as many, because anybody may name
 * any number of engines. Pure.
 *
 * An engine is the `model` of a question, or empty for the usual one.
 */

/** So many engines can be stuck, all their slots taken, before others have to wait. */
const STUCK_ENGINES = 3;

/** What a claim may take now. */
export interface Offer {
  /** At most so many questions; whichever engine they are for, it has room for all. */
  readonly limit: number;
  /** Engines without a free slot. */
  readonly full: readonly string[];
}

/** The most questions that can be in flight when each engine has so many slots. */
export function mostInFlight(perEngine: number): number {
  return perEngine * (STUCK_ENGINES + 1);
}

export class Slots {
  readonly #perEngine: number;
  readonly #taken = new Map<string, number>();
  #total = 0;

  constructor(perEngine: number) {
    this.#perEngine = perEngine;
  }

  /** Engines with questions in flight. */
  get engines(): number {
    return this.#taken.size;
  }

  take(engine: string): void {
    this.#taken.set(engine, (this.#taken.get(engine) ?? 0) + 1);
    this.#total += 1;
  }

  leave(engine: string): void {
    const taken = this.#taken.get(engine) ?? 0;
    if (taken === 0) return;
    this.#total -= 1;
    if (taken === 1) this.#taken.delete(engine);
    else this.#taken.set(engine, taken - 1);
  }

  offer(): Offer {
    let limit = Math.min(this.#perEngine, mostInFlight(this.#perEngine) - this.#total);
    const full: string[] = [];
    for (const [engine, taken] of this.#taken) {
      const free = this.#perEngine - taken;
      if (free <= 0) full.push(engine);
      else limit = Math.min(limit, free);
    }
    return { limit, full };
  }
}
