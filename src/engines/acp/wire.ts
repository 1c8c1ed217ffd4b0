/**
 * The lines between an agent and the client library, one JSON-RPC message each
 * (https://agentclientprotocol.com/protocol/transports), with bounds the library does not set.
 *
 * Always true: only messages that somebody waits for reach the library; updates are heard here, in
 * the order they came, before the reply that follows them; whatever the agent writes, what is held
 * of it stays below one line and a few messages.
 */
import type { Readable, Writable } from 'node:stream';
import type { AnyMessage, Stream } from '@agentclientprotocol/sdk';

/** Longest line, in bytes: many times what any message of a turn without tools needs. */
const MAX_LINE_BYTES = 1024 * 1024;
/** A line of many brackets or values takes long to parse, and to check, for its length. */
const MAX_DEPTH = 64;
const MAX_VALUES = 20_000;
/** Lines in a row that are no message: a banner is forgiven, a program that only prints is not. */
const MAX_NOISE_LINES = 1000;
/** Requests of the agent that were not answered yet. */
const MAX_OPEN_REQUESTS = 64;
const MAX_HELD_MESSAGES = 64;

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const UPDATE = 'session/update';

type Id = string | number;
type Message = Readonly<Record<string, unknown>>;

interface Pipes {
  readonly stdin: Writable;
  readonly stdout: Readable;
}

/** The agent does not keep to the protocol; the message says how. */
export class WireError extends Error {}

/** @param hear told the parameters of each `session/update`, whatever they are */
export function openWire(pipes: Pipes, hear: (params: unknown) => void): Stream {
  const asked = new Set<Id>();
  const open = { requests: 0 };
  const lines = new Lines();
  let noise = 0;

  /** What is for the library of a line; undefined when nothing is. */
  function sort(line: string): AnyMessage | undefined {
    const message = parse(line);
    if (message === undefined || !isMeant(message, asked)) {
      noise += line.trim() === '' ? 0 : 1;
      if (noise > MAX_NOISE_LINES)
        throw new WireError('it prints what is no message of the protocol');
      return undefined;
    }
    noise = 0;
    const isRequest = 'method' in message && 'id' in message;
    if (message.method === UPDATE && !isRequest) hear(message.params);
    if (isRequest) open.requests += 1;
    if (open.requests > MAX_OPEN_REQUESTS) throw new WireError('it asks for more than is answered');
    // Other notifications have no meaning for a client without capabilities.
    return 'id' in message ? (message as AnyMessage) : undefined;
  }

  const readable = new ReadableStream<AnyMessage>(
    {
      start(controller) {
        pipes.stdout.on('data', (chunk: Buffer) => {
          try {
            for (const line of lines.take(chunk)) {
              const message = sort(line);
              if (message !== undefined) controller.enqueue(message);
            }
          } catch (error) {
            pipes.stdout.removeAllListeners('data').pause();
            controller.error(error);
          }
          if ((controller.desiredSize ?? 0) <= 0) pipes.stdout.pause();
        });
        pipes.stdout.once('close', () => closeQuietly(controller));
        pipes.stdout.once('end', () => closeQuietly(controller));
      },
      pull() {
        pipes.stdout.resume();
      },
    },
    { highWaterMark: MAX_HELD_MESSAGES },
  );

  const writable = new WritableStream<AnyMessage>({
    write(message) {
      if ('method' in message && 'id' in message) asked.add(message.id as Id);
      if (!('method' in message)) open.requests -= 1;
      return send(pipes.stdin, `${JSON.stringify(message)}\n`);
    },
  });

  return { readable, writable };
}

function send(stdin: Writable, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    stdin.write(text, (error) => (error ? reject(error) : resolve()));
  });
}

function closeQuietly(controller: ReadableStreamDefaultController): void {
  try {
    controller.close();
  } catch {
    // closed or failed before
  }
}

function parse(line: string): Message | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Message) : undefined;
  } catch {
    return undefined;
  }
}

/** A notification, a request that can be answered, or a reply to what was asked. */
function isMeant(message: Message, asked: Set<Id>): boolean {
  if (message.jsonrpc !== '2.0') return false;
  if (!('id' in message)) return typeof message.method === 'string';
  const { id } = message;
  if (typeof id !== 'string' && typeof id !== 'number') return false;
  return 'method' in message ? typeof message.method === 'string' : asked.delete(id);
}

/** Cuts bytes into lines; a character split between two pieces is whole again in its line. */
export class Lines {
  #pieces: Buffer[] = [];
  #heldBytes = 0;

  /** @throws WireError when a line is too long, or has too many parts */
  *take(chunk: Buffer): Generator<string> {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      this.#hold(chunk.subarray(start, end));
      start = end + 1;
      const line = Buffer.concat(this.#pieces);
      this.#pieces = [];
      this.#heldBytes = 0;
      checkShape(line);
      yield line.toString('utf8');
    }
    if (start < chunk.length) this.#hold(chunk.subarray(start));
  }

  #hold(piece: Buffer): void {
    this.#heldBytes += piece.length;
    if (this.#heldBytes > MAX_LINE_BYTES) {
      this.#pieces = [];
      throw new WireError(`it wrote a line of more than ${MAX_LINE_BYTES} bytes`);
    }
    this.#pieces.push(piece);
  }
}

/** @throws WireError when a line, taken for JSON, nests too deep or holds too many values */
function checkShape(line: Buffer): void {
  let depth = 0;
  let values = 0;
  for (let at = 0; at < line.length; at += 1) {
    const byte = line[at] as number;
    if (byte === QUOTE) {
      at = stringEnd(line, at);
    } else if (byte === COMMA) {
      values += 1;
    } else {
      // 0x5b and 0x7b open, 0x5d and 0x7d close; bit 0x20 is all that tells [ from {.
      const bracket = byte | 0x20;
      if (bracket === 0x7b) depth += 1;
      else if (bracket === 0x7d) depth -= 1;
    }
    if (depth > MAX_DEPTH || values > MAX_VALUES) {
      throw new WireError(
        `it wrote a message of more than ${MAX_VALUES} values or ${MAX_DEPTH} levels`,
      );
    }
  }
}

/** Where the string that begins at `start` ends; the end of the line when it does not. */
function stringEnd(line: Buffer, start: number): number {
  for (let at = line.indexOf(QUOTE, start + 1); at !== -1; at = line.indexOf(QUOTE, at + 1)) {
    let backslashes = 0;
    while (line[at - 1 - backslashes] === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) return at;
  }
  return line.length;
}
