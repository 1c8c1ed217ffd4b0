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
import { setImmediate } from 'node:timers/promises';
import { rootCertificates } from 'node:tls';
import { EventGate } from './events.js';

/** Of a response that is no stream of events, in bytes. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;
/** Of a refusal only the beginning is of interest, in bytes. */
const MAX_REFUSAL_BYTES = 64 * 1024;
/** What may follow the last event of a stream before the connection is given up, in bytes. */
const MAX_TAIL_BYTES = 64 * 1024;
/** How long a stream may go on after its last event before the connection is given up. */
const TAIL_MS = 1_000;
/** Of a stream, in bytes: then everything else gets its turn, however fast more of it comes. */
const SLICE_BYTES = 4 * 1024;
/** Silence on a connection after which the kernel looks whether the other side is still there. */
const PROBE_AFTER_MS = 30_000;

const EVENTS = /^text\/event-stream\b/i;
const JSON_TEXT = /^application\/(?:[\w.-]+\+)?json\b/i;

export type Fetch = (url: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** The two ways to ask over one connection. */
export interface Fetches {
  readonly fetch: Fetch;
  /** For an answer that is streamed: rejects at once when a success is no stream of events. */
  readonly fetchEvents: Fetch;
}

interface ConnectionOptions {
  readonly isSecure: boolean;
  /** Certificates in PEM to trust beside those of Node, for a server that signs its own. */
  readonly ca?: string | undefined;
}

export class Connection implements Fetches {
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
    this.#send(urlOf(input), init, { wantsEvents: false });

  readonly fetchEvents: Fetch = (input, init = {}) =>
    this.#send(urlOf(input), init, { wantsEvents: true });

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

  #send(
    url: URL,
    init: RequestInit,
    { wantsEvents, mayRepeat = true }: { wantsEvents: boolean; mayRepeat?: boolean },
  ): Promise<Response> {
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
          resolve(this.#respond(message, wantsEvents));
        } catch (error) {
          message.destroy();
          reject(error);
        }
      });
      request.on('error', (error: NodeJS.ErrnoException) => {
        // The server let the idle connection go at the moment it was used, and saw no request:
        // https://nodejs.org/docs/latest-v20.x/api/http.html#requestreusedsocket
        const wasStale = request.reusedSocket && error.code === 'ECONNRESET' && !isAnswered;
        if (wasStale && mayRepeat)
          resolve(this.#send(url, init, { wantsEvents, mayRepeat: false }));
        else reject(error);
      });
      // Neither response nor error: a server that switches protocols, though nobody asked it to.
      request.once('close', () => reject(new Error('it gives no response')));
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

  #respond(message: IncomingMessage, wantsEvents: boolean): Response | Promise<Response> {
    const status = message.statusCode ?? 0;
    if (status < 200 || status > 599) throw new Error(`it answers with HTTP status ${status}`);
    // Whoever reads it hears of an error by its iterator; one that comes later concerns nobody.
    message.on('error', () => {});
    const init = { status, headers: headersOf(message) };
    if (status === 204 || status === 205 || status === 304) {
      message.resume();
      return new Response(null, init);
    }
    if (status > 299) return new Response(ReadableStream.from(beginning(message)), init);
    const type = message.headers['content-type'] ?? '';
    if (!EVENTS.test(type)) {
      if (wantsEvents) return noEvents(message, type);
      return new Response(ReadableStream.from(whole(message)), init);
    }
    this.onByte();
    return new Response(ReadableStream.from(this.#events(message)), init);
  }

  async *#events(message: IncomingMessage): AsyncGenerator<Uint8Array> {
    const gate = new EventGate();
    let bytes = 0;
    try {
      for await (const chunk of message.iterator({ destroyOnReturn: false })) {
        this.onByte();
        for (const slice of slices(chunk)) {
          yield* gate.push(slice);
          if (gate.isOver) return;
          bytes += slice.length;
          if (bytes < SLICE_BYTES) continue;
          bytes = 0;
          await setImmediate();
        }
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
    if (message.closed) return;
    const giveUp = setTimeout(() => message.destroy(), TAIL_MS);
    message.once('close', () => clearTimeout(giveUp));
    message.on('data', (chunk: Uint8Array) => {
      bytes += chunk.length;
      if (bytes > MAX_TAIL_BYTES) message.destroy();
    });
  }
}

function urlOf(input: string | URL | Request): URL {
  return new URL(input instanceof Request ? input.url : input);
}

/** @throws Error with what the server says, where that is no more than an error in JSON */
async function noEvents(message: IncomingMessage, type: string): Promise<never> {
  if (!JSON_TEXT.test(type)) {
    message.destroy();
    throw new Error(`it sends no stream of events but ${type || 'bytes of no type'}`);
  }
  const said: Uint8Array[] = [];
  for await (const chunk of beginning(message)) said.push(chunk);
  throw new Error(`it sends no stream of events but ${Buffer.concat(said)}`);
}

function* slices(chunk: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < chunk.length; at += SLICE_BYTES) {
    yield chunk.subarray(at, at + SLICE_BYTES);
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
