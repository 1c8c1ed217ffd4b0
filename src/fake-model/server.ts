/** The fake model as an HTTP server on a loopback address. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, isIPv4, type Socket } from 'node:net';
import { ConfigError } from '../errors.js';
import type { Log } from '../log.js';
import { answerAdmin } from './admin.js';
import { type Behaviour, parseWords } from './behaviour.js';
import { BodyReader, BodyTooLarge } from './body.js';
import { Exchange, type ScriptFor } from './exchange.js';
import { sendJson } from './play.js';
import type { ReceivedRequest } from './received.js';

/** A behaviour, or the words for one: `status=429 reset=60`. */
type Script = Behaviour | string;

export interface FakeModelOptions {
  /** Default: a free one. */
  readonly port?: number;
  /** A loopback address, default `127.0.0.1`. */
  readonly host?: string;
  /** Silence before every answer, in milliseconds. */
  readonly delayMs?: number;
  /** What is done with requests for which nothing else is said. */
  readonly script?: Script | ((request: ReceivedRequest) => Script | undefined);
  /** Requests that do not bear this key are answered with 401. */
  readonly apiKey?: string;
  readonly log?: Log;
}

export interface FakeModel {
  readonly host: string;
  readonly port: number;
  /** Base address without a path: `http://127.0.0.1:40123`. OpenAI clients want `/v1` after it. */
  readonly url: string;
  /** Requests for an answer, oldest first; the newest 1,000 or 64 MiB of them. */
  readonly requests: readonly ReceivedRequest[];
  /** All other requests, such as those for a list of models. */
  readonly probes: readonly ReceivedRequest[];
  /** Connections accepted so far. */
  readonly connections: number;
  /**
   * Does this with the next requests for an answer, after those of earlier calls.
   * @throws WordError
   */
  next(script: Script, times?: number): void;
  /**
   * The first request for an answer, received already or to come, of which the predicate is true.
   * It is asked again whenever a request changes: `(request) => request.aborted` can be waited for.
   */
  waitForRequest(
    predicate: (request: ReceivedRequest) => boolean,
    options?: { signal?: AbortSignal },
  ): Promise<ReceivedRequest>;
  /** Forgets the requests and what was to be done with the next ones. */
  clear(): void;
  /** Ends all connections and the server. */
  close(): Promise<void>;
}

const MAX_CONNECTIONS = 512;
/** As long as clients may want to keep a connection warm. */
const KEEP_ALIVE_MS = 600_000;

/** @throws ConfigError when the address is not a loopback one or cannot be had; WordError */
export async function startFakeModel(options: FakeModelOptions = {}): Promise<FakeModel> {
  const host = loopback(options.host ?? '127.0.0.1');
  const exchange = new Exchange(scriptOf(options), options.apiKey, options.log);
  const connections = new Connections();
  const server = createHttpServer(exchange, connections);
  server.listen(options.port ?? 0, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    const { message } = error as Error;
    throw new ConfigError(`the fake model cannot listen (${message}); give another port`);
  }
  const { port } = server.address() as AddressInfo;
  const { requests, probes } = exchange;
  return {
    host,
    port,
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    requests: requests.all,
    probes: probes.all,
    get connections() {
      return connections.count;
    },
    next: (script, times) => exchange.queue(behaviourOf(script), times),
    waitForRequest: (predicate, { signal } = {}) => requests.waitFor(predicate, signal),
    clear: () => exchange.clear(),
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** @throws ConfigError: what it receives and answers is for this machine alone */
function loopback(host: string): string {
  if (host === 'localhost') return '127.0.0.1';
  if (host === '::1' || (isIPv4(host) && host.startsWith('127.'))) return host;
  throw new ConfigError(
    `the fake model listens on a loopback address only, such as 127.0.0.1, and not on ${host}`,
  );
}

function scriptOf({ delayMs = 0, script = {} }: FakeModelOptions): ScriptFor {
  if (typeof script !== 'function') {
    const behaviour = { delayMs, ...behaviourOf(script) };
    return () => behaviour;
  }
  return (request) => ({ delayMs, ...behaviourOf(script(request) ?? {}) });
}

function behaviourOf(script: Script): Behaviour {
  return typeof script === 'string' ? parseWords(script) : script;
}

/** Numbers connections in the order they came. */
class Connections {
  count = 0;
  readonly #numbers = new WeakMap<Socket, number>();

  add(socket: Socket): void {
    this.count += 1;
    this.#numbers.set(socket, this.count);
  }

  numberOf(socket: Socket): number {
    return this.#numbers.get(socket) ?? 0;
  }
}

function createHttpServer(exchange: Exchange, connections: Connections): Server {
  const bodies = new BodyReader();
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
    // An error of a response says that its client is gone, which its closing says too.
    response.on('error', () => undefined);
    void serve(request, response).catch(() => response.destroy());
  });
  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = urlOf(request);
    const raw = url === null ? undefined : await readBody(bodies, request);
    if (url === null || raw === undefined) return refuse(response, url === null ? 404 : 413);
    const connection = connections.numberOf(request.socket);
    const incoming = { request, response, url, raw, connection };
    if (url.pathname.startsWith('/__fake/')) await answerAdmin(exchange, incoming);
    else await exchange.handle(incoming);
  }
  server.maxConnections = MAX_CONNECTIONS;
  server.on('connection', (socket) => connections.add(socket));
  server.on('clientError', (_error, socket) => {
    socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
  });
  return server;
}

function urlOf({ url = '/' }: IncomingMessage): URL | null {
  const whole = `http://fake-model${url}`;
  return URL.canParse(whole) ? new URL(whole) : null;
}

/** Undefined when it is too large. */
async function readBody(bodies: BodyReader, request: IncomingMessage): Promise<string | undefined> {
  try {
    return await bodies.read(request);
  } catch (error) {
    if (error instanceof BodyTooLarge) return undefined;
    throw error;
  }
}

/** For requests that cannot be told apart by their dialect. The rest of the body is not read. */
async function refuse(response: ServerResponse, status: 404 | 413): Promise<void> {
  const [type, message] =
    status === 413
      ? ['request_too_large', 'Request exceeds the maximum size']
      : ['not_found_error', 'there is no such path'];
  response.shouldKeepAlive = false;
  const body = { type: 'error', error: { type, message } };
  await sendJson(response, status, body, new AbortController().signal);
}
