import type { Answer, Listener, Outcome, Progress, StreamEvent } from './answer.js';

/**
 * An answer as it comes. Iterate it for progress and deltas; leaving the loop early cancels the
 * question. `answer` settles whether or not anyone iterates.
 *
 * A slow reader costs no more memory than the answer: deltas that wait are joined into one, and
 * of the progress that waits only the last is kept.
 */
export class AnswerStream implements AsyncIterable<StreamEvent> {
  /** The whole answer. Rejects with a `BridgeError`, as `ask` does. */
  readonly answer: Promise<Answer>;
  readonly #cancel: () => void;
  #text = '';
  #progress: Progress | undefined;
  #outcome: Outcome<Answer> | undefined;
  #wake: () => void = () => {};

  /** @param start begins the request with the stream's listener and returns how to cancel it */
  constructor(start: (listener: Listener<Answer>) => () => void) {
    let settle: (outcome: Outcome<Answer>) => void = () => {};
    this.answer = new Promise((resolve, reject) => {
      settle = (outcome) => (outcome.ok ? resolve(outcome.value) : reject(outcome.error));
    });
    // The loop throws the same error: a caller who only iterates has handled it.
    this.answer.catch(() => {});
    this.#cancel = start({
      delta: (text) => {
        this.#text += text;
        this.#wake();
      },
      progress: (progress) => {
        this.#progress = progress;
        this.#wake();
      },
      done: (outcome) => {
        this.#outcome = outcome;
        settle(outcome);
        this.#wake();
      },
    });
  }

  /** Stops the question: the loop and `answer` fail with `cancelled` unless they are through. */
  cancel(): void {
    this.#cancel();
  }

  /** @throws BridgeError when the question failed, after everything that came before it */
  async *[Symbol.asyncIterator](): AsyncGenerator<StreamEvent, void, undefined> {
    try {
      for (;;) {
        const event = this.#takeEvent();
        if (event !== undefined) yield event;
        else if (this.#outcome?.ok === true) return;
        else if (this.#outcome?.ok === false) throw this.#outcome.error;
        else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      this.#cancel();
    }
  }

  #takeEvent(): StreamEvent | undefined {
    if (this.#progress !== undefined) {
      const progress = this.#progress;
      this.#progress = undefined;
      return progress;
    }
    if (this.#text === '') return undefined;
    const text = this.#text;
    this.#text = '';
    return { type: 'delta', text };
  }
}
