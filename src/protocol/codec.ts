/** Lines to requests, replies to lines. Nothing here throws, whatever a peer sends. */
import type { z } from 'zod';
import { ERROR_CODES, type ErrorCode } from '../errors.js';
import type { Reply } from './replies.js';
import { BARE_WORDS, Request, type RequestId } from './requests.js';
import { isRequestId, readCommon } from './short-cut.js';

/**
 * `bad_json`: the line is neither a JSON object nor a bare word. `bad_request`: it is an object,
 * but not a request; the message names the field.
 */
export type Decoded =
  | { readonly ok: true; readonly request: Request }
  | {
      readonly ok: false;
      readonly code: 'bad_json' | 'bad_request';
      readonly message: string;
      /** The request's `id`, when it could be read. */
      readonly id?: RequestId | undefined;
      /** A `query` without `id`: its sender waits for one line and the end of the connection. */
      readonly oneShot: boolean;
    };

const REQUEST_TYPES = Request.options.map((option) => option.shape.type.value);

export function decodeRequest(text: string): Decoded {
  // Most lines start with their brace; only others pay for the trim, and none for a parser's error.
  if (!text.startsWith('{') && !text.trimStart().startsWith('{')) return decodeWord(text.trim());
  let value: object;
  try {
    value = JSON.parse(text);
  } catch {
    return NOT_A_REQUEST;
  }
  const fields = value as Record<string, unknown>;
  const common = readCommon(fields);
  if (common !== undefined) return { ok: true, request: common };
  const parsed = Request.safeParse(value);
  return parsed.success ? { ok: true, request: parsed.data } : refuse(fields, parsed.error);
}

const NOT_A_REQUEST: Decoded = {
  ok: false,
  code: 'bad_json',
  message: 'the line is not a JSON object; send one request per line, or the word help',
  oneShot: false,
};

function decodeWord(word: string): Decoded {
  const type = BARE_WORDS.find((known) => known === word);
  return type === undefined ? NOT_A_REQUEST : { ok: true, request: { type } };
}

function refuse(fields: Record<string, unknown>, error: z.ZodError): Decoded {
  return {
    ok: false,
    code: 'bad_request',
    message: explain(fields, error),
    id: isRequestId(fields.id) ? fields.id : undefined,
    oneShot: fields.type === 'query' && fields.id === undefined,
  };
}

function explain(fields: Record<string, unknown>, error: z.ZodError): string {
  if (!REQUEST_TYPES.some((type) => type === fields.type)) {
    return `type: must be one of ${REQUEST_TYPES.join(', ')}`;
  }
  const issue = error.issues[0];
  const field = issue?.path.map(String).join('.');
  if (field === 'id') return 'id: must be a string of 1 to 128 characters or an integer';
  return `${field}: ${issue?.message}`;
}

/** One reply as one line, newline included. */
export function encodeReply(reply: Reply): string {
  return `${JSON.stringify(reply)}\n`;
}

export function encodePong(id: RequestId | undefined): string {
  if (id === undefined) return '{"type":"pong"}\n';
  return `{"type":"pong","id":${typeof id === 'number' ? id : JSON.stringify(id)}}\n`;
}

export interface ErrorLine {
  readonly code: ErrorCode;
  readonly message: string;
  readonly id?: RequestId | undefined;
  /** When trying again can succeed, in milliseconds from now. */
  readonly retryAfterMs?: number | undefined;
  /** Number of the offending line on this connection, from 1. */
  readonly line?: number | undefined;
  /** Of a query that a session took up; times in milliseconds since it was asked. */
  readonly turn?: FailedTurn | undefined;
}

export interface FailedTurn {
  readonly engine: string;
  readonly elapsedMs: number;
  readonly queuedMs: number;
  readonly firstByteMs?: number | undefined;
}

/**
 * An error without an `id` also carries `answer` and `sources`: one-shot clients index
 * `response["answer"]` without looking at `type`.
 */
export function encodeError(error: ErrorLine): string {
  const { code, message, id, turn } = error;
  return encodeReply({
    type: 'error',
    id,
    code,
    message,
    retryable: ERROR_CODES[code].retryable,
    retry_after_ms: error.retryAfterMs,
    line: error.line,
    ...(turn !== undefined && turnFields(turn)),
    ...(id === undefined && { answer: `Error: ${message}`, sources: [] }),
  });
}

function turnFields({ engine, elapsedMs, queuedMs, firstByteMs }: FailedTurn) {
  return {
    engine,
    elapsed_ms: rounded(elapsedMs),
    queued_ms: rounded(queuedMs),
    first_byte_ms: firstByteMs === undefined ? undefined : rounded(firstByteMs),
  };
}

/** To the microsecond, as a response tells its times. */
function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

const ASCII = /^\p{ASCII}*$/u;

/** How lines are written to a socket: encoding plain ASCII costs more than looking at it. */
export function encodingOf(lines: string): 'latin1' | 'utf8' {
  return ASCII.test(lines) ? 'latin1' : 'utf8';
}
