/** Forgetting, as it is heard; and the proof that it happened. */
import { fault, type WarmlineError } from '../../errors.js';
import type { Heard } from './messages.js';
import type { ContextUsage } from './sdk.js';

export interface Clearing {
  hear(heard: Heard): void;
  fail(why: WarmlineError): void;
}

export class ClearHeard implements Clearing {
  /** Resolves to the id of the conversation that begins, when the earlier one was discarded. */
  readonly outcome: Promise<string>;

  #resolve!: (conversation: string) => void;
  #reject!: (why: WarmlineError) => void;
  #wasReset = false;

  constructor() {
    this.outcome = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.outcome.catch(() => {});
  }

  hear(heard: Heard): void {
    if (heard.type === 'reset') this.#wasReset = true;
    if (heard.type !== 'result') return;
    const { isError, conversation } = heard;
    if (!isError && this.#wasReset && conversation !== undefined) this.#resolve(conversation);
    else this.#reject(fault('engine_error', 'claude did not clear its conversation'));
  }

  fail(why: WarmlineError): void {
    this.#reject(why);
  }
}

/** What a conversation holds, in tokens by kind, as one comparable word. */
export type Contents = string;

/** The kinds of which an answered question leaves some behind. */
const KINDS = ['userMessageTokens', 'assistantMessageTokens', 'toolCallTokens', 'toolResultTokens'];

/** Undefined when the program does not tell, or when it tells of an answer. */
export function contentsOf({ messageBreakdown }: ContextUsage): Contents | undefined {
  const counts = KINDS.map((kind) => messageBreakdown?.[kind]);
  if (!counts.every((count) => typeof count === 'number')) return undefined;
  return counts.slice(1).every((count) => count === 0) ? counts.join(' ') : undefined;
}
