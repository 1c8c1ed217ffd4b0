/**
 * One socket: bytes to lines to requests, replies to bytes.
 *
 *   reading ──(one-shot, quit, bad lines, half-close, drain)──► finishing ──(last reply)──► ended
 *      └───────────────────(reset, stall, overflow, close)──────────────────────────────► closed
 *
 * What is always true:
 *  - each query has one terminal line, and a line is written whole, in one write;
 *  - at most `maxInFlight` queries run and one is held; while it is held, or while too much waits
 *    to be written, nothing is read, so the memory of a connection is bounded;
 *  - after `finishing` nothing is parsed, and what still comes is dropped, so that our last line
 *    is not lost to a reset.
 */
import type { Socket } from 'node:net';
import { type ErrorCode, toFault, type WarmlineError } from '../errors.js';
import {
  decodeRequest,
  encodeError,
  type FramedLine,
  LineFramer,
  type QueryRequest,
  type Request,
  type RequestId,
} from '../protocol/index.js';
import { countError } from './counters.js';
import { Deadlines, TOKEN_FIRST, TOO_LATE } from './deadlines.js';
import { handle, type Peer } from './handlers.js';
import type { Hub } from './hub.js';
import { type FailedTurn, type QueryOwner, RunningQuery } from './query.js';
import { unsentBytes, writeText } from './socket.js';

type Phase = 'reading' | 'finishing' | 'ended' | 'closed';

export class Connection implements Peer, QueryOwner {
  readonly #hub: Hub;
  readonly #socket: Socket;
  readonly #remote: string;
  readonly #framer: LineFramer;
  readonly #queries = new Map<RequestId | undefined, RunningQuery>();
  readonly #deadlines: Deadlines;
  #phase: Phase = 'reading';
  #trusted: boolean;
  /** The first line that is not blank has been seen. */
  #opened = false;
  /** A line was understood. */
  #greeted = false;
  #badLines = 0;
  #peerEnded = false;

  /** A query beyond `maxInFlight`, waiting for one of them to be answered. */
  #held: QueryRequest | undefined;
  #resting = false;
  #paused = false;
  #inTurn = false;
  #turnScheduled = false;

  #out = '';
  #writes = 0;
  readonly #onWritten = () => {
    this.#writes += 1;
    if (this.#paused && !this.#turnScheduled) this.#turn();
  };
  readonly #onNextTurn = () => {
    this.#turnScheduled = false;
    this.#resting = false;
    this.#turn();
  };

  constructor(hub: Hub, socket: Socket, onClosed: (connection: Connection) => void) {
    this.#hub = hub;
    this.#socket = socket;
    this.#remote = socket.remoteAddress ?? 'unix';
    this.#trusted = !hub.gate.required;
    const { limits } = hub;
    this.#framer = new LineFramer(
      this.#trusted ? limits.maxLineBytes : limits.maxLineBytesBeforeAuth,
    );
    this.#deadlines = new Deadlines(hub.clock.monotonicMs());
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('end', () => this.#readEnd());
    socket.on('finish', () => this.#deadlines.ended(this.nowMs()));
    socket.on('error', (error) => this.#hub.log.debug({ err: error }, 'connection broke'));
    socket.on('close', () => {
      this.#abandon();
      onClosed(this);
    });
  }

  // ---- what comes in

  #read(chunk: Buffer): void {
    if (this.#phase !== 'reading') return;
    this.#framer.push(chunk);
    this.#turn();
  }

  #readEnd(): void {
    this.#peerEnded = true;
    this.#framer.end();
    this.#turn();
  }

  /** Handles what can be handled now, writes the replies at once, and sees what comes next. */
  #turn(): void {
    if (this.#inTurn) return;
    this.#inTurn = true;
    this.#releaseHeld();
    let more = false;
    while (this.#phase === 'reading') {
      more = this.#blocked();
      if (more) break;
      const line = this.#framer.next();
      if (line === undefined) break;
      this.#handleLine(line);
    }
    this.#inTurn = false;
    this.#flush();
    this.#settle(more);
  }

  #settle(more: boolean): void {
    if (this.#phase === 'reading' && !more && this.#held === undefined) {
      const idle = this.#queries.size === 0;
      if (this.#peerEnded || (this.#hub.draining && idle)) this.#phase = 'finishing';
    }
    if (this.#phase === 'finishing' && this.#queries.size === 0 && this.#held === undefined) {
      this.#phase = 'ended';
      this.#socket.end();
    }
    const stopReading = more && this.#phase === 'reading';
    if (stopReading !== this.#paused && this.#phase !== 'closed') {
      this.#paused = stopReading;
      if (stopReading) this.#socket.pause();
      else this.#socket.resume();
    }
    // Held queries and full buffers wake us when they clear; everything else goes on next turn.
    if (stopReading && this.#held === undefined && !this.#overfull()) this.#schedule();
  }

  #blocked(): boolean {
    return this.#held !== undefined || this.#resting || this.#overfull();
  }

  #overfull(): boolean {
    return this.#out.length + this.#socket.writableLength > this.#hub.limits.pauseAtWaitingBytes;
  }

  #schedule(): void {
    if (this.#turnScheduled) return;
    this.#turnScheduled = true;
    setImmediate(this.#onNextTurn);
  }

  #handleLine(line: FramedLine): void {
    this.#hub.counters.lines += 1;
    const first = !this.#opened;
    this.#opened = true;
    if (line.kind === 'too_long') {
      const most = this.#framer.maxLineBytes;
      this.#badLine('line_too_long', `the line is longer than ${most} bytes`, line.line);
      this.finish();
    } else if (line.kind === 'invalid_utf8') {
      this.#refuseLine('bad_json', 'the line is not valid UTF-8', line.line, first);
    } else {
      this.#handleText(line.text, line.line, first);
    }
  }

  #handleText(text: string, line: number, first: boolean): void {
    const decoded = decodeRequest(text);
    if (decoded.ok) {
      this.#greeted = true;
      this.#badLines = 0;
      this.#handleRequest(decoded.request);
    } else {
      this.#refuseLine(decoded.code, decoded.message, line, first, decoded.id);
      if (decoded.oneShot || !this.#trusted) this.finish();
    }
  }

  #handleRequest(request: Request): void {
    if (!this.#trusted && request.type !== 'hello') {
      this.fail('unauthorized', TOKEN_FIRST, request.id);
      this.finish();
      return;
    }
    try {
      handle(request, this, this.#hub);
    } catch (thrown) {
      this.#hub.log.error({ err: thrown, type: request.type }, 'request failed inside the server');
      this.#failWith(toFault(thrown), request.id);
    }
  }

  #refuseLine(
    code: 'bad_json' | 'bad_request',
    message: string,
    line: number,
    first: boolean,
    id?: RequestId | undefined,
  ): void {
    this.#badLines += 1;
    this.#badLine(code, message, line, id);
    if (first && code === 'bad_json') {
      // An HTTP request carries lines that would be valid: nothing after this one may be read.
      this.#hub.counters.foreign += 1;
      this.#hub.reportForeign(this.#remote);
      this.finish();
    }
    if (this.#badLines >= this.#hub.limits.maxBadLines) this.finish();
  }

  #badLine(code: ErrorCode, message: string, line: number, id?: RequestId | undefined): void {
    this.#hub.counters.bad_lines += 1;
    countError(this.#hub.counters, code);
    this.send(encodeError({ code, message, line, id }));
    this.rest();
  }

  // ---- what handlers ask for

  ask(request: QueryRequest): void {
    const { id } = request;
    if (id === undefined) this.finish();
    if (this.#hub.draining) {
      this.fail('shutting_down', SHUTTING_DOWN, id);
    } else if (this.#queries.has(id)) {
      this.fail('duplicate_id', 'a query with this id is in flight on this connection', id);
    } else if (this.#queries.size >= this.#hub.limits.maxInFlight) {
      this.#held = request;
    } else {
      this.#start(request);
    }
  }

  #start(request: QueryRequest): void {
    this.#hub.counters.queries += 1;
    const query = new RunningQuery(this, request);
    this.#queries.set(request.id, query);
    try {
      query.start(this.#hub.bridge);
    } catch (thrown) {
      this.#queries.delete(request.id);
      throw thrown;
    }
  }

  #releaseHeld(): void {
    const request = this.#held;
    if (request === undefined || this.#queries.size >= this.#hub.limits.maxInFlight) return;
    this.#held = undefined;
    if (this.#phase !== 'closed') this.#handleRequest(request);
  }

  running(id: RequestId): RunningQuery | undefined {
    return this.#queries.get(id);
  }

  trust(): void {
    this.#trusted = true;
    this.#framer.maxLineBytes = this.#hub.limits.maxLineBytes;
  }

  finish(): void {
    if (this.#phase === 'reading') this.#phase = 'finishing';
  }

  rest(): void {
    this.#resting = true;
  }

  fail(code: ErrorCode, message: string, id: RequestId | undefined): void {
    countError(this.#hub.counters, code);
    this.send(encodeError({ code, message, id }));
  }

  #failWith(error: WarmlineError, id: RequestId | undefined, turn?: FailedTurn): void {
    const { code, message, retryAfterMs } = error;
    countError(this.#hub.counters, code);
    this.send(encodeError({ code, message, id, retryAfterMs, turn }));
  }

  // ---- what queries report

  nowMs(): number {
    return this.#hub.clock.monotonicMs();
  }

  answered(query: RunningQuery): void {
    this.#hub.counters.answered += 1;
    this.#queries.delete(query.request.id);
  }

  failed(query: RunningQuery, error: WarmlineError, turn?: FailedTurn): void {
    if (error.code === 'internal') {
      this.#hub.log.error({ err: error }, 'query failed inside the server');
    }
    this.#queries.delete(query.request.id);
    this.#failWith(error, query.request.id, turn);
  }

  // ---- what goes out

  /** Adds one line to what is written together at the end of this turn. */
  send(line: string): void {
    if (this.#phase === 'ended' || this.#phase === 'closed') return;
    this.#out += line;
    if (!this.#inTurn) this.#schedule();
  }

  #flush(): void {
    const out = this.#out;
    if (out === '' || this.#phase === 'closed') return;
    this.#out = '';
    const { maxWaitingBytes, pauseAtWaitingBytes } = this.#hub.limits;
    if (this.waitingBytes + out.length > maxWaitingBytes) {
      this.dropFlooded();
      return;
    }
    writeText(this.#socket, out, this.#onWritten);
    if (this.waitingBytes > pauseAtWaitingBytes) this.#hub.relieve();
  }

  /** Bytes of replies that the client has not taken, and still may. */
  get waitingBytes(): number {
    return this.#phase === 'closed' ? 0 : this.#socket.writableLength;
  }

  dropFlooded(): void {
    this.#hub.counters.flooded += 1;
    this.#drop('its replies pile up unread');
  }

  // ---- how it ends

  /** Ends the connection when its last query is answered. For the server's drain. */
  drain(): void {
    if (this.#phase === 'reading') this.#turn();
  }

  /** The drain's deadline has passed: tells every asker so, then ends the connection now. */
  giveUp(): void {
    for (const [id, query] of this.#queries) {
      query.abandon();
      this.fail('shutting_down', SHUTTING_DOWN, id);
    }
    this.#queries.clear();
    if (this.#held !== undefined) this.fail('shutting_down', SHUTTING_DOWN, this.#held.id);
    this.#flush();
    this.destroy();
  }

  destroy(): void {
    this.#abandon();
    this.#socket.destroy();
  }

  #drop(why: string): void {
    this.#hub.log.warn({ remote: this.#remote }, `connection dropped: ${why}`);
    this.destroy();
  }

  #abandon(): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    this.#out = '';
    this.#held = undefined;
    const queries = [...this.#queries.values()];
    this.#queries.clear();
    for (const query of queries) query.abandon();
  }

  /** Called about once a second: enforces every limit of time. */
  checkDeadlines(nowMs: number): void {
    const late = this.#deadlines.check(nowMs, this.#hub.limits, {
      trusted: this.#trusted,
      greeted: this.#greeted,
      reading: this.#phase === 'reading' && !this.#paused,
      partialLine: this.#framer.partial ? this.#framer.line : undefined,
      waitingBytes: this.#socket.writableLength,
      writes: this.#writes,
      unsentBytes: unsentBytes(this.#socket),
    });
    if (late === undefined) return;
    if (late === 'linger') {
      this.destroy();
      return;
    }
    this.#hub.counters.expired += 1;
    if (late === 'write') {
      this.#drop('it takes none of its replies');
      return;
    }
    this.fail('timeout', TOO_LATE[late], undefined);
    this.finish();
    this.#turn();
  }
}

const SHUTTING_DOWN = 'the server is shutting down; ask again when it is back';
