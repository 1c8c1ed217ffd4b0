/** What one model API has to say about itself, so that the rest need not know which it is. */
import type { JsonObject } from './json.js';

export type Api = 'anthropic' | 'openai' | 'responses' | 'gemini';

export interface Turn {
  readonly role: string;
  readonly text: string;
}

/** A request for an answer, as every API means it. */
export interface Asked {
  readonly model: string;
  readonly stream: boolean;
  readonly system: string;
  readonly messages: readonly Turn[];
  /** The texts of the last message when it is the user's, else empty. */
  readonly asked: readonly string[];
  /** The prompt in order; a provider can cache what stands before a `mark`. */
  readonly prompt: readonly PromptPart[];
}

/** Of a request that could not be understood. */
export const NOTHING_ASKED: Asked = {
  model: '',
  stream: false,
  system: '',
  messages: [],
  asked: [],
  prompt: [],
};

export interface PromptPart {
  readonly text: string;
  readonly mark: boolean;
}

/** Tokens, about four characters each. The three of the prompt add up to it. */
export interface Usage {
  readonly fresh: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
}

export interface ToolCall {
  readonly name: string;
  readonly input: unknown;
}

export interface Reply {
  /** Unique part of the ids in the response. */
  readonly id: string;
  readonly asked: Asked;
  readonly body: JsonObject;
  readonly usage: Usage;
  readonly stop: 'end' | 'max_tokens' | 'refusal';
  readonly tool: ToolCall | undefined;
}

export interface Problem {
  readonly status: number;
  readonly message: string | undefined;
  readonly tooLong: boolean;
  readonly resetS: number | undefined;
  readonly id: string;
}

/** The events of one streamed answer, each ready to be sent. */
export interface EventStream {
  opening(): string;
  delta(text: string): string;
  /** In the place of text, when the reply calls a tool. */
  toolCall(tool: ToolCall): string;
  closing(text: string): string;
  ping(): string;
  /** The server fails in the middle of the answer. */
  failure(): string;
}

export interface Dialect {
  readonly api: Api;
  /** @throws BadRequest when the real API would refuse it */
  read(body: JsonObject, url: URL): Asked;
  whole(reply: Reply, text: string): JsonObject;
  stream(reply: Reply): EventStream;
  problem(problem: Problem): {
    readonly body: JsonObject;
    readonly headers: Readonly<Record<string, string>>;
  };
}

/** The request is not one that the API takes. */
export class BadRequest extends Error {
  override readonly name = 'BadRequest';
}

export function tokensOf(chars: number): number {
  return Math.ceil(chars / 4);
}

export function serverSentEvent(data: JsonObject, event?: string): string {
  const name = event === undefined ? '' : `event: ${event}\n`;
  return `${name}data: ${JSON.stringify(data)}\n\n`;
}
