/**
 * One connection to the server, from dialling to its end. It greets, carries lines both ways and
 * reports its end exactly once; who dials again, and what becomes of the requests, is the client's.
 */
import { connect as dial, type Socket } from 'node:net';
import { z } from 'zod';
import { failpoint } from '../../src/failpoints/index.js';
import { DEFAULT_MAX_LINE_BYTES, encodingOf, LineFramer } from '../../src/protocol/index.js';
import type { ReplyObject } from './answer.js';
import { BridgeError, badReply, fromErrorReply } from './errors.js';

export interface LinkOptions {
  readonly host: string;
  readonly port: number;
  /** Path of a Unix socket; wins over `host` and `port`. */
  readonly path: string | undefined;
  readonly token: string | (() => string) | undefined;
  readonly clientName: string;
  readonly connectTimeoutMs: number;
  readonly maxReplyBytes: number;
}

/** What the server allows a connection, as its greeting says. */
export interface ServerLimits {
  /** Questions in flight. */
  readonly maxInFlight: number;
  /** Longest line in bytes, its end not counted. */
  readonly maxLineBytes: number;
}

export interface LinkHandlers {
  /** The server has greeted back: requests may be sent. Called at most once. */
  up(limits: ServerLimits): void;
  /** A line after the greeting. All lines of one received chunk come in one event-loop turn. */
  reply(reply: ReplyObject): void;
  /** The connection is over or never stood. Called exactly once, last. */
  down(reason: BridgeError): void;
}

export class Link {
  readonly #options: LinkOptions;
  readonly #handlers: LinkHandlers;
  readonly #socket: Socket;
  readonly #framer: LineFramer;
  readonly #greetingTimer: NodeJS.Timeout;
  #phase: 'greeting' | 'up' | 'down' = 'greeting';
  #outbox = '';
  /** What the server last said about the connection itself: why it is about to end. */
  #lastWord: BridgeError | undefined;

  constructor(options: LinkOptions, handlers: LinkHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    this.#framer = new LineFramer(options.maxReplyBytes);
    const { host, port, path, connectTimeoutMs } = options;
    this.#greetingTimer = setTimeout(() => {
      this.#end(this.#unreachable(`no greeting within ${connectTimeoutMs} ms`));
    }, connectTimeoutMs);
    this.#socket = dial(
      path === undefined
        ? { host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 }
        : { path },
    );
    this.#socket.on('connect', () => this.#greet());
    this.#socket.on('data', (chunk: Buffer) => this.#read(chunk));
    this.#socket.on('error', (error) => this.#end(this.#broken(error.message, error)));
    // Without the server's side no reply can come: do not wait for our own side to drain.
    this.#socket.on('end', () => this.#end(this.#broken('the server closed the connection')));
    this.#socket.on('close', () => this.#end(this.#broken('the server closed the connection')));
  }

  /** Queues a line. Everything queued in one event-loop turn leaves in one write. */
  send(line: string): void {
    if (this.#phase !== 'up') return;
    if (this.#outbox === '') setImmediate(() => this.#flush());
    this.#outbox += `${line}\n`;
  }

  /** Ends the connection once what was queued is written; no handler is called any more. */
  close(): Promise<void> {
    this.#flush();
    this.#silence();
    const socket = this.#socket;
    if (socket.destroyed && socket.closed) return Promise.resolve();
    return new Promise((resolve) => {
      socket.once('close', () => resolve());
      if (socket.connecting) socket.destroy();
      else socket.destroySoon();
    });
  }

  #flush(): void {
    if (this.#phase !== 'up' || this.#outbox === '') return;
    const lines = this.#outbox;
    this.#outbox = '';
    this.#socket.write(lines, encodingOf(lines));
    failpoint('send.post');
  }

  #greet(): void {
    try {
      const { token: given, clientName } = this.#options;
      const token = typeof given === 'function' ? given() : given;
      this.#socket.write(`${JSON.stringify({ type: 'hello', token, client: clientName })}\n`);
    } catch (cause) {
      const detail = cause instanceof Error ? cause.message : String(cause);
      this.#end(
        new BridgeError('unauthorized', `the token could not be had: ${detail}`, {
          retryable: true,
          cause,
        }),
      );
    }
  }

  #read(chunk: Buffer): void {
    this.#framer.push(chunk);
    while (this.#phase !== 'down') {
      const line = this.#framer.next();
      if (line === undefined) return;
      const reply = line.kind === 'text' ? parseObject(line.text) : undefined;
      if (reply !== undefined) this.#receive(reply);
      else this.#end(badReply(COMPLAINTS[line.kind]));
    }
  }

  #receive(reply: ReplyObject): void {
    if (this.#phase === 'greeting') {
      if (reply.type === 'welcome') this.#welcome(reply);
      else if (reply.type === 'error') this.#end(fromErrorReply(reply));
      else this.#end(badReply('the server did not greet back; is it warmline?'));
    } else if (reply.id === undefined && reply.type === 'error') {
      this.#lastWord = fromErrorReply(reply);
    } else {
      this.#handlers.reply(reply);
    }
  }

  #welcome(reply: ReplyObject): void {
    clearTimeout(this.#greetingTimer);
    this.#phase = 'up';
    this.#handlers.up(readLimits(reply));
  }

  #end(reason: BridgeError): void {
    if (this.#phase === 'down') return;
    this.#silence();
    this.#socket.destroy();
    this.#handlers.down(this.#lastWord ?? reason);
  }

  #silence(): void {
    clearTimeout(this.#greetingTimer);
    this.#phase = 'down';
    this.#outbox = '';
  }

  #broken(detail: string, cause?: unknown): BridgeError {
    if (this.#phase === 'greeting') return this.#unreachable(detail, cause);
    return new BridgeError('connection_lost', detail, { retryable: true, cause });
  }

  #unreachable(detail: string, cause?: unknown): BridgeError {
    const { host, port, path } = this.#options;
    const address = path ?? `${host}:${port}`;
    return new BridgeError(
      'unreachable',
      `cannot reach warmline at ${address} (${detail}); is \`warmline serve\` running there?`,
      { retryable: true, cause },
    );
  }
}

const Limits = z.object({
  max_in_flight: z.number().int().min(1),
  max_line_bytes: z.number().int().min(1),
});

function readLimits(welcome: ReplyObject): ServerLimits {
  const { success, data } = Limits.safeParse(welcome.limits);
  return success
    ? { maxInFlight: data.max_in_flight, maxLineBytes: data.max_line_bytes }
    : { maxInFlight: 64, maxLineBytes: DEFAULT_MAX_LINE_BYTES };
}

const COMPLAINTS = {
  text: 'the server sent a line that is not a JSON object; is it warmline?',
  invalid_utf8: 'the server sent a line that is not UTF-8; is it warmline?',
  too_long: 'the server sent a reply longer than maxReplyBytes',
};

function parseObject(line: string): ReplyObject | undefined {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as ReplyObject;
    }
  } catch {
    // Not JSON: the caller treats it as any other line that is no reply.
  }
  return undefined;
}
