/** Puts an answer together while it is streamed. */
import { fault } from '../../errors.js';
import { WholeCharacters } from '../characters.js';
import type { Usage } from '../engine.js';
import { KeyMask } from './key-mask.js';
import type { Piece } from './model-api.js';

interface Answer {
  readonly text: string;
  readonly stopReason: string;
  readonly usage: Usage | undefined;
}

export class Draft {
  readonly #emit: (text: string) => void;
  readonly #mask: KeyMask;
  readonly #parts: string[] = [];
  readonly #characters = new WholeCharacters();
  #usage: Usage | undefined;
  #stopReason: string | undefined;

  /** @param key of the server that answers: it is in no answer */
  constructor(emit: (text: string) => void, key?: string) {
    this.#emit = emit;
    this.#mask = new KeyMask(key);
  }

  add(piece: Piece): void {
    if (piece.type === 'usage') this.#usage = piece.usage;
    else if (piece.type === 'stop') this.#stopReason = this.#mask.whole(piece.reason);
    else this.#write(piece.text);
  }

  /**
   * @throws WarmlineError `engine_error` when it is cut off or empty, `bad_request` when the model
   *   refuses to say anything
   */
  finish(): Answer {
    const stopReason = this.#stopReason;
    if (stopReason === undefined) {
      throw fault('engine_error', 'the answer broke off before its end; ask again');
    }
    this.#send(this.#mask.push(this.#characters.end()));
    this.#send(this.#mask.end());
    const text = this.#parts.join('');
    if (text.trim() === '') throw empty(stopReason);
    return { text, stopReason, usage: this.#usage };
  }

  #write(piece: string): void {
    this.#send(this.#mask.push(this.#characters.push(piece)));
  }

  #send(text: string): void {
    if (text === '') return;
    this.#parts.push(text);
    this.#emit(text);
  }
}

function empty(stopReason: string) {
  if (stopReason === 'refusal') {
    return fault('bad_request', 'the model refuses to answer this; ask in other words');
  }
  if (stopReason === 'max_tokens') {
    return fault(
      'engine_error',
      'the model used up its output tokens before it said anything; allow it more',
    );
  }
  return fault('engine_error', `the answer is empty (${stopReason}); ask again`);
}
