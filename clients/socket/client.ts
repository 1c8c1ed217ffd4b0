/**
 * The socket client: many requests in flight on one connection that is dialled again when it is
 * lost. What is always true:
 *  - A request that was on a lost connection fails with `ConnectionLost`. It is sent again only
 *    when it carries a `requestId` and `resend` is on: only then can it not run twice.
 *  - A request made while no connection stands waits for one until its own deadline or signal.
 *  - All replies that arrive in one chunk reach their listeners in one event-loop turn, one after
 *    the other, so that a caller can commit what they bring together.
 */
import { EventEmitter } from 'node:events';
import { systemClock } from '../../src/clock.js';
import type { QueueReport, Request } from '../../src/protocol/index.js';
import {
  type Answer,
  type AskOptions,
  type Listener,
  type QueryOptions,
  type ReplyObject,
  toAnswer,
  toQuery,
  type WaitOptions,
} from './answer.js';
import { reconnectDelayMs } from './backoff.js';
import { BridgeError, ConnectionLost } from './errors.js';
import { Exchange, type ExchangeOwner, type ExchangePlan } from './exchange.js';
import { Flight } from './flight.js';
import { Link, type ServerLimits } from './link.js';
import {
  type BridgeClientEvents,
  type BridgeClientOptions,
  type Settings,
  toSettings,
} from './options.js';
import { AnswerStream } from './stream.js';

/** A report of the server, as it came: see the protocol for its fields. */
export type Report = ReplyObject;

/** A request under way. */
export interface Pending {
  /** Settles it with `cancelled` at once and tells the server. Does nothing once it is settled. */
  cancel(): void;
  /**
   * Tells the server to stop, and leaves the outcome to its terminal line (`cancelled`, or the
   * answer if that was faster), to the loss of the connection or to the deadline: when `done` is
   * called by the terminal line, nothing works on the request any more.
   */
  stop(): void;
}

type State =
  | { readonly at: 'connecting'; readonly link: Link }
  | { readonly at: 'ready'; readonly link: Link; readonly limits: ServerLimits }
  | { readonly at: 'backoff'; readonly timer: NodeJS.Timeout }
  | { readonly at: 'closed'; readonly ended: Promise<void> };

interface Waiter {
  resolve(): void;
  reject(reason: BridgeError): void;
}

export class BridgeClient extends EventEmitter<BridgeClientEvents> {
  readonly #settings: Settings;
  readonly #flight = new Flight();
  readonly #owner: ExchangeOwner;
  #state: State;
  #lastId = 0;
  #attempt = 0;
  #connectWaiters: Waiter[] = [];
  #drained: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;

  /** Starts connecting at once; requests may be made straight away. */
  constructor(options: BridgeClientOptions = {}) {
    super();
    this.#settings = toSettings(options);
    this.#owner = {
      clock: systemClock,
      timeoutMs: this.#settings.timeoutMs,
      graceMs: this.#settings.graceMs,
      recall: (id) => this.#recall(id),
      halt: (id) => this.#halt(id),
      settled: (exchange) => this.#settled(exchange),
    };
    this.#state = this.#dial();
  }

  /** Requests in flight or waiting for a connection. */
  get pending(): number {
    return this.#flight.size;
  }

  get connected(): boolean {
    return this.#state.at === 'ready';
  }

  /**
   * Resolves once the connection stands.
   * @throws BridgeError `unreachable`, `unauthorized`, `busy`, … as soon as the attempt under way
   *   (or the next one) fails; the client goes on trying unless `reconnect` is off
   */
  ready(): Promise<void> {
    if (this.#state.at === 'ready') return Promise.resolve();
    if (this.#state.at === 'closed') return Promise.reject(closedError());
    return new Promise((resolve, reject) => this.#connectWaiters.push({ resolve, reject }));
  }

  /**
   * Asks a question and waits for the answer.
   * @throws BridgeError with the server's code; `cancelled` when `signal` aborts; `timeout`;
   *   `ConnectionLost`; `line_too_long` for a question longer than the server takes; `closed`
   */
  ask(question: string, options: AskOptions = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.submit(question, options, {
        progress: options.onProgress,
        done: (outcome) => (outcome.ok ? resolve(outcome.value) : reject(outcome.error)),
      });
    });
  }

  /** Asks a question and gives its answer as it comes. Fails as `ask` does. */
  stream(question: string, options: QueryOptions = {}): AnswerStream {
    return new AnswerStream((listener) => {
      const pending = this.submit(question, options, listener);
      return () => pending.cancel();
    });
  }

  /**
   * `ask` with plain callbacks, for callers that commit the answers of one chunk together:
   * `listener.done` runs synchronously as each line is read, never before `submit` returned.
   * @throws TypeError when the question is not a string
   */
  submit(question: string, options: QueryOptions, listener: Listener<Answer>): Pending {
    if (typeof question !== 'string') throw new TypeError('the question must be a string');
    return this.#begin({
      request: toQuery(question, options, listener),
      expects: 'response',
      read: toAnswer,
      listener,
      options,
      resend: this.#settings.resend && options.requestId !== undefined,
    });
  }

  /** Round trip to the server in milliseconds. Fails as `ask` does. */
  async ping(options: WaitOptions = {}): Promise<number> {
    const startMs = systemClock.monotonicMs();
    await this.#exchange({ type: 'ping' }, 'pong', options);
    return systemClock.monotonicMs() - startMs;
  }

  /** The server's `health` report. Fails as `ask` does. */
  health(options: WaitOptions = {}): Promise<Report> {
    return this.#exchange({ type: 'health' }, 'health', options);
  }

  /** The server's `stats` report. Fails as `ask` does. */
  stats(options: WaitOptions = {}): Promise<Report> {
    return this.#exchange({ type: 'stats' }, 'stats', options);
  }

  /** The server's `sessions` report. Fails as `ask` does. */
  sessions(options: WaitOptions = {}): Promise<Report> {
    return this.#exchange({ type: 'sessions' }, 'sessions', options);
  }

  /** Shows a queue in the server's `health` as long as the connection stands. Fails as `ask` does. */
  async report(queue: QueueReport, options: WaitOptions = {}): Promise<void> {
    await this.#exchange({ type: 'report', queue }, 'reported', options);
  }

  /** Takes no new requests (they fail with `closed`), waits for those under way, then closes. */
  drain(): Promise<void> {
    if (this.#state.at === 'closed') return this.#state.ended;
    if (this.#flight.size === 0) return this.close();
    if (this.#drained === undefined) {
      let resolve = (): void => {};
      const promise = new Promise<void>((settle) => {
        resolve = settle;
      });
      this.#drained = { promise, resolve };
    }
    return this.#drained.promise;
  }

  /** Ends now: what is under way fails with `closed`. Resolves when the socket is closed. */
  close(): Promise<void> {
    return this.#shut(undefined);
  }

  #exchange(request: Request, expects: string, options: WaitOptions): Promise<Report> {
    return new Promise((resolve, reject) => {
      this.#begin<Report>({
        request,
        expects,
        read: (reply) => reply,
        listener: {
          done: (outcome) => (outcome.ok ? resolve(outcome.value) : reject(outcome.error)),
        },
        options,
        resend: true,
      });
    });
  }

  #begin<T>(plan: ExchangePlan<T>): Pending {
    const { signal } = plan.options;
    this.#lastId += 1;
    const exchange = new Exchange(this.#lastId, plan, this.#owner) as Exchange;
    if (this.#state.at === 'closed' || this.#drained !== undefined) {
      queueMicrotask(() => exchange.fail(closedError()));
    } else if (signal?.aborted === true) {
      queueMicrotask(() => exchange.cancel(signal.reason));
    } else if (this.#state.at === 'ready' && this.#flight.hasRoom(this.#state.limits.maxInFlight)) {
      this.#send(this.#state, exchange);
    } else {
      this.#flight.wait(exchange);
      this.#pump();
    }
    return exchange;
  }

  /** Sends what the server allows of what waits. */
  #pump(): void {
    while (this.#state.at === 'ready') {
      const { limits } = this.#state;
      const exchange = this.#flight.next(this.#flight.onWire >= limits.maxInFlight);
      if (exchange === undefined) return;
      this.#send(this.#state, exchange);
    }
  }

  #send({ link, limits }: Extract<State, { at: 'ready' }>, exchange: Exchange): void {
    this.#flight.sent(exchange);
    try {
      link.send(exchange.toLine(limits.maxLineBytes));
    } catch (error) {
      queueMicrotask(() => exchange.fail(error as BridgeError));
    }
  }

  #recall(id: number): void {
    if (this.#state.at !== 'ready') return;
    this.#flight.recalled(id);
    this.#halt(id);
  }

  #halt(id: number): void {
    if (this.#state.at === 'ready') this.#state.link.send(JSON.stringify({ type: 'cancel', id }));
  }

  #settled(exchange: Exchange): void {
    this.#flight.settled(exchange);
    this.#pump();
    if (this.#flight.size === 0 && this.#drained !== undefined) void this.#shut(undefined);
  }

  #dial(): State {
    const link = new Link(this.#settings, {
      up: (limits) => this.#up(link, limits),
      reply: (reply) => this.#receive(reply),
      down: (reason) => this.#down(reason),
    });
    return { at: 'connecting', link };
  }

  #up(link: Link, limits: ServerLimits): void {
    this.#state = { at: 'ready', link, limits };
    this.#attempt = 0;
    this.#pump();
    for (const waiter of this.#takeWaiters()) waiter.resolve();
    this.emit('connected');
  }

  #receive(reply: ReplyObject): void {
    const { id } = reply;
    if (typeof id !== 'number') return;
    const exchange = this.#flight.onWireAs(id);
    if (exchange !== undefined) exchange.receive(reply);
    // The terminal line of a request nobody waits for any more: it has left the server.
    else if (reply.type === 'response' || reply.type === 'error') this.#concluded(id);
  }

  #concluded(id: number): void {
    if (this.#flight.concluded(id)) this.#pump();
  }

  #down(reason: BridgeError): void {
    const wasReady = this.#state.at === 'ready';
    const { reconnect } = this.#settings;
    if (reconnect === false) {
      void this.#shut(reason);
      return;
    }
    this.#attempt += 1;
    const delayMs = Math.max(
      reconnectDelayMs(this.#attempt, Math.random(), reconnect),
      reason.retryAfterMs ?? 0,
    );
    const timer = setTimeout(() => {
      this.#state = this.#dial();
    }, delayMs);
    this.#state = { at: 'backoff', timer };
    for (const waiter of this.#takeWaiters()) waiter.reject(reason);
    this.#giveUp(reason);
    if (wasReady) this.emit('disconnected', { reason });
    if (this.#state.at === 'backoff') {
      this.emit('reconnecting', { attempt: this.#attempt, delayMs, reason });
    }
  }

  /** Settles what a lost connection or a failed attempt leaves without hope. */
  #giveUp(reason: BridgeError): void {
    for (const exchange of this.#flight.lost()) exchange.fail(new ConnectionLost(reason));
    if (reason.code !== 'unauthorized') return;
    for (const exchange of this.#flight.waiting()) exchange.fail(reason);
  }

  #shut(reason: BridgeError | undefined): Promise<void> {
    const state = this.#state;
    if (state.at === 'closed') return state.ended;
    const drained = this.#drained;
    if (state.at === 'backoff') clearTimeout(state.timer);
    const ended = state.at === 'backoff' ? Promise.resolve() : state.link.close();
    this.#state = { at: 'closed', ended };
    const failure = reason ?? closedError();
    for (const waiter of this.#takeWaiters()) waiter.reject(failure);
    const lost = reason === undefined ? failure : new ConnectionLost(reason);
    for (const exchange of this.#flight.lost()) exchange.fail(lost);
    for (const exchange of this.#flight.waiting()) exchange.fail(failure);
    if (state.at === 'ready' && reason !== undefined) this.emit('disconnected', { reason });
    this.emit('closed', { reason });
    if (drained !== undefined) void ended.then(drained.resolve);
    return ended;
  }

  #takeWaiters(): Waiter[] {
    return this.#connectWaiters.splice(0);
  }
}

function closedError(): BridgeError {
  return new BridgeError('closed', 'this client is closed or draining; connect a new one', {
    retryable: false,
  });
}

/**
 * Connects and waits until the server has greeted. The client then reconnects by itself.
 * @throws BridgeError `unreachable`, `unauthorized`, `busy`, … when the first attempt fails
 */
export async function connect(options: BridgeClientOptions = {}): Promise<BridgeClient> {
  const client = new BridgeClient(options);
  try {
    await client.ready();
    return client;
  } catch (error) {
    await client.close();
    throw error;
  }
}
