import { connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import type {
  Bridge,
  BridgeHealth,
  Query,
  QueryListener,
  QueryReply,
  Ticket,
} from '../../src/bridge/index.js';
import type { Clock } from '../../src/clock.js';
import type { WarmlineError } from '../../src/errors.js';
import { createLogger } from '../../src/log.js';
import {
  createServer,
  type ListenAddress,
  type ServerOptions,
  type SocketServer,
} from '../../src/server/index.js';

/** One query that reached the bridge, for the test to answer when it likes. */
export class Asked implements Ticket {
  cancelled = false;
  detached = false;

  constructor(
    readonly query: Query,
    readonly listener: QueryListener,
  ) {}

  answer(text = `answer to ${this.query.question}`, more: Partial<QueryReply> = {}): void {
    const reply = { answer: text, sources: ['A.md:1-2'], model: 'scripted-1', engine: 'scripted' };
    const rest = { session: 's1', elapsedMs: 1.5, queuedMs: 0.25, ...more };
    this.listener.done({ ok: true, reply: { ...reply, ...rest } });
  }

  fail(error: WarmlineError): void {
    this.listener.done({ ok: false, error });
  }

  cancel(): void {
    this.cancelled = true;
  }

  detach(): void {
    this.detached = true;
  }
}

type Script = (asked: Asked) => void;

export const answerAtOnce: Script = (asked) => setImmediate(() => asked.answer());
export const answerByHand: Script = () => undefined;

export class ScriptedBridge implements Bridge {
  readonly asked: Asked[] = [];
  readonly queues = new Map<object, object>();
  report: BridgeHealth = {
    status: 'ok',
    ready: true,
    engines: [{ engine: 'scripted' }],
    queues: [],
    childPids: [],
  };
  readonly #waiting: ((asked: Asked) => void)[] = [];
  #taken = 0;

  constructor(readonly script: Script) {}

  ask(query: Query, listener: QueryListener): Ticket {
    const asked = new Asked(query, listener);
    this.asked.push(asked);
    this.script(asked);
    this.#waiting.shift()?.(asked);
    return asked;
  }

  /** The next query nobody has waited for yet. */
  async next(): Promise<Asked> {
    const ready = this.asked[this.#taken];
    this.#taken += 1;
    return ready ?? new Promise((resolve) => this.#waiting.push(resolve));
  }

  follow(): undefined {}

  observe(): void {}

  models(): [] {
    return [];
  }

  claims(): undefined {}

  health(): BridgeHealth {
    return this.report;
  }

  stats(): Record<string, unknown> {
    return { scripted: true };
  }

  sessions(): Record<string, unknown>[] {
    return [{ id: 's1', state: 'ready' }];
  }

  reportQueue(from: object, queue: object): void {
    this.queues.set(from, queue);
  }

  forgetQueue(from: object): void {
    this.queues.delete(from);
  }

  async drain(): Promise<void> {}

  async close(): Promise<void> {}
}

/** Time that stands still until the test moves it. */
export class HandClock implements Clock {
  #nowMs = 0;
  #looks: (() => void)[] = [];

  monotonicMs(): number {
    for (const looked of this.#looks.splice(0)) looked();
    return this.#nowMs;
  }

  wallUs(): number {
    return this.#nowMs * 1000;
  }

  /** Moves time and waits until the server has looked at it, twice to be past any look under way. */
  async advance(ms: number): Promise<void> {
    this.#nowMs += ms;
    for (let looks = 0; looks < 2; looks += 1) {
      await new Promise<void>((looked) => this.#looks.push(looked));
    }
  }
}

/** Limits that make the server look at the clock a hundred times a second. */
export const watchful = { lingerMs: 40 };

export interface Running {
  readonly server: SocketServer;
  readonly bridge: ScriptedBridge;
  readonly address: ListenAddress;
  /** Every line logged so far. */
  readonly log: string[];
  connect(): Promise<Wire>;
}

/** A server on a free port, gone when the test is over. */
export async function serve(
  script: Script = answerAtOnce,
  options: Partial<ServerOptions> = {},
): Promise<Running> {
  const log: string[] = [];
  const logger = createLogger({
    level: 'trace',
    destination: { write: (line: string) => void log.push(line) },
  });
  const bridge = new ScriptedBridge(script);
  const server = createServer({ host: '127.0.0.1', port: 0, ...options }, bridge, logger);
  onTestFinished(() => server.close());
  const address = await server.listen();
  return { server, bridge, address, log, connect: () => Wire.open(address.port) };
}

// biome-ignore lint/suspicious/noExplicitAny: replies are looked into freely
export type Line = any;

/** A client that sees bytes, lines and the end of the connection, and hides nothing. */
export class Wire {
  readonly #lines: string[] = [];
  readonly #waiting: (() => void)[] = [];
  #partial: Buffer[] = [];
  /** The server closed its half. */
  ended = false;
  /** The connection is gone. */
  closed = false;
  bytes = 0;

  private constructor(readonly socket: Socket) {
    socket.on('data', (chunk) => this.#take(chunk));
    socket.on('end', () => this.#wake(() => (this.ended = true)));
    socket.on('error', () => undefined);
    socket.on('close', () => this.#wake(() => (this.closed = true)));
  }

  static open(where: number | string): Promise<Wire> {
    return new Promise((resolve, reject) => {
      const target =
        typeof where === 'number' ? { port: where, host: '127.0.0.1' } : { path: where };
      const socket = connect({ ...target, allowHalfOpen: true });
      onTestFinished(() => void socket.destroy());
      socket.once('error', reject);
      socket.once('connect', () => resolve(new Wire(socket)));
    });
  }

  #take(chunk: Buffer): void {
    this.bytes += chunk.length;
    const end = chunk.lastIndexOf(10);
    if (end < 0) {
      this.#partial.push(chunk);
      return;
    }
    const whole = Buffer.concat([...this.#partial, chunk.subarray(0, end)]).toString();
    this.#partial = [chunk.subarray(end + 1)];
    this.#wake(() => this.#lines.push(...whole.split('\n')));
  }

  #wake(change: () => unknown): void {
    change();
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async #until(done: () => boolean): Promise<void> {
    while (!done()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  send(...requests: unknown[]): this {
    const text = requests.map((it) => (typeof it === 'string' ? it : JSON.stringify(it)));
    this.socket.write(text.map((line) => `${line}\n`).join(''));
    return this;
  }

  /** The next line as text. Rejects when the server ended the connection without one. */
  async text(): Promise<string> {
    await this.#until(() => this.#lines.length > 0 || this.ended || this.closed);
    const line = this.#lines.shift();
    if (line === undefined) throw new Error('the connection ended without another line');
    return line;
  }

  async line(): Promise<Line> {
    return JSON.parse(await this.text());
  }

  async lines(count: number): Promise<Line[]> {
    const all: Line[] = [];
    while (all.length < count) all.push(await this.line());
    return all;
  }

  /** Reads until so many bytes have come in all, then stops reading. */
  async take(bytes: number): Promise<void> {
    this.socket.resume();
    while (this.bytes < bytes) {
      await new Promise<void>((resolve) => this.socket.once('data', () => resolve()));
    }
    this.socket.pause();
  }

  /** Everything up to the end of the connection, line by line. */
  async rest(): Promise<Line[]> {
    await this.#until(() => this.ended || this.closed);
    return this.#lines.splice(0).map((line) => JSON.parse(line));
  }

  async close(): Promise<void> {
    await this.#until(() => this.closed);
  }
}
