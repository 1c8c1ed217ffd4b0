import type { UserMessage } from './sdk.js';

/** What a process is told, for as long as it lives: it ends only when told so. */
export class Input implements AsyncIterable<UserMessage> {
  readonly #waiting: UserMessage[] = [];
  #wake: (() => void) | undefined;
  #ended = false;

  push(message: UserMessage): void {
    this.#waiting.push(message);
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<UserMessage> {
    for (;;) {
      const message = this.#waiting.shift();
      if (message !== undefined) {
        yield message;
      } else if (this.#ended) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}
