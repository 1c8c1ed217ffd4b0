/**
 * Errors that reach another program carry a code from this closed list.
 *
 * `retryable` answers one question: may the same question, sent again later and unchanged, succeed?
 */
export const ERROR_CODES = {
  bad_json: { retryable: false },
  bad_request: { retryable: false },
  line_too_long: { retryable: false },
  unauthorized: { retryable: false },
  not_found: { retryable: false },
  conflict: { retryable: false },
  duplicate_id: { retryable: false },
  busy: { retryable: true },
  timeout: { retryable: true },
  cancelled: { retryable: false },
  context_denied: { retryable: false },
  context_missing: { retryable: false },
  context_too_large: { retryable: false },
  engine_unavailable: { retryable: true },
  engine_auth: { retryable: true },
  engine_limit: { retryable: true },
  engine_error: { retryable: true },
  shutting_down: { retryable: true },
  internal: { retryable: true },
} as const satisfies Record<string, { retryable: boolean }>;

export type ErrorCode = keyof typeof ERROR_CODES;

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(ERROR_CODES, value);
}

export interface FaultOptions {
  cause?: unknown;
  /** When trying again can succeed, in milliseconds from now. */
  retryAfterMs?: number | undefined;
}

/** A failure another program or person will read: a stable code and a sentence with the next step. */
export class WarmlineError extends Error {
  override readonly name = 'WarmlineError';
  readonly code: ErrorCode;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, options: FaultOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
  }

  get retryable(): boolean {
    return ERROR_CODES[this.code].retryable;
  }
}

export function fault(code: ErrorCode, message: string, options?: FaultOptions): WarmlineError {
  return new WarmlineError(code, message, options);
}

/** Anything thrown, as an error that may be shown: unknown failures become `internal`, cause kept. */
export function toFault(thrown: unknown): WarmlineError {
  if (thrown instanceof WarmlineError) return thrown;
  return fault('internal', 'something went wrong inside warmline; its log says what', {
    cause: thrown,
  });
}

/** Wrong settings or surroundings: one clear line for the operator, exit code 78, no restart helps. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}
