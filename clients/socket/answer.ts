/** What a caller asks with and gets back, and how both look on the wire. */
import type { QueryRequest } from '../../src/protocol/index.js';
import { ResponseReply } from '../../src/protocol/index.js';
import { type BridgeError, badReply } from './errors.js';

export interface WaitOptions {
  /**
   * Total time for the request, waiting for a connection included, in milliseconds. Default: the
   * client's `timeoutMs`.
   */
  readonly timeoutMs?: number | undefined;
  /** Aborting it stops the work at the server and rejects with `cancelled`. */
  readonly signal?: AbortSignal | undefined;
}

export interface QueryOptions extends WaitOptions {
  /** The document to answer from, as the server names it (relative to its context roots). */
  readonly contextFile?: string | undefined;
  /** Key of a sticky session: questions with the same key share a context. Absent: a fresh one. */
  readonly session?: string | undefined;
  readonly model?: string | undefined;
  /** Time for the turn alone, from when a session takes it up, in milliseconds. */
  readonly turnTimeoutMs?: number | undefined;
  /** Higher goes first among waiting questions, -1000 to 1000. Default 0. */
  readonly priority?: number | undefined;
  /** Makes the question idempotent: the same id joins the running one or gets its stored answer. */
  readonly requestId?: string | undefined;
  /** What the server does with the question when this connection ends. Default: the server's. */
  readonly onDisconnect?: 'finish' | 'cancel' | undefined;
}

export interface AskOptions extends QueryOptions {
  /** Called as the question moves on: at most about once a second. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

export type Progress =
  /** The question has to wait; `position` counts from 1. */
  | { readonly type: 'accepted'; readonly position: number }
  | {
      readonly type: 'progress';
      /** `queued`, `starting`, `running`, `tool_execution`, `generating_response`, … */
      readonly stage: string;
      /** Milliseconds since the server took the question. */
      readonly elapsedMs: number;
      readonly message?: string | undefined;
    };

/** What a stream yields. The `text`s of the deltas, joined, equal the answer. */
export type StreamEvent = Progress | { readonly type: 'delta'; readonly text: string };

export interface Answer {
  readonly answer: string;
  /** Citations, `FILE.md:from-to`, lines counted from 1, both ends included. */
  readonly sources: readonly string[];
  readonly model: string;
  readonly engine: string;
  /** Id of the session that answered. */
  readonly session: string;
  /** Time at the server in milliseconds, queueing included. */
  readonly elapsedMs: number;
  /** Part of `elapsedMs` spent waiting for a session, in milliseconds. */
  readonly queuedMs: number;
  /** When the engine first gave a sign of life, in milliseconds from the same beginning. */
  readonly firstByteMs?: number | undefined;
  readonly usage?: Readonly<Record<string, number>> | undefined;
  readonly stopReason?: string | undefined;
  readonly requestId?: string | undefined;
}

export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: BridgeError };

/** Receives what becomes of one request; `done` is called exactly once, last. */
export interface Listener<T> {
  done(outcome: Outcome<T>): void;
  /** Asks the server to stream: called with each piece of the answer. */
  readonly delta?: ((text: string) => void) | undefined;
  readonly progress?: ((progress: Progress) => void) | undefined;
}

/** A `query` line without the fields only the connection knows (`id`, `timeout_ms`). */
export function toQuery(
  question: string,
  options: QueryOptions,
  listener: Listener<Answer>,
): QueryRequest {
  return {
    type: 'query',
    question,
    context_file: options.contextFile,
    session: options.session,
    model: options.model,
    turn_timeout_ms: options.turnTimeoutMs,
    priority: options.priority,
    request_id: options.requestId,
    on_disconnect: options.onDisconnect,
    stream: listener.delta === undefined ? undefined : true,
    progress: listener.progress === undefined ? undefined : true,
  };
}

/** A line from the server: an object whose fields are not checked yet. */
export type ReplyObject = Readonly<Record<string, unknown>>;

/** @throws BridgeError `bad_reply` when the `response` line does not follow the protocol */
export function toAnswer(reply: ReplyObject): Answer {
  const checked = isPlainResponse(reply) ? reply : ResponseReply.safeParse(reply).data;
  if (checked === undefined) {
    throw badReply('the server sent a response line that does not follow the protocol');
  }
  return {
    answer: checked.answer,
    sources: checked.sources,
    model: checked.model,
    engine: checked.engine,
    session: checked.session,
    elapsedMs: checked.elapsed_ms,
    queuedMs: checked.queued_ms,
    firstByteMs: checked.first_byte_ms,
    usage: checked.usage,
    stopReason: checked.stop_reason,
    requestId: checked.request_id,
  };
}

/**
 * The schema by hand for the response without `usage`: a drain of a backlog receives tens of
 * thousands of these a second, and the schema costs more than parsing the line.
 */
function isPlainResponse(reply: ReplyObject): reply is ResponseReply {
  return (
    typeof reply.answer === 'string' &&
    Array.isArray(reply.sources) &&
    reply.sources.every((source) => typeof source === 'string') &&
    typeof reply.model === 'string' &&
    typeof reply.engine === 'string' &&
    typeof reply.session === 'string' &&
    typeof reply.elapsed_ms === 'number' &&
    typeof reply.queued_ms === 'number' &&
    (reply.first_byte_ms === undefined || typeof reply.first_byte_ms === 'number') &&
    reply.usage === undefined &&
    (reply.stop_reason === undefined || typeof reply.stop_reason === 'string') &&
    (reply.request_id === undefined || typeof reply.request_id === 'string')
  );
}
