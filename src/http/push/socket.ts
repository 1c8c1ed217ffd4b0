/**
 * `/v1/ws`: the events of the streams over a WebSocket, to all of them or to those of some tasks.
 * A connection is a reader like any other: it has one subscription at a time, counts among the
 * readers, and is dropped when it takes nothing.
 */
import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import { z } from 'zod';
import type { Log } from '../../log.js';
import { failure, toFailure } from '../errors.js';
import { ErrorReply, type Route, route } from '../route.js';
import type { TaskBoard } from '../tasks/board.js';
import { TASK_ID } from '../tasks/routes.js';
import { type ChangeEvent, RESET } from './events.js';
import type { Push } from './push.js';
import { type Outlet, Subscription } from './subscription.js';

export const SOCKET_PATH = '/v1/ws';
/** What the client and we speak; the other subprotocol that a client may name holds its token. */
const PROTOCOL = 'warmline';
const TOKEN_PROTOCOL = 'warmline.token.';

/** Longest message of a client, in bytes. */
const MAX_MESSAGE_BYTES = 16 * 1024;
const MAX_TASKS = 100;
/** What may wait for a reader; the log keeps the rest. */
const MAX_WAITING_BYTES = 64 * 1024;
/** A client that has not answered a ping when the next one is due takes nothing any more. */
const PING_EVERY_MS = 15_000;

const Subscribe = z.object({
  type: z.literal('subscribe'),
  tasks: z
    .union([z.literal('all'), z.array(z.string().regex(TASK_ID)).min(1).max(MAX_TASKS)])
    .default('all'),
  after: z.int().nonnegative().optional(),
});

export interface SocketDoor {
  readonly push: Push;
  readonly board: TaskBoard;
  /** Who may not come in. @throws HttpFailure */
  readonly admit: (request: IncomingMessage, token: string | undefined) => void;
  readonly log: Log;
}

/** For whoever asks without wanting a WebSocket, and for the description of the door. */
export function socketRoute(push: () => Push): Route {
  return route({
    method: 'GET',
    path: SOCKET_PATH,
    summary: 'The events over a WebSocket',
    headers: {
      'Sec-WebSocket-Protocol': '`warmline`, and `warmline.token.` with the token in base64url',
    },
    replies: {
      101: z.undefined().describe('the WebSocket is open'),
      ...{ 426: ErrorReply, 429: ErrorReply, 503: ErrorReply },
    },
    serve: async ({ reply }) => {
      push();
      reply.headers({ upgrade: 'websocket', connection: 'Upgrade' });
      throw failure(426, 'upgrade_required', 'this address speaks WebSocket; see docs/http.md');
    },
  });
}

export class Sockets {
  readonly #door: SocketDoor;
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has(PROTOCOL) ? PROTOCOL : false),
  });

  constructor(server: Server, door: SocketDoor) {
    this.#door = door;
    server.on('upgrade', (request, socket, head) => {
      if (request.headers.upgrade?.toLowerCase() === 'websocket') {
        this.#upgrade(request, socket, head);
      } else stayWithHttp(server, request, socket, head);
    });
  }

  /** Sends everybody away. */
  stop(): void {
    for (const client of this.#server.clients) client.close(1001, 'the server is stopping');
  }

  close(): void {
    for (const client of this.#server.clients) client.terminate();
    this.#server.close();
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    try {
      const [path] = (request.url ?? '').split('?');
      if (path !== SOCKET_PATH) throw failure(404, 'not_found', 'there is no such WebSocket');
      this.#door.admit(request, tokenIn(request));
      const leave = this.#door.push.readers.enter();
      socket.once('close', leave);
      this.#server.handleUpgrade(request, socket, head, (opened) => {
        new Connection(this.#door, opened);
      });
    } catch (error) {
      refuse(socket, error, this.#door.log);
    }
  }
}

class Connection {
  readonly #door: SocketDoor;
  readonly #socket: WebSocket;
  #subscription: Subscription | undefined;
  #isAlive = true;
  #hearing = Promise.resolve();
  /** Messages that have come and are not answered yet. */
  #unheard = 0;

  constructor(door: SocketDoor, socket: WebSocket) {
    this.#door = door;
    this.#socket = socket;
    const pings = setInterval(() => this.#ping(), PING_EVERY_MS);
    socket.on('pong', () => {
      this.#isAlive = true;
    });
    socket.on('message', (data, isBinary) => {
      // One at a time: no more is read before those that have come are answered.
      socket.pause();
      this.#unheard += 1;
      this.#hearing = this.#hearing.then(() => this.#hear(data, isBinary));
    });
    // What the client did wrong closes the connection with a code that says so.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearInterval(pings);
      this.#subscription?.end();
    });
  }

  #ping(): void {
    if (!this.#isAlive) {
      this.#socket.terminate();
      return;
    }
    this.#isAlive = false;
    this.#socket.ping();
  }

  async #hear(data: RawData, isBinary: boolean): Promise<void> {
    try {
      await this.#subscribe(isBinary ? '' : String(data));
    } catch (error) {
      this.#send({ type: 'error', ...told(error, this.#door.log) });
    }
    this.#unheard -= 1;
    this.#hearOn();
  }

  /** Nothing more is read from a client that does not take what it was told. */
  #hearOn(): void {
    const takes = this.#socket.bufferedAmount < MAX_WAITING_BYTES;
    if (this.#unheard === 0 && takes) this.#socket.resume();
  }

  /** @throws HttpFailure, BusError, WarmlineError */
  async #subscribe(text: string): Promise<void> {
    const { tasks, after } = understood(text);
    const wanted = tasks === 'all' ? undefined : await this.#questionsOf(tasks);
    this.#subscription?.end();
    const subscription = new Subscription(
      this.#door.push.feed,
      this.#door.push.progress,
      this.#outlet(),
      { tasks: wanted, after },
    );
    this.#subscription = subscription;
    this.#send({ type: 'subscribed', tasks });
    await subscription.begin();
    if (this.#socket.readyState !== this.#socket.OPEN) subscription.end();
  }

  async #questionsOf(taskIds: readonly string[]): Promise<Map<number, string>> {
    const questions = new Map<number, string>();
    for (const taskId of taskIds) {
      const task = await this.#door.board.read(taskId);
      if (task === undefined) throw failure(404, 'not_found', `Task ${taskId} not found`, 'tasks');
      questions.set(task.questionId, taskId);
    }
    return questions;
  }

  #outlet(): Outlet {
    const socket = this.#socket;
    const waiting = () => socket.bufferedAmount;
    return {
      get isReady() {
        return waiting() < MAX_WAITING_BYTES;
      },
      events: (events) => this.#sendBytes(batch(events)),
      progress: (told) => this.#send({ type: 'progress', ...told }),
      reset: (seq) => this.#send({ type: 'reset', seq, message: RESET }),
      caughtUp: () => undefined,
      close: (isOver) => {
        if (isOver) this.#send({ type: 'over' });
        else socket.close(1001, 'the server is stopping');
      },
    };
  }

  #send(message: object): void {
    this.#sendBytes(Buffer.from(JSON.stringify(message)));
  }

  #sendBytes(bytes: Buffer): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    this.#socket.send(bytes, { binary: false }, () => {
      this.#hearOn();
      this.#subscription?.wake();
    });
  }
}

/** Written once for all connections that get the same. */
const written = new WeakMap<readonly ChangeEvent[], Buffer>();

function batch(events: readonly ChangeEvent[]): Buffer {
  const known = written.get(events);
  if (known) return known;
  const bytes = Buffer.from(JSON.stringify({ type: 'events', events }));
  written.set(events, bytes);
  return bytes;
}

/** @throws HttpFailure */
function understood(text: string): z.infer<typeof Subscribe> {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    throw failure(400, 'bad_json', 'a message is a JSON object');
  }
  const checked = Subscribe.safeParse(message);
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  const param = issue?.path.join('.') || null;
  throw failure(400, 'bad_request', `${param ?? 'the message'}: ${issue?.message}`, param);
}

function told(error: unknown, log: Log): object {
  const known = toFailure(error);
  if (known === undefined) log.error({ err: error }, 'a message of a WebSocket failed');
  return (known ?? failure(500, 'internal', 'something went wrong inside warmline')).body;
}

/** A browser cannot send headers with a WebSocket, but it can name subprotocols. */
function tokenIn({ headers }: IncomingMessage): string | undefined {
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  const held = offered.find((name) => name.startsWith(TOKEN_PROTOCOL));
  return held && Buffer.from(held.slice(TOKEN_PROTOCOL.length), 'base64url').toString();
}

/**
 * Node asks nobody before it ends the HTTP of a request that offers any upgrade, and some clients
 * offer HTTP/2 with their first request. Such a connection begins anew, without the offer.
 */
function stayWithHttp(
  server: Server,
  { method, url, rawHeaders }: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): void {
  let lines = `${method} ${url} HTTP/1.1\r\n`;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? '';
    if (/^(connection|upgrade|http2-settings)$/i.test(name)) continue;
    lines += `${name}: ${rawHeaders[index + 1]}\r\n`;
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines}\r\n`, 'latin1'), head]));
  server.emit('connection', socket);
}

function refuse(socket: Duplex, error: unknown, log: Log): void {
  const known = toFailure(error);
  if (known === undefined) log.error({ err: error }, 'a WebSocket could not be opened');
  const { status, body, headers } =
    known ?? failure(500, 'internal', 'something went wrong inside warmline');
  const text = JSON.stringify(body);
  const lines = Object.entries({
    ...headers,
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
    Connection: 'close',
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${text}`, () =>
    socket.destroy(),
  );
}
