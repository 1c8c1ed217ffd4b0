import { type ErrorCode, isErrorCode } from '../../src/errors.js';
import { ErrorReply } from '../../src/protocol/index.js';

/** What can go wrong on this side of the wire, beside the server's own codes. */
export type ClientErrorCode =
  /** No server answered at the address. */
  | 'unreachable'
  /** The connection ended with the request on it; whether the server did the work is unknown. */
  | 'connection_lost'
  /** This client was closed or is draining. */
  | 'closed'
  /** The server answered with a line that does not follow the protocol. */
  | 'bad_reply';

export type BridgeErrorCode = ErrorCode | ClientErrorCode;

export interface BridgeErrorOptions {
  /** May the same request, sent again later and unchanged, succeed? */
  readonly retryable: boolean;
  /** When trying again can succeed, in milliseconds from now. */
  readonly retryAfterMs?: number | undefined;
  readonly turn?: FailedTurn | undefined;
  readonly cause?: unknown;
}

/** What is known of a turn that failed; times in milliseconds since the server took the question. */
export interface FailedTurn {
  readonly engine: string;
  readonly elapsedMs: number;
  /** Part of it spent waiting for a session. */
  readonly queuedMs: number;
  readonly firstByteMs?: number | undefined;
}

/** Every failure of a request: a stable `code` for programs, a sentence for people. */
export class BridgeError extends Error {
  override name = 'BridgeError';
  readonly code: BridgeErrorCode;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  /** Known when a session had taken the question up. */
  readonly turn: FailedTurn | undefined;

  constructor(code: BridgeErrorCode, message: string, options: BridgeErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable;
    this.retryAfterMs = options.retryAfterMs;
    this.turn = options.turn;
  }
}

/** The connection ended with the request on it. Ask again; with a `requestId` nothing runs twice. */
export class ConnectionLost extends BridgeError {
  override name = 'ConnectionLost';

  constructor(cause: BridgeError) {
    super('connection_lost', `the connection to warmline was lost: ${cause.message}`, {
      retryable: true,
      cause,
    });
  }
}

export function badReply(message: string, cause?: unknown): BridgeError {
  return new BridgeError('bad_reply', message, { retryable: false, cause });
}

/** An `error` line as an error. A code that only a newer server knows reads as `internal`. */
export function fromErrorReply(reply: unknown): BridgeError {
  const parsed = ErrorReply.safeParse(reply);
  if (!parsed.success) {
    return badReply(
      'the server sent an error line that does not follow the protocol',
      parsed.error,
    );
  }
  const { code, message, retryable, retry_after_ms: retryAfterMs } = parsed.data;
  return new BridgeError(isErrorCode(code) ? code : 'internal', message, {
    retryable,
    retryAfterMs,
    turn: turnOf(parsed.data),
  });
}

function turnOf(reply: ErrorReply): FailedTurn | undefined {
  const { engine, elapsed_ms: elapsedMs, queued_ms: queuedMs, first_byte_ms: firstByteMs } = reply;
  if (engine === undefined || elapsedMs === undefined || queuedMs === undefined) return undefined;
  return { engine, elapsedMs, queuedMs, firstByteMs };
}
