/** A reply of server-sent events: begun late, so that an early failure still has a status of its own. */
import type { FastifyReply } from 'fastify';

/** A reader that leaves more than this unread is dropped, in bytes. */
const MAX_UNREAD_BYTES = 4 * 1024 * 1024;
/** So is one that has not taken what waits for it in this time; more has longer. */
const STALL_MS = 30_000;
const SLOWEST_BYTES_PER_MS = 32;
/** Proxies and clients give up on a connection without a sign of life, in milliseconds. */
const COMMENT_EVERY_MS = 15_000;

export class EventStream {
  readonly #reply: FastifyReply;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #gone: () => void;
  readonly #comments: NodeJS.Timeout;
  readonly #drained: () => void;
  readonly #stallMs: number;
  #stall: NodeJS.Timeout | undefined;
  #begun = false;
  #over = false;

  /**
   * @param gone called once when the reader went away before `end`
   * @param drained called when it has taken all that waited for it
   * @param stallMs a reader that does not take what waits for it is dropped after this
   */
  constructor(
    reply: FastifyReply,
    gone: () => void,
    drained: () => void = () => {},
    stallMs = STALL_MS,
  ) {
    this.#reply = reply;
    this.#gone = gone;
    this.#drained = drained;
    this.#stallMs = stallMs;
    // What the hooks of the door set: the headers of a page that may read this.
    this.#headers = reply.getHeaders() as Record<string, string>;
    reply.hijack();
    reply.raw.once('close', () => this.#close());
    reply.raw.on('drain', () => {
      this.#endStall();
      this.#drained();
    });
    this.#comments = setInterval(() => this.write(': still at work\n\n'), COMMENT_EVERY_MS);
  }

  /** Whether the reader takes what it is sent. */
  get isReady(): boolean {
    return !this.#over && !this.#reply.raw.writableNeedDrain;
  }

  /** Whether anything was sent: the status is settled then. */
  get begun(): boolean {
    return this.#begun;
  }

  send(data: object | '[DONE]'): void {
    this.write(`data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`);
  }

  /** A stream that ends with nothing in it is a 204: an `EventSource` does not come again then. */
  end(): void {
    if (this.#over) return;
    this.#stop();
    if (!this.#begun) this.#reply.raw.writeHead(204, this.#headers);
    this.#reply.raw.end();
  }

  /** Answers without a stream, as nothing has been sent yet. */
  fail(status: number, body: object, headers: Readonly<Record<string, string>>): void {
    if (this.#over) return;
    this.#stop();
    const text = JSON.stringify(body);
    this.#reply.raw
      .writeHead(status, {
        ...this.#headers,
        ...headers,
        'content-type': 'application/json; charset=utf-8',
        'content-length': Buffer.byteLength(text),
      })
      .end(text);
  }

  /** @param text whole events */
  write(text: string | Buffer): void {
    if (this.#over) return;
    const { raw } = this.#reply;
    if (!this.#begun) {
      this.#begun = true;
      raw.writeHead(200, {
        ...this.#headers,
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-cache',
        'x-accel-buffering': 'no',
      });
    }
    if (raw.write(text)) return;
    if (raw.writableLength > MAX_UNREAD_BYTES) raw.destroy();
    else {
      const waitMs = this.#stallMs + raw.writableLength / SLOWEST_BYTES_PER_MS;
      this.#stall ??= setTimeout(() => raw.destroy(), waitMs);
    }
  }

  #endStall(): void {
    clearTimeout(this.#stall);
    this.#stall = undefined;
  }

  #close(): void {
    if (this.#over) return;
    this.#stop();
    this.#gone();
  }

  #stop(): void {
    this.#over = true;
    clearInterval(this.#comments);
    this.#endStall();
  }
}
