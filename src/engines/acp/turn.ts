/** What is heard of one turn while it runs: pure but for what it emits. */
import { fault, type WarmlineError } from '../../errors.js';
import { WholeCharacters } from '../characters.js';
import { showable } from '../claude/failures.js';
import type { TurnEvent, Usage } from '../engine.js';

const MAX_TITLE_CHARS = 200;

export class TurnHeard {
  readonly #emit: (event: TurnEvent) => void;
  #answer = '';
  readonly #characters = new WholeCharacters();
  /** A tool was used since the last text: what follows is another paragraph. */
  #isInterrupted = false;
  #isOver = false;
  isCancelled = false;
  /** The question went out. */
  isAsked = false;
  #failure: Failure | undefined;

  constructor(emit: (event: TurnEvent) => void) {
    this.#emit = emit;
  }

  get answer(): string {
    return this.#answer;
  }

  /** What went wrong so far: such a turn has no answer, also when the agent tries again. */
  get failure(): Failure | undefined {
    return this.#failure;
  }

  /** Nothing is emitted any more. */
  end(): void {
    if (!this.#isIdle) this.#emitText(this.#characters.end());
    this.#isOver = true;
  }

  /** Over, or stopping: what an agent still says is held nowhere, however much it says. */
  get #isIdle(): boolean {
    return this.#isOver || this.isCancelled || this.#failure !== undefined;
  }

  /** @param update the `update` of a `session/update`, unchecked */
  hear(update: unknown): void {
    if (this.#isIdle) return;
    this.#failure = failureOf(update);
    const text = textOf(update) ?? '';
    const { sessionUpdate, title } = record(update);
    if (text !== '') {
      this.#say(text);
    } else if (sessionUpdate === 'tool_call') {
      this.#isInterrupted = true;
      const message = typeof title === 'string' ? titleOf(title) : 'a tool';
      this.#emit({ type: 'progress', stage: 'tool_execution', message });
    } else {
      this.#emit({ type: 'alive' });
    }
  }

  #say(text: string): void {
    const isNext = this.#isInterrupted && this.#answer !== '';
    this.#isInterrupted = false;
    this.#emitText(this.#characters.push(isNext ? `\n\n${text}` : text));
  }

  #emitText(text: string): void {
    if (text === '') return;
    this.#answer += text;
    this.#emit({ type: 'delta', text });
  }
}

function titleOf(title: string): string {
  return showable(title, []).slice(0, MAX_TITLE_CHARS).toWellFormed();
}

/** What an agent tells of a failure beside the protocol. */
export interface Failure {
  /** `access`, `limit`, `service`, `connection` or `request`. */
  readonly category: string;
  readonly title: string;
  /** It tries again by itself. */
  readonly isRetrying: boolean;
}

/**
 * The failure an update or the reply to a prompt tells of, as the adapters of Claude and Codex do
 * when a client asks for it; undefined when there is none. Mere notices have the category `unknown`.
 */
export function failureOf(message: unknown): Failure | undefined {
  const { jetbrains } = record(record(message)._meta);
  const { category, title, severity } = record(record(record(jetbrains).air).sessionFailure);
  if (typeof category !== 'string' || category === 'unknown') return undefined;
  return {
    category: category.slice(0, 40),
    title: typeof title === 'string' ? title : '',
    isRetrying: severity === 'warning',
  };
}

/** The text of the answer an update brings; undefined when it is of another kind. */
export function textOf(update: unknown): string | undefined {
  const { sessionUpdate, content } = record(update);
  if (sessionUpdate !== 'agent_message_chunk') return undefined;
  const { type, text } = record(content);
  return type === 'text' && typeof text === 'string' ? text : undefined;
}

/**
 * How a turn ended, https://agentclientprotocol.com/protocol/prompt-turn#stop-reasons.
 * @throws WarmlineError when it has no answer
 */
export function stopReasonOf(response: unknown, answer: string): string {
  const { stopReason } = record(response);
  if (stopReason === 'refusal' && answer.trim() === '') {
    throw fault('bad_request', 'the model refuses to answer this question');
  }
  if (stopReason === 'cancelled') throw fault('engine_error', 'the agent broke off; ask again');
  if (answer.trim() === '')
    throw fault('engine_error', 'the agent answered with nothing; ask again');
  if (isBrokenOff(response))
    throw fault('engine_error', 'the answer broke off half way; ask again');
  return typeof stopReason === 'string' && /^\w{1,40}$/.test(stopReason) ? stopReason : 'unknown';
}

/** Gemini CLI calls a stream that broke off the end of a turn, one that cost no tokens at all. */
function isBrokenOff(response: unknown): boolean {
  const { input_tokens, output_tokens } = tokensOf(response);
  return input_tokens === 0 && output_tokens === 0;
}

function tokensOf(response: unknown): Readonly<Record<string, unknown>> {
  return record(record(record(record(response)._meta).quota).token_count);
}

/**
 * Tokens, as Claude's and Codex's adapters (`usage`) and Gemini CLI (`_meta.quota`) tell them; the
 * protocol has no stable field for them.
 */
export function usageOf(response: unknown): Usage | undefined {
  const one = record(record(response).usage);
  const other = tokensOf(response);
  const input = count(one.inputTokens) ?? count(other.input_tokens);
  const output = count(one.outputTokens) ?? count(other.output_tokens);
  if (input === undefined || output === undefined) return undefined;
  const read = count(one.cachedReadTokens);
  const written = count(one.cachedWriteTokens);
  return {
    input_tokens: input,
    output_tokens: output,
    ...(read === undefined ? {} : { cache_read_input_tokens: read }),
    ...(written === undefined ? {} : { cache_creation_input_tokens: written }),
  };
}

export function cancelled(): WarmlineError {
  return fault('cancelled', 'the turn was cancelled');
}

export function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
