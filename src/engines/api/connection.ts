/**
 * The connection a session keeps to its model server, with a `fetch` over it for the official
 * clients. Node's own `fetch` lets an idle connection go after 4 s, gives up on a model that thinks
 * for 300 s, and reads as much of an error page as a server cares to send; the dispatcher that
 * could change this is in no package of ours. Here a connection is kept for as long as the server
 * keeps it, no clock runs, and everything that is read has a largest size.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { rootCertificates } from 'node:tls';
import { EventGate } from './events.js';

/** Of a response that is no stream of events, in bytes. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;
/** Of a refusal only the beginning is of interest, in bytes. */
const MAX_REFUSAL_BYTES = 64 * 1024;
/** What may follow the last event of a stream before the connection is given up, in bytes. */
const MAX_TAIL_BYTES = 64 * 1024;
/** Silence after the last event of a stream that does not end: then the connection is given up. */
const TAIL_MS = 1_000;
/** Silence on a connection after which the kernel looks whether the other side is still there. */
const PROBE_AFTER_MS = 30_000;

export type Fetch = (url: string | URL | Request, init?: RequestInit) => Promise<Response>;

export interface ConnectionOptions {
  readonly isSecure: boolean;
  /** Certificates in PEM to trust beside those of Node, for a server that signs its own. */
  readonly ca?: string | undefined;
}

export class Connection {
  /** Told of every sign of life in a stream. */
  onByte: () => void = () => {};
  /** Told that the last open connection has ended, though nobody closed it here. */
  onLost: () => void = () => {};

  readonly #agent: HttpAgent | HttpsAgent;
  readonly #isSecure: boolean;
  readonly #sockets = new Set<Socket>();
  /** The rest of a stream whose last event has been read. */
  #tail: IncomingMessage | undefined;
  #isClosed = false;

  constructor({ isSecure, ca }: ConnectionOptions) {
    this.#isSecure = isSecure;
    // Two, so that a question need not wait behind a greeting that got stuck.
    const settings = { keepAlive: true, maxSockets: 2, maxFreeSockets: 1 };
    const trust = ca === undefined ? {} : { ca: [...rootCertificates, ca] };
    this.#agent = isSecure ? new HttpsAgent({ ...settings, ...trust }) : new HttpAgent(settings);
  }

  get isOpen(): boolean {
    return this.#sockets.size > 0;
  }

  /** Without redirects: a key goes to the server it was meant for and to no other. */
  readonly fetch: Fetch = (input, init = {}) =>
    this.#send(new URL(input instanceof Request ? input.url : input), init, true);

  /** Resolves when nothing of an answer is left on the connection, so that it can be used again. */
  async rest(): Promise<void> {
    const tail = this.#tail;
    if (tail === undefined || tail.closed) return;
    await new Promise<void>((resolve) => {
      tail.once('close', resolve);
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#agent.destroy();
    for (const socket of this.#sockets) socket.destroy();
  }

  #send(url: URL, init: RequestInit, mayRepeat: boolean): Promise<Response> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) throw new Error('the connection is closed');
      const start = this.#isSecure ? httpsRequest : httpRequest;
      const request = start(url, {
        agent: this.#agent,
        method: init.method ?? 'GET',
        headers: Object.fromEntries(new Headers(init.headers)),
        ...(init.signal ? { signal: init.signal } : {}),
      });
      let isAnswered = false;
      request.once('socket', (socket) => this.#watch(socket));
      request.once('response', (message) => {
        isAnswered = true;
        try {
          resolve(this.#respond(message));
        } catch (error) {
          message.destroy();
          reject(error);
        }
      });
      request.on('error', (error: NodeJS.ErrnoException) => {
        // The server let the idle connection go at the moment it was used, and saw no request:
        // https://nodejs.org/docs/latest-v20.x/api/http.html#requestreusedsocket
        const wasStale = request.reusedSocket && error.code === 'ECONNRESET' && !isAnswered;
        if (wasStale && mayRepeat) resolve(this.#send(url, init, false));
        else reject(error);
      });
      request.end(typeof init.body === 'string' ? init.body : undefined);
    });
  }

  #watch(socket: Socket): void {
    if (this.#sockets.has(socket)) return;
    this.#sockets.add(socket);
    socket.setKeepAlive(true, PROBE_AFTER_MS);
    // A request that is aborted while its response ends has left the socket when this error comes.
    socket.on('error', () => {});
    socket.once('close', () => {
      this.#sockets.delete(socket);
      if (this.#sockets.size === 0 && !this.#isClosed) this.onLost();
    });
  }

  #respond(message: IncomingMessage): Response {
    const status = message.statusCode ?? 0;
    if (status < 200 || status > 599) throw new Error(`it answers with HTTP status ${status}`);
    // Whoever reads it hears of an error by its iterator; one that comes later concerns nobody.
    message.on('error', () => {});
    const init = { status, headers: headersOf(message) };
    if (status === 204 || status === 205 || status === 304) {
      message.resume();
      return new Response(null, init);
    }
    const isStream = message.headers['content-type']?.startsWith('text/event-stream') === true;
    if (status > 299) return new Response(ReadableStream.from(beginning(message)), init);
    if (!isStream) return new Response(ReadableStream.from(whole(message)), init);
    this.onByte();
    return new Response(ReadableStream.from(this.#events(message)), init);
  }

  async *#events(message: IncomingMessage): AsyncGenerator<Uint8Array> {
    const gate = new EventGate();
    try {
      for await (const chunk of message.iterator({ destroyOnReturn: false })) {
        this.onByte();
        yield* gate.push(chunk);
        if (gate.isOver) return;
      }
      yield* gate.end();
    } finally {
      if (!message.readableEnded) {
        if (gate.isOver) this.#drain(message);
        else message.destroy();
      }
    }
  }

  /** Reads what follows the last event: only then the connection is free for another request. */
  #drain(message: IncomingMessage): void {
    this.#tail = message;
    let bytes = 0;
    // A response that came to its end meanwhile has given its socket back.
    if (message.socket !== null) message.setTimeout(TAIL_MS, () => message.destroy());
    message.on('data', (chunk: Uint8Array) => {
      bytes += chunk.length;
      if (bytes > MAX_TAIL_BYTES) message.destroy();
    });
  }
}

function headersOf(message: IncomingMessage): Headers {
  const headers = new Headers();
  for (const [name, values] of Object.entries(message.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value);
  }
  return headers;
}

async function* whole(message: IncomingMessage): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of message) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new Error(`it sends more than ${MAX_BODY_BYTES} bytes`);
    yield chunk;
  }
}

async function* beginning(message: IncomingMessage): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of message) {
    yield chunk.subarray(0, MAX_REFUSAL_BYTES - bytes);
    bytes += chunk.length;
    if (bytes >= MAX_REFUSAL_BYTES) return;
  }
}
