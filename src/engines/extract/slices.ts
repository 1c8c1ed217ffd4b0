/**
 * Runs long work in short slices, so that the event loop stays free. All work shares one slice for
 * each turn of the loop: ten large files at once delay a neighbour no more than one does.
 */
import type { Clock } from '../../clock.js';

/** How long one slice works, in milliseconds. */
const SLICE_MS = 4;

/** Work that yields wherever it may be interrupted, many times in a slice. */
type Work<T> = Generator<undefined, T>;

interface Job {
  /** Works until the clock says so; true when there is nothing left to do. */
  run(untilMs: number): boolean;
}

export class Slices {
  readonly #clock: Clock;
  readonly #jobs: Job[] = [];
  #scheduled = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves with what `work` returns; rejects with the signal's reason when it is aborted. */
  run<T>(work: Work<T>, signal: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#jobs.push({
        run: (untilMs) => {
          try {
            signal.throwIfAborted();
            do {
              const step = work.next();
              if (step.done === true) {
                resolve(step.value);
                return true;
              }
            } while (this.#clock.monotonicMs() < untilMs);
            return false;
          } catch (error) {
            reject(error);
            return true;
          }
        },
      });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled || this.#jobs.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      const job = this.#jobs.shift();
      if (job !== undefined && !job.run(this.#clock.monotonicMs() + SLICE_MS)) this.#jobs.push(job);
      this.#schedule();
    });
  }
}
