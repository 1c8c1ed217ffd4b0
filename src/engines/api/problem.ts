/** What went wrong with a request, as far as the official clients tell it alike: pure. */
import type { HeaderReader } from './resets.js';

export type Problem =
  /** The server says no: with a status, or, in the middle of a stream, with an error event. */
  | {
      readonly how: 'refused';
      readonly status: number | undefined;
      /** Its own names for the error, `rate_limit_error`, `context_length_exceeded`, … */
      readonly kinds: readonly string[];
      readonly words: string;
      readonly headers: HeaderReader;
    }
  /** No connection, one that broke, or bytes that are no answer: the code Node has for it. */
  | { readonly how: 'failed'; readonly code: string; readonly words: string };

const NO_HEADERS: HeaderReader = { get: () => null };

/** Both official clients are generated alike: an error of theirs has these fields. */
interface ClientError {
  readonly status?: unknown;
  readonly headers?: unknown;
  readonly error?: unknown;
  readonly message?: unknown;
  readonly cause?: unknown;
  readonly code?: unknown;
}

export function problemOf(thrown: unknown): Problem {
  const error = fieldsOf(thrown);
  const detail = detailOf(error.error);
  if (typeof error.status === 'number') return refused(error, detail, error.status);
  if (detail !== undefined) return refused(error, detail, statusIn(detail));
  const cause = fieldsOf(deepestCause(thrown));
  const words = typeof cause.message === 'string' ? cause.message : '';
  return { how: 'failed', code: typeof cause.code === 'string' ? cause.code : '', words };
}

function refused(error: ClientError, detail: unknown, status: number | undefined): Problem {
  const { type, code, message } = fieldsOf(detail) as Record<string, unknown>;
  const said = typeof detail === 'string' ? detail : (message ?? error.message);
  return {
    how: 'refused',
    status,
    kinds: [type, code].filter((kind) => typeof kind === 'string'),
    words: typeof said === 'string' ? said : '',
    headers: isHeaderReader(error.headers) ? error.headers : NO_HEADERS,
  };
}

/** Anthropic's client keeps the whole body, OpenAI's the `error` in it; some servers a bare text. */
function detailOf(body: unknown): unknown {
  return fieldsOf(body).error ?? body ?? undefined;
}

/** Gateways put the status of the model behind them into the error event. */
function statusIn(detail: unknown): number | undefined {
  const { code } = fieldsOf(detail);
  return typeof code === 'number' && code >= 400 && code <= 599 ? code : undefined;
}

const MAX_DEPTH = 5;

function deepestCause(thrown: unknown): unknown {
  let deepest = thrown;
  for (let depth = 0; depth < MAX_DEPTH; depth += 1) {
    const { cause } = fieldsOf(deepest);
    if (typeof cause !== 'object' || cause === null) break;
    deepest = cause;
  }
  return deepest;
}

function fieldsOf(value: unknown): ClientError {
  return typeof value === 'object' && value !== null ? value : {};
}

function isHeaderReader(value: unknown): value is HeaderReader {
  return typeof value === 'object' && value !== null && 'get' in value;
}
