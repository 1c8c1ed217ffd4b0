/** What a tool answers when it cannot do what it was asked: a code, and a sentence with the next step. */
import { BusError } from '../../src/bus/index.js';
import { MonitorError } from '../monitor/index.js';
import { BridgeError } from '../socket/index.js';
import type { Reply } from './tool.js';

/** Beside the codes of the protocol and of the bus. */
type ToolErrorCode =
  | 'bad_request'
  | 'unauthorized'
  | 'expired'
  | 'rate_limited'
  | 'busy'
  | 'not_found';

export class ToolError extends Error {
  override readonly name = 'ToolError';
  readonly code: ToolErrorCode;
  /** When the same call may succeed, in milliseconds from now. */
  readonly retryAfterMs: number | undefined;

  constructor(code: ToolErrorCode, message: string, retryAfterMs?: number) {
    super(message);
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

/** A failure as a result, which a model can read; undefined for one that is a fault of ours. */
export function failureReply(error: unknown): Reply | undefined {
  if (error instanceof ToolError) {
    return replyOf(error.code, error.message, error.retryAfterMs);
  }
  if (error instanceof BridgeError) {
    return replyOf(error.code, `${error.message}${ADVICE[error.code] ?? ''}`, error.retryAfterMs);
  }
  if (error instanceof BusError) {
    return replyOf(error.code, `${error.message}${ADVICE[error.code] ?? ''}`);
  }
  if (error instanceof MonitorError) return replyOf(error.code, error.message);
  return undefined;
}

/** What the messages of other rooms leave unsaid to whoever calls a tool. */
const ADVICE: Readonly<Record<string, string>> = {
  unreachable:
    '; start the bridge with "warmline serve", or check --host and --port of "warmline mcp"',
  connection_lost: '; ask again',
  unauthorized: '; the bridge wants a token: give "warmline mcp" its --token-file',
  bus_busy: '; nothing was changed, try again',
};

export function replyOf(code: string, message: string, retryAfterMs?: number): Reply {
  return {
    text: `${code}: ${message}`,
    data: {
      error: {
        code,
        message,
        ...(retryAfterMs !== undefined && { retry_after_ms: Math.ceil(retryAfterMs) }),
      },
    },
    isError: true,
  };
}
