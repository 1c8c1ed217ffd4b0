/** What a person sees while a command waits: one line on the terminal, and nothing when it is over. */
import { StatusLine } from './output.js';

/** A line that changes faster than this is not read. */
const MIN_BETWEEN_MS = 50;

export class Waiting {
  readonly #status = new StatusLine();
  readonly #startedMs = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #shownMs = Number.NEGATIVE_INFINITY;
  #what: () => string;

  /** @param what asked for the words about once a second, while a terminal shows them */
  constructor(what: () => string) {
    this.#what = what;
    if (!process.stderr.isTTY) return;
    this.#timer = setInterval(() => this.#show(), 1000);
    this.#show();
  }

  tell(what = this.#what): void {
    this.#what = what;
    const isSoon = performance.now() - this.#shownMs < MIN_BETWEEN_MS;
    if (this.#timer !== undefined && !isSoon) this.#show();
  }

  /** Makes room for what is printed; the line is back when something is told, or with the next second. */
  hide(): void {
    this.#status.clear();
    this.#shownMs = Number.NEGATIVE_INFINITY;
  }

  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#status.clear();
  }

  #show(): void {
    this.#shownMs = performance.now();
    const seconds = Math.floor((this.#shownMs - this.#startedMs) / 1000);
    this.#status.show(`${seconds} s  ${this.#what()}`);
  }
}
