/** Lines to requests, replies to lines. Nothing here throws, whatever a peer sends. */
import type { z } from 'zod';
import { ERROR_CODES, type ErrorCode } from '../errors.js';
import type { Reply, ResponseReply } from './replies.js';
import { BARE_WORDS, MAX_ID_LENGTH, Request, type RequestId } from './requests.js';

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
  // Pings carry the load of connection pools and benches: their shape is checked without zod.
  if (fields.type === 'ping' && isRequestId(fields.id)) {
    return { ok: true, request: { type: 'ping', id: fields.id } };
  }
  const parsed = Request.safeParse(value);
  return parsed.success ? { ok: true, request: parsed.data } : refuse(fields, parsed.error);
}

const NOT_A_REQUEST: Decoded = {
  ok: false,
  code: 'bad_json',
  message: 'the line is not a JSON object; send one request per line, or the word help',
  oneShot: false,
};

function isRequestId(value: unknown): value is RequestId {
  if (typeof value === 'number') return Number.isSafeInteger(value);
  return typeof value === 'string' && value !== '' && value.length <= MAX_ID_LENGTH;
}

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

/**
 * The one line of every answered query, written field by field: twice as fast as one
 * `JSON.stringify` over all of it, which was the largest single cost of a short query.
 */
export function encodeResponse(reply: Omit<ResponseReply, 'type'>): string {
  const json = JSON.stringify;
  const id = reply.id === undefined ? '' : `"id":${json(reply.id)},`;
  const usage = reply.usage === undefined ? '' : `,"usage":${json(reply.usage)}`;
  const stop = reply.stop_reason === undefined ? '' : `,"stop_reason":${json(reply.stop_reason)}`;
  const sources = (reply.sources as readonly unknown[]).length === 0 ? '[]' : json(reply.sources);
  const request = reply.request_id === undefined ? '' : `,"request_id":${json(reply.request_id)}`;
  return (
    `{"type":"response",${id}"answer":${json(reply.answer)},"sources":${sources},` +
    `"model":${json(reply.model)},"engine":${json(reply.engine)},"session":${json(reply.session)},` +
    `"elapsed_ms":${json(reply.elapsed_ms)},"queued_ms":${json(reply.queued_ms)}` +
    `${usage}${stop}${request}}\n`
  );
}

export interface ErrorLine {
  readonly code: ErrorCode;
  readonly message: string;
  readonly id?: RequestId | undefined;
  /** When trying again can succeed, in milliseconds from now. */
  readonly retryAfterMs?: number | undefined;
  /** Number of the offending line on this connection, from 1. */
  readonly line?: number | undefined;
}

/**
 * An error without an `id` also carries `answer` and `sources`: one-shot clients index
 * `response["answer"]` without looking at `type`.
 */
export function encodeError(error: ErrorLine): string {
  const { code, message, id } = error;
  return encodeReply({
    type: 'error',
    id,
    code,
    message,
    retryable: ERROR_CODES[code].retryable,
    retry_after_ms: error.retryAfterMs,
    line: error.line,
    ...(id === undefined && { answer: `Error: ${message}`, sources: [] }),
  });
}
