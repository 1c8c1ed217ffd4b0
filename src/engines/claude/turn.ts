/**
 * One turn as it is heard: what is said on to the asker, when to interrupt, and how it ended. It
 * does no input or output of its own.
 */
import { fault, type WarmlineError } from '../../errors.js';
import { WholeCharacters } from '../characters.js';
import type { TurnEvent, TurnResult } from '../engine.js';
import { brokenOff, emptyAnswer, explain } from './failures.js';
import type { Heard, Result } from './messages.js';

/** What the program waits when the API did not say how long, at most, in milliseconds. */
const OWN_DELAY_MS = 1000;

export interface Answered {
  readonly answer: string;
  readonly conversation: string | undefined;
  readonly usage: TurnResult['usage'];
  readonly stopReason: string | undefined;
}

export class TurnHeard {
  /** Resolves or rejects when the process has finished with the question. */
  readonly outcome: Promise<Answered>;
  /** The `uuid` of the question, once it was sent. */
  question: string | undefined;

  readonly #emit: (event: TurnEvent) => void;
  readonly #showable: (text: string) => string;
  #resolve!: (answered: Answered) => void;
  #reject!: (why: WarmlineError) => void;
  #why: WarmlineError | undefined;
  #over = false;
  #text = '';
  readonly #characters = new WholeCharacters();
  #message: 'none' | 'open' | 'ended' = 'none';
  #broken = false;
  #begun = false;
  #kind: string | undefined;
  #waitMs: number | undefined;

  /** @param showable makes text of the program fit to be read by an asker */
  constructor(emit: (event: TurnEvent) => void, showable: (text: string) => string) {
    this.#emit = emit;
    this.#showable = showable;
    this.outcome = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Whoever runs the turn may be elsewhere when it fails.
    this.outcome.catch(() => {});
  }

  /** Why the turn is to stop, when it is. */
  get why(): WarmlineError | undefined {
    return this.#why;
  }

  get isOver(): boolean {
    return this.#over;
  }

  /** An interrupt sent before the process began the turn would be lost. */
  get canBeInterrupted(): boolean {
    return this.#begun && !this.#over;
  }

  /** The turn is not wanted any more; it ends when the process has really stopped. */
  stop(why: WarmlineError): void {
    this.#why ??= why;
    this.#text = '';
  }

  /** The turn ends now, whatever the process does. */
  fail(why: WarmlineError): void {
    this.#over = true;
    this.#reject(this.#why ?? why);
  }

  /** @param waitMs how long the account is limited, where that is known */
  hear(heard: Heard, waitMs?: number): void {
    if (this.#over) return;
    switch (heard.type) {
      case 'init':
        this.#begun = this.question !== undefined;
        return;
      case 'began':
        this.#broken ||= this.#message === 'open' && this.#text !== '';
        this.#message = 'open';
        this.#tell({ type: 'progress', stage: 'generating_response' });
        return;
      case 'text':
        // Of a turn that is to stop nothing is kept, however long the process goes on.
        if (this.#why === undefined) this.#send(this.#characters.push(heard.text));
        return;
      case 'ended':
        this.#message = 'ended';
        this.#tell({ type: 'alive' });
        return;
      case 'alive':
        this.#tell({ type: 'alive' });
        return;
      case 'retry':
        this.#giveUp(heard);
        return;
      case 'limit':
        if (heard.limited) this.#waitMs = waitMs;
        return;
      case 'problem':
        this.#kind = heard.kind;
        return;
      case 'result':
        if (heard.answers === undefined || heard.answers === this.question) this.#conclude(heard);
        return;
      default:
        return;
    }
  }

  #send(text: string): void {
    if (text === '') return;
    this.#text += text;
    this.#tell({ type: 'delta', text });
  }

  #tell(event: TurnEvent): void {
    if (this.#why === undefined) this.#emit(event);
  }

  /** The process wants to ask the API again: that is decided where attempts are counted. */
  #giveUp({ status, delayMs }: { status: number | undefined; delayMs: number }): void {
    if (this.#text !== '') this.stop(brokenOff());
    const asked = delayMs > OWN_DELAY_MS ? delayMs : undefined;
    const retryAfterMs = this.#waitMs ?? asked;
    this.stop(explain({ status, reason: 'api_error', retryAfterMs }));
  }

  #conclude(result: Result): void {
    this.#over = true;
    if (this.#why === undefined) this.#send(this.#characters.end());
    const why = this.#why ?? this.#failureOf(result);
    if (why !== undefined) {
      this.#reject(why);
      return;
    }
    const { conversation, usage, stopReason } = result;
    const { input_tokens = 0, output_tokens = 0 } = usage;
    this.#resolve({
      // What was streamed is the answer: the asker has read it.
      answer: this.#text === '' ? result.text.toWellFormed() : this.#text,
      conversation,
      usage: { ...usage, input_tokens, output_tokens },
      stopReason,
    });
  }

  #failureOf(result: Result): WarmlineError | undefined {
    if (result.isError) {
      const { status, reason } = result;
      const said = this.#showable(result.text);
      const why = explain({ status, reason, kind: this.#kind, said, retryAfterMs: this.#waitMs });
      return this.#text !== '' && why.code === 'engine_unavailable' ? brokenOff() : why;
    }
    if (this.#broken || (this.#message === 'open' && this.#text !== '')) return brokenOff();
    if ((this.#text || result.text).trim() === '') return emptyAnswer();
    return undefined;
  }
}

export function cancelled(): WarmlineError {
  return fault('cancelled', 'the turn was cancelled');
}
