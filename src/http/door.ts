/** Door 2: HTTP. Routes are described in their files; here is what holds for each of them. */
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Bridge } from '../bridge/index.js';
import { type Clock, systemClock } from '../clock.js';
import { fault } from '../errors.js';
import { listenOn, resolveHost, TokenGate } from '../listening/index.js';
import type { Log } from '../log.js';
import { dashboardRoutes } from './dashboard/routes.js';
import type { TimeoutSettings } from './dashboard/timeouts.js';
import { envelope, failure, HttpFailure, toFailure } from './errors.js';
import { bearerToken, judgeSite, type SiteVerdict } from './guard.js';
import { type GuestList, Guests } from './guests.js';
import { healthRoutes } from './health.js';
import { DEFAULT_LIMITS, type HttpLimits } from './limits.js';
import { Metrics } from './metrics/metrics.js';
import { metricsRoute } from './metrics/route.js';
import { chatRoute } from './openai/chat.js';
import { modelsRoute } from './openai/models.js';
import { TaskResults } from './openai/results.js';
import { openApiRoute } from './openapi.js';
import type { HookSettings } from './push/hooks.js';
import { Push } from './push/push.js';
import { pushRoutes } from './push/routes.js';
import { Sockets } from './push/socket.js';
import { mount, type Route } from './route.js';
import { TaskBoard } from './tasks/board.js';
import type { BusPlace } from './tasks/bus-holder.js';
import { NO_BUS, pollingRoutes } from './tasks/routes.js';

export interface HttpOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Asked of every client when set. Never logged, and not kept. */
  readonly token?: string | undefined;
  /** Where tasks are; there are none without it. */
  readonly bus?: BusPlace | undefined;
  readonly tasksAtOnce: number;
  readonly maxTasks: number;
  readonly maxRequests: number;
  /** Names that the door is called by, beside `localhost` and its own addresses. */
  readonly names: readonly string[];
  /** Origins whose pages may call the door. */
  readonly origins: readonly string[];
  /** Who is told of the end of each task. */
  readonly hooks?: HookSettings | undefined;
  readonly strictModels: boolean;
  /** What time-outs are without anybody setting them. */
  readonly timeouts: TimeoutSettings;
  /** What else answers here, by its path. */
  readonly guests?: GuestList | undefined;
  readonly limits?: Partial<HttpLimits> | undefined;
  readonly clock?: Clock | undefined;
}

export interface HttpDoor {
  /** @returns the port @throws ConfigError with one line that says what to change */
  listen(): Promise<number>;
  /** Takes nothing new, and waits up to `deadlineMs` milliseconds for what is being answered. */
  drain(deadlineMs: number): Promise<void>;
  /** Ends every connection. May be called twice. */
  close(): Promise<void>;
}

/** A last reply is given so long to leave, in milliseconds. */
const LAST_REPLY_MS = 500;

export function createHttpDoor(options: HttpOptions, bridge: Bridge, log: Log): HttpDoor {
  return new Door(options, bridge, log);
}

class Door implements HttpDoor {
  readonly #options: HttpOptions;
  readonly #limits: HttpLimits;
  readonly #app: FastifyInstance;
  readonly #gate: TokenGate;
  readonly #board: TaskBoard | undefined;
  readonly #push: Push | undefined;
  readonly #sockets: Sockets | undefined;
  readonly #metrics: Metrics;
  readonly #guests: Guests;
  readonly #draining = new AbortController();
  readonly #stopping = new AbortController();
  readonly #names: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;
  readonly #log: Log;
  /** Requests that have no reply yet. */
  #open = 0;
  #quiet: (() => void) | undefined;
  #isClosed = false;

  constructor(options: HttpOptions, bridge: Bridge, log: Log) {
    const { bus: place, clock = systemClock, tasksAtOnce, maxTasks } = options;
    this.#options = options;
    this.#log = log;
    this.#gate = new TokenGate(options.token);
    this.#names = new Set([options.host, ...options.names].map((name) => name.toLowerCase()));
    this.#origins = new Set(options.origins.map((origin) => origin.toLowerCase()));
    this.#board =
      place &&
      new TaskBoard({
        place,
        limits: { atOnce: tasksAtOnce, unfinished: maxTasks },
        ...{ bridge, clock, log },
      });
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    const { maxConnections, stallMs } = this.#limits;
    this.#push =
      this.#board &&
      place &&
      new Push({
        ...{ place, board: this.#board, hooks: options.hooks },
        ...{ maxConnections, stallMs, clock, log },
      });
    this.#metrics = new Metrics({
      bridge,
      bus: this.#board && { open: this.#board.bus.bind(this.#board) },
      readers: () => this.#push?.readers.count ?? 0,
    });
    this.#app = this.#createApp(this.#limits);
    for (const route of this.#routes(bridge, clock)) mount(this.#app, route);
    this.#guests = new Guests(options.guests ?? {}, log);
    this.#guests.mount(this.#app);
    this.#sockets =
      this.#board &&
      this.#push &&
      new Sockets(this.#server, {
        ...{ push: this.#push, board: this.#board, log },
        admit: (request, token) => this.#admitSocket(request, token),
      });
  }

  async listen(): Promise<number> {
    const { host: name, port, token } = this.#options;
    const host = await resolveHost(name, token !== undefined);
    await this.#app.ready();
    await listenOn(this.#server, { host, port }, '--http-port, or off');
    await this.#board?.start();
    this.#push?.start();
    return (this.#server.address() as AddressInfo).port;
  }

  async drain(deadlineMs: number): Promise<void> {
    this.#draining.abort();
    this.#push?.stop();
    this.#sockets?.stop();
    this.#server.close();
    this.#server.closeIdleConnections();
    await this.#untilQuiet(deadlineMs);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#draining.abort();
    this.#stopping.abort();
    this.#push?.stop();
    this.#sockets?.stop();
    this.#server.close();
    this.#server.closeIdleConnections();
    await this.#untilQuiet(LAST_REPLY_MS);
    this.#server.closeAllConnections();
    this.#sockets?.close();
    await this.#guests.close();
    await this.#push?.close();
    await this.#board?.close();
    await this.#app.close();
  }

  get #server(): Server {
    return this.#app.server;
  }

  #routes(bridge: Bridge, clock: Clock): Route[] {
    const { maxRequests, strictModels } = this.#options;
    const board = () => {
      if (this.#board === undefined) throw failure(503, 'no_bus', NO_BUS);
      return this.#board;
    };
    const push = () => {
      if (this.#push === undefined) throw failure(503, 'no_bus', NO_BUS);
      return this.#push;
    };
    const results = new TaskResults(bridge, board);
    const draining = this.#draining.signal;
    const stopping = this.#stopping.signal;
    const chat = {
      bridge,
      board: this.#board,
      results,
      clock,
      maxRequests,
      strictModels,
      draining,
      stopping,
    };
    const dashboard = {
      ...{ bridge, clock, stopping },
      bus: this.#board && { file: this.#board.file, open: this.#board.bus.bind(this.#board) },
      requireBus: async () => await board().bus(),
      timeouts: this.#options.timeouts,
    };
    const routes = [
      ...dashboardRoutes(dashboard),
      chatRoute(chat),
      modelsRoute(bridge, Math.floor(clock.wallUs() / 1e6)),
      ...pollingRoutes(board, results),
      ...pushRoutes(push, board),
      metricsRoute(this.#metrics),
      ...healthRoutes(bridge, this.#board, () => draining.aborted),
    ];
    return [...routes, openApiRoute(routes)];
  }

  #createApp(limits: HttpLimits): FastifyInstance {
    const app = Fastify({
      bodyLimit: limits.bodyBytes,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: limits.keepAliveMs,
      forceCloseConnections: true,
      http: {
        maxHeaderSize: limits.headerBytes,
        headersTimeout: limits.headersMs,
        requestTimeout: limits.requestMs,
        connectionsCheckingInterval: Math.min(1_000, limits.headersMs),
        keepAlive: true,
      },
      clientErrorHandler: refuseBytes,
      // What a route says of a long id is what it says of any that it does not know.
      routerOptions: { maxParamLength: limits.headerBytes },
      frameworkErrors: (_error, _request, reply) => {
        void send(reply, failure(400, 'bad_request', 'the address is not well written'));
      },
    });
    app.server.maxConnections = limits.maxConnections;
    // JSON alone: whatever else a page can send without being asked whether it may.
    app.removeAllContentTypeParsers();
    const parse = app.getDefaultJsonParser('error', 'error');
    app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
      if (body === '') done(null, undefined);
      else parse(request, String(body), done);
    });
    app.addHook('onRequest', async (request, reply) => this.#admit(request, reply));
    app.addHook('onSend', async (_request, reply) => {
      if (this.#draining.signal.aborted) reply.header('connection', 'close');
    });
    app.addHook('onResponse', async ({ routeOptions }, reply) => {
      this.#metrics.replied(routeOptions.url, reply.raw.statusCode, reply.elapsedTime / 1000);
    });
    app.setNotFoundHandler((_request, reply) => {
      void send(reply, failure(404, 'not_found', 'there is no such address; see docs/http.md'));
    });
    app.setErrorHandler((thrown, request, reply) => {
      const told = toFailure(thrown);
      if (told === undefined)
        this.#log.error({ err: thrown, url: request.url }, 'a request failed');
      void send(reply, told ?? failure(500, 'internal', 'something went wrong inside warmline'));
    });
    return app;
  }

  /** @throws HttpFailure */
  #admit(request: FastifyRequest, reply: FastifyReply): FastifyReply | undefined {
    this.#count(reply);
    dropIfStalled(reply, this.#limits);
    const verdict = this.#judge(request.raw);
    reply.header('x-content-type-options', 'nosniff').header('cache-control', 'no-store');
    if (verdict.admit === 'listed page') {
      reply.header('access-control-allow-origin', verdict.origin).header('vary', 'origin');
      if (request.method === 'OPTIONS') return allowPage(reply);
    }
    const isOpen = (request.routeOptions.config as { isOpen?: boolean }).isOpen === true;
    if (!isOpen) this.#requireToken(bearerToken(request.headers.authorization));
    return undefined;
  }

  /** @throws HttpFailure */
  #admitSocket(request: IncomingMessage, token: string | undefined): void {
    if (this.#draining.signal.aborted) throw fault('shutting_down', 'the server is stopping');
    this.#judge(request);
    this.#requireToken(token ?? bearerToken(request.headers.authorization));
  }

  /** @throws HttpFailure when a page asks that may not */
  #judge({ headers, socket }: IncomingMessage): Exclude<SiteVerdict, { admit: 'no' }> {
    const verdict = judgeSite(
      { host: headers.host, origin: headers.origin, fetchSite: one(headers['sec-fetch-site']) },
      { localAddress: socket.localAddress, names: this.#names, origins: this.#origins },
    );
    if (verdict.admit !== 'no') return verdict;
    throw failure(verdict.status, 'foreign_site', verdict.message);
  }

  /** @throws HttpFailure */
  #requireToken(token: string | undefined): void {
    if (this.#gate.admits(token)) return;
    const { status, body } = failure(
      401,
      'unauthorized',
      'the token is missing or wrong; send it as a bearer token',
    );
    throw new HttpFailure(status, body, { 'www-authenticate': 'Bearer' });
  }

  #count(reply: FastifyReply): void {
    this.#open += 1;
    reply.raw.once('close', () => {
      this.#open -= 1;
      if (this.#open === 0) this.#quiet?.();
    });
  }

  async #untilQuiet(deadlineMs: number): Promise<void> {
    if (this.#open === 0) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#quiet = resolve;
      timer = setTimeout(resolve, deadlineMs);
    });
    clearTimeout(timer);
  }
}

/**
 * A reply that is not taken keeps its bytes in memory. The timer of the socket does not tell: it
 * starts anew whenever the client says something.
 */
function dropIfStalled({ raw }: FastifyReply, limits: HttpLimits): void {
  raw.once('prefinish', () => {
    const { socket } = raw;
    const waitMs = limits.stallMs + raw.writableLength / limits.slowestBytesPerMs;
    const timer = setTimeout(() => socket?.destroy(), waitMs).unref();
    raw.once('close', () => clearTimeout(timer));
  });
}

/** What a browser asks before a page's request. */
function allowPage(reply: FastifyReply): FastifyReply {
  return reply
    .code(204)
    .header('access-control-allow-methods', 'GET, POST')
    .header(
      'access-control-allow-headers',
      'authorization, content-type, idempotency-key, x-session-id, x-stainless-arch, x-stainless-lang, x-stainless-os, x-stainless-package-version, x-stainless-retry-count, x-stainless-runtime, x-stainless-runtime-version, x-stainless-timeout',
    )
    .header('access-control-max-age', '600')
    .send();
}

function send(reply: FastifyReply, { status, body, headers }: HttpFailure): FastifyReply {
  return reply.code(status).headers(headers).send(body);
}

function one(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

const REFUSALS: Readonly<Record<string, readonly [status: string, code: string, say: string]>> = {
  HPE_HEADER_OVERFLOW: [
    '431 Request Header Fields Too Large',
    'headers_too_large',
    'the headers are too long',
  ],
  ERR_HTTP_REQUEST_TIMEOUT: [
    '408 Request Timeout',
    'too_slow',
    'the request took too long to come',
  ],
};

/** Bytes that are no request, or one that does not end. */
function refuseBytes(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, code, say] = REFUSALS[error.code ?? ''] ?? [
    '400 Bad Request',
    'bad_request',
    'this is no HTTP request',
  ];
  const body = JSON.stringify(envelope(Number(status.slice(0, 3)), code, say));
  const head = `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n`;
  socket.end(head + body, () => socket.destroySoon());
}
