/**
 * One request and what becomes of it. Its listener hears `done` exactly once: by the terminal
 * line, the deadline, the caller's signal or cancel, or the end of the connection, whichever
 * comes first; whatever comes later is dropped.
 */
import { setMaxListeners } from 'node:events';
import type { Clock } from '../../src/clock.js';
import type { Request } from '../../src/protocol/index.js';
import { ProgressReply } from '../../src/protocol/index.js';
import type { Listener, Outcome, Progress, ReplyObject, WaitOptions } from './answer.js';
import { BridgeError, badReply, fromErrorReply } from './errors.js';

/** What an exchange needs of the client that owns it. */
export interface ExchangeOwner {
  readonly clock: Clock;
  /** Total time of a request that names none, in milliseconds. */
  readonly timeoutMs: number;
  /** How long after its time a request waits for the server's own `timeout`, in milliseconds. */
  readonly graceMs: number;
  /** The request was sent and its outcome is no longer wanted: the server may stop. */
  recall(id: number): void;
  /** The server is to stop the work and to say when it has. */
  halt(id: number): void;
  /** The exchange is settled; called once, before its listener. */
  settled(exchange: Exchange): void;
}

export interface ExchangePlan<T> {
  readonly request: Request;
  /** The `type` of the terminal line that is a success. */
  readonly expects: string;
  /** @throws BridgeError `bad_reply` */
  readonly read: (reply: ReplyObject) => T;
  readonly listener: Listener<T>;
  readonly options: WaitOptions;
  /** May be sent again on a new connection. */
  readonly resend: boolean;
}

/** A report is no question: it needs no session, and no room among those in flight. */
export const REPORT_PRIORITY = Number.POSITIVE_INFINITY;

/** Longest time a question may name, in milliseconds: beyond a day the server refuses it. */
const MAX_TIMEOUT_MS = 86_400_000;

export class Exchange<T = unknown> {
  readonly id: number;
  /** Its place among those that wait, higher first. */
  readonly priority: number;
  readonly #plan: ExchangePlan<T>;
  readonly #owner: ExchangeOwner;
  readonly #timeoutMs: number;
  readonly #startedMs: number;
  #timer: NodeJS.Timeout;
  #at: 'waiting' | 'sent' | 'settled' = 'waiting';
  #halted = false;

  constructor(id: number, plan: ExchangePlan<T>, owner: ExchangeOwner) {
    this.id = id;
    this.priority = priorityOf(plan.request);
    this.#plan = plan;
    this.#owner = owner;
    this.#timeoutMs = Math.min(plan.options.timeoutMs ?? owner.timeoutMs, MAX_TIMEOUT_MS);
    this.#startedMs = owner.clock.monotonicMs();
    this.#timer = setTimeout(Exchange.#expire<T>, this.#timeoutMs, this);
    const { signal } = plan.options;
    if (signal === undefined) return;
    // One signal may stop hundreds of questions; each takes its listener away when it settles.
    if (signal instanceof EventTarget) setMaxListeners(0, signal);
    signal.addEventListener('abort', this.#abort);
  }

  /**
   * The line to send now; a question carries what is left of its time.
   * @throws BridgeError `line_too_long`, `bad_request`
   */
  toLine(maxBytes: number): string {
    const { request } = this.#plan;
    const spentMs = this.#owner.clock.monotonicMs() - this.#startedMs;
    const leftMs = Math.max(1, Math.ceil(this.#timeoutMs - spentMs));
    const time = request.type === 'query' ? `"timeout_ms":${leftMs},` : '';
    // Put together as text: copying the request into a new object costs twice its encoding.
    const line = `{"id":${this.id},${time}${encode(request).slice(1)}`;
    refuseLongLine(line, maxBytes);
    this.#at = 'sent';
    return line;
  }

  /** The connection it was sent on is gone: whether it waits for the next one. */
  unsend(): boolean {
    const again = this.#plan.resend && !this.#halted;
    if (again) this.#at = 'waiting';
    return again;
  }

  /** A line from the server that carries this exchange's id. */
  receive(reply: ReplyObject): void {
    const { listener, expects } = this.#plan;
    if (reply.type === expects) this.#succeed(reply);
    else if (reply.type === 'error') this.fail(fromErrorReply(reply));
    else if (reply.type === 'delta') {
      const { text } = reply;
      if (typeof text === 'string') guarded(() => listener.delta?.(text));
    } else {
      const progress = toProgress(reply);
      if (progress !== undefined) guarded(() => listener.progress?.(progress));
    }
  }

  /** The caller no longer wants the outcome: `cancelled` at once, and the server is told. */
  cancel(reason?: unknown): void {
    if (this.#at === 'settled') return;
    this.#recall();
    this.fail(
      new BridgeError('cancelled', 'the request was cancelled by its caller', {
        retryable: false,
        cause: reason,
      }),
    );
  }

  /** As `cancel`, but once it was sent the outcome is what the server says when it has stopped. */
  stop(): void {
    if (this.#at === 'waiting') this.cancel();
    if (this.#at !== 'sent' || this.#halted) return;
    this.#halted = true;
    this.#owner.halt(this.id);
  }

  fail(error: BridgeError): void {
    if (this.#at === 'settled') return;
    this.#settle();
    this.#tell({ ok: false, error });
  }

  #succeed(reply: ReplyObject): void {
    let value: T;
    try {
      value = this.#plan.read(reply);
    } catch (error) {
      this.fail(error instanceof BridgeError ? error : badReply('unreadable reply', error));
      return;
    }
    this.#settle();
    this.#tell({ ok: true, value });
  }

  #tell(outcome: Outcome<T>): void {
    guarded(() => this.#plan.listener.done(outcome));
  }

  #settle(): void {
    this.#at = 'settled';
    clearTimeout(this.#timer);
    this.#plan.options.signal?.removeEventListener('abort', this.#abort);
    this.#owner.settled(this as Exchange);
  }

  #recall(): void {
    if (this.#at === 'sent') this.#owner.recall(this.id);
  }

  readonly #abort = (): void => this.cancel(this.#plan.options.signal?.reason);

  /**
   * The server ends a question at its `timeout_ms`; this net is for a server that cannot, so it
   * is given a little longer once it has the request.
   */
  static #expire<T>(exchange: Exchange<T>, graceIsOver = false): void {
    if (exchange.#at === 'sent' && !graceIsOver) {
      exchange.#timer = setTimeout(Exchange.#expire<T>, exchange.#owner.graceMs, exchange, true);
      return;
    }
    const detail = graceIsOver ? 'no answer came' : 'the request could not be sent';
    exchange.#recall();
    exchange.fail(
      new BridgeError('timeout', `${detail} within ${exchange.#timeoutMs} ms`, { retryable: true }),
    );
  }
}

/** A listener that throws is its program's uncaught error; the other requests go on. */
function guarded(callListener: () => void): void {
  try {
    callListener();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

function toProgress(reply: ReplyObject): Progress | undefined {
  if (reply.type === 'accepted') {
    // By hand what `AcceptedReply` asks for: in a backlog nearly every question has to wait first.
    const { position } = reply;
    if (typeof position !== 'number' || !Number.isSafeInteger(position)) return undefined;
    return { type: 'accepted', position };
  }
  const progress = ProgressReply.safeParse(reply);
  if (!progress.success) return undefined;
  const { stage, elapsed_ms: elapsedMs, message } = progress.data;
  return { type: 'progress', stage, elapsedMs, message };
}

/** What is no number the server refuses by name; here it only must not upset the order. */
function priorityOf(request: Request): number {
  if (request.type !== 'query') return REPORT_PRIORITY;
  return Number.isFinite(request.priority) ? (request.priority ?? 0) : 0;
}

function encode(request: object): string {
  try {
    return JSON.stringify(request);
  } catch (cause) {
    throw new BridgeError('bad_request', 'the request holds a value that JSON cannot carry', {
      retryable: false,
      cause,
    });
  }
}

/** The server ends a connection that carries a longer line, and with it every neighbour's request. */
function refuseLongLine(line: string, maxBytes: number): void {
  // A UTF-16 unit takes at most three bytes: most lines need no count.
  if (line.length * 3 <= maxBytes || Buffer.byteLength(line) <= maxBytes) return;
  throw new BridgeError(
    'line_too_long',
    `the request is longer than ${maxBytes} bytes; put long material into a context file`,
    { retryable: false },
  );
}
