/** Failures as HTTP replies: the envelope that OpenAI clients read. */
import { BusError } from '../bus/index.js';
import { type ErrorCode, fault, WarmlineError } from '../errors.js';

/** A reply that ends a request early. */
export class HttpFailure extends Error {
  override readonly name = 'HttpFailure';
  readonly status: number;
  readonly body: object;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, body: object, headers: Readonly<Record<string, string>> = {}) {
    super(`HTTP ${status}`);
    this.status = status;
    this.body = body;
    this.headers = headers;
  }
}

interface Envelope {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly code: string;
    readonly param: string | null;
  };
}

const STATUS: Record<ErrorCode, number> = {
  bad_json: 400,
  bad_request: 400,
  line_too_long: 413,
  unauthorized: 401,
  not_found: 404,
  conflict: 409,
  duplicate_id: 409,
  busy: 429,
  timeout: 408,
  cancelled: 499,
  context_denied: 403,
  context_missing: 400,
  context_too_large: 413,
  engine_unavailable: 503,
  engine_auth: 502,
  engine_limit: 429,
  engine_error: 502,
  shutting_down: 503,
  internal: 500,
};

/** The `type` of an error, as OpenAI names them by status. */
function typeOf(status: number): string {
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  if (status === 429) return 'rate_limit_error';
  if (status === 408) return 'timeout_error';
  return status < 500 ? 'invalid_request_error' : 'server_error';
}

export function envelope(
  status: number,
  code: string,
  message: string,
  param: string | null = null,
): Envelope {
  return { error: { message, type: typeOf(status), code, param } };
}

export function failure(
  status: number,
  code: string,
  message: string,
  param: string | null = null,
): HttpFailure {
  return new HttpFailure(status, envelope(status, code, message, param));
}

/** @param retryAfterMs when it may go better, in milliseconds */
export function busy(message: string, retryAfterMs: number): HttpFailure {
  return fromFault(fault('busy', message, { retryAfterMs }));
}

/** Official clients ask again by themselves what may go better; a time-out would only be had again. */
const NEVER_AGAIN: ReadonlySet<ErrorCode> = new Set(['timeout', 'cancelled']);

export function fromFault(error: WarmlineError): HttpFailure {
  const status = STATUS[error.code];
  const param = error.code.startsWith('context_') ? 'context_file' : null;
  return new HttpFailure(status, envelope(status, error.code, error.message, param), {
    ...(error.retryAfterMs !== undefined && {
      'retry-after': String(Math.max(1, Math.ceil(error.retryAfterMs / 1000))),
    }),
    ...(NEVER_AGAIN.has(error.code) && { 'x-should-retry': 'false' }),
  });
}

/** What Fastify throws has a status and a code of its own. */
interface ServerError {
  readonly statusCode?: number;
  readonly code?: string;
}

const BY_SERVER: Readonly<Record<string, readonly [status: number, code: string, say: string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: [413, 'body_too_large', 'the body is longer than 1 MiB'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    415,
    'unsupported_media_type',
    'the body must be JSON; send it with Content-Type: application/json',
  ],
};

/** Anything thrown while a request was handled; undefined when it is our own fault. */
export function toFailure(thrown: unknown): HttpFailure | undefined {
  if (thrown instanceof HttpFailure) return thrown;
  if (thrown instanceof WarmlineError) return fromFault(thrown);
  if (thrown instanceof BusError) return failure(503, thrown.code, thrown.message);
  const { code = '', statusCode = 500 } = thrown as ServerError;
  const [status, name, say] = BY_SERVER[code] ?? [];
  if (status !== undefined && name !== undefined && say !== undefined) {
    return failure(status, name, say);
  }
  if (statusCode >= 500) return undefined;
  return thrown instanceof SyntaxError || code === 'FST_ERR_CTP_INVALID_JSON_BODY'
    ? failure(400, 'bad_json', 'the body is not valid JSON')
    : failure(statusCode, 'bad_request', 'the request cannot be understood');
}
