import type {
  Bridge,
  FailedTurn,
  Query,
  QueryListener,
  QueryOutcome,
  Ticket,
} from '../bridge/index.js';
import { toFault, type WarmlineError } from '../errors.js';
import { failpoint } from '../failpoints/index.js';
import { encodeReply, encodeResponse, type QueryRequest } from '../protocol/index.js';

export type { FailedTurn };

/** The connection a query came on, as its query sees it. */
export interface QueryOwner {
  send(line: string): void;
  nowMs(): number;
  answered(query: RunningQuery): void;
  failed(query: RunningQuery, error: WarmlineError, turn?: FailedTurn): void;
}

/**
 * One query on one connection, from the request to its single terminal line. A class rather than
 * closures: a query then costs one object besides what the bridge makes of it.
 */
export class RunningQuery implements QueryListener {
  readonly request: QueryRequest;
  readonly #owner: QueryOwner;
  readonly #startedMs: number;
  #ticket: Ticket | undefined;
  #settled = false;
  #deltas = 0;
  /** First half of a character that the engine cut in two, kept for the next delta. */
  #halfCharacter = '';

  constructor(owner: QueryOwner, request: QueryRequest) {
    this.#owner = owner;
    this.request = request;
    this.#startedMs = this.#reportsProgress ? owner.nowMs() : 0;
  }

  start(bridge: Bridge): void {
    const ticket = bridge.ask(toQuery(this.request), this);
    if (!this.#settled) this.#ticket = ticket;
  }

  cancel(): void {
    this.#ticket?.cancel();
  }

  /** The connection is gone: nobody reads the outcome any more. */
  abandon(): void {
    this.#settled = true;
    if (this.request.on_disconnect === 'cancel') this.#ticket?.cancel();
    else this.#ticket?.detach();
  }

  accepted(position: number): void {
    const { id } = this.request;
    if (this.#settled || id === undefined || !this.#reportsProgress) return;
    this.#owner.send(encodeReply({ type: 'accepted', id, position }));
  }

  progress(progress: { stage: string; message?: string | undefined }): void {
    const { id } = this.request;
    if (this.#settled || id === undefined || !this.#reportsProgress) return;
    const elapsed_ms = round(this.#owner.nowMs() - this.#startedMs);
    this.#owner.send(encodeReply({ type: 'progress', id, ...progress, elapsed_ms }));
  }

  delta(text: string): void {
    if (this.#settled || this.#streamId === undefined) return;
    const whole = this.#halfCharacter + text;
    const cut = endsInHalfCharacter(whole) ? whole.length - 1 : whole.length;
    this.#halfCharacter = whole.slice(cut);
    if (cut > 0) this.#sendDelta(whole.slice(0, cut));
  }

  done(outcome: QueryOutcome): void {
    if (this.#settled) return;
    this.#settled = true;
    if (!outcome.ok) {
      this.#owner.failed(this, outcome.error, outcome.turn);
      return;
    }
    try {
      failpoint('reply.pre');
      this.#sendAnswer(outcome.reply);
    } catch (thrown) {
      this.#owner.failed(this, toFault(thrown));
      return;
    }
    this.#owner.answered(this);
  }

  #sendAnswer(reply: Extract<QueryOutcome, { ok: true }>['reply']): void {
    const line = encodeResponse({
      type: 'response',
      id: this.request.id,
      answer: reply.answer,
      sources: reply.sources as string[],
      model: reply.model,
      engine: reply.engine,
      session: reply.session,
      elapsed_ms: reply.elapsedMs,
      queued_ms: reply.queuedMs,
      first_byte_ms: reply.firstByteMs,
      usage: reply.usage,
      stop_reason: reply.stopReason,
      request_id: reply.requestId,
    });
    if (this.#streamId !== undefined) {
      if (this.#halfCharacter !== '') this.#sendDelta(this.#halfCharacter);
      else if (this.#deltas === 0 && reply.answer !== '') this.#sendDelta(reply.answer);
    }
    this.#owner.send(line);
  }

  #sendDelta(text: string): void {
    const id = this.#streamId;
    if (id === undefined) return;
    this.#owner.send(encodeReply({ type: 'delta', id, seq: this.#deltas, text }));
    this.#deltas += 1;
  }

  /** Only a query with an id has more than one line: a one-shot client reads exactly one. */
  get #streamId() {
    return this.request.stream === true ? this.request.id : undefined;
  }

  get #reportsProgress(): boolean {
    return this.request.stream === true || this.request.progress === true;
  }
}

function toQuery(request: QueryRequest): Query {
  return {
    question: request.question,
    contextFile: request.context_file,
    session: request.session,
    model: request.model,
    timeoutMs: request.timeout_ms,
    turnTimeoutMs: request.turn_timeout_ms,
    priority: request.priority,
    requestId: request.request_id,
  };
}

function endsInHalfCharacter(text: string): boolean {
  const last = text.charCodeAt(text.length - 1);
  return last >= 0xd800 && last <= 0xdbff;
}

/** Microseconds are the last digit that means anything, and shorter numbers are cheaper lines. */
function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
