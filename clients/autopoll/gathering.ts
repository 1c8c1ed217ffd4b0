/**
 * Brings together what is to be written together: answers that share a transaction cost less, and
 * others may be on their way. They are waited for only from one turn of the event loop to the next,
 * while more come, and up to half of what is in flight: the bridge works on the other half meanwhile.
 */

/** A turn of the event loop takes some microseconds; so many of them end a wait in any case. */
const MAX_ROUNDS = 8;

export interface GatheringOptions<T> {
  /** What is still to come. */
  readonly inFlight: () => number;
  /** Called soon, and once for all that came in until then; also for nothing, after `soon`. */
  readonly deliver: (items: readonly T[]) => void;
}

export class Gathering<T> {
  readonly #options: GatheringOptions<T>;
  #items: T[] = [];
  #isScheduled = false;

  constructor(options: GatheringOptions<T>) {
    this.#options = options;
  }

  add(item: T): void {
    this.#items.push(item);
    this.soon();
  }

  soon(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#wait(0, 0);
  }

  #wait(before: number, rounds: number): void {
    setImmediate(() => {
      const count = this.#items.length;
      const isGrowing = count > before && rounds < MAX_ROUNDS;
      if (isGrowing && count < this.#options.inFlight()) this.#wait(count, rounds + 1);
      else this.#deliver();
    });
  }

  #deliver(): void {
    this.#isScheduled = false;
    const items = this.#items;
    this.#items = [];
    this.#options.deliver(items);
  }
}
