/** One model API over one connection: what the session of an engine needs of an official client. */
import type { Usage } from '../engine.js';
import type { Fetch, Fetches } from './connection.js';
import type { Message } from './conversation.js';
import type { Service } from './failure.js';

export interface Prompt {
  /** The same bytes for every question about the same file: a provider can keep it cached. */
  readonly system: string;
  /** Earlier turns and, last, the question. */
  readonly messages: readonly Message[];
  /** The answer is not wanted: as few tokens of it as the API allows. */
  readonly isRehearsal?: boolean;
}

export type Piece =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'usage'; readonly usage: Usage }
  /** The answer is complete, for this reason: `end_turn`, `max_tokens`, `refusal`, … */
  | { readonly type: 'stop'; readonly reason: string };

/** Methods throw whatever the official client throws; `problemOf` reads it. */
export interface ModelApi {
  /** A request that costs nothing: it opens the connection, and the server sees the key. */
  greet(signal: AbortSignal): Promise<void>;
  /** Ends without a `stop` when the answer was cut off, also by `signal`. */
  ask(prompt: Prompt, signal: AbortSignal): AsyncIterable<Piece>;
  listModels(signal: AbortSignal): Promise<readonly string[]>;
}

export type ConnectApi = (fetches: Fetches) => ModelApi;

/** The longest a timer can run: the clocks of the session's owner run out long before. */
const NO_TIMEOUT_MS = 2 ** 31 - 1;

/** What every official client is told; each has settings of its own beside these. */
export function clientSettings(fetch: Fetch, { url, key }: Service) {
  return {
    fetch,
    baseURL: url,
    // Said also without a key, so that the client takes none from the environment.
    apiKey: key ?? 'none',
    ...(key === undefined ? { defaultHeaders: { Authorization: null } } : {}),
    // Whether and when to ask again is decided by those who know the question.
    maxRetries: 0,
    timeout: NO_TIMEOUT_MS,
    // Its logs would hold what is asked and answered.
    logLevel: 'off' as const,
  };
}

/** A count of tokens as a server tells it; what is none counts as 0. */
export function tokens(count: unknown): number {
  return Number.isSafeInteger(count) && (count as number) > 0 ? (count as number) : 0;
}

/** A server's own word for why it stopped, as far as it is a word. */
export function stopWord(reason: string): string {
  return /^[\w.-]{1,64}$/.test(reason) ? reason : 'other';
}
