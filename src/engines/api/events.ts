/**
 * A gate for server-sent events in front of the readers of the official clients. Those keep what
 * they have read until an event is whole, however long that takes, and read on after the last one.
 * Behind the gate events and streams have a largest size, what carries no data does not arrive, and
 * the stream is over when the answer is.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */

interface GateLimits {
  /** Largest event, in bytes. */
  readonly eventBytes: number;
  /** Events of one stream, those without data among them. */
  readonly events: number;
  /** Largest stream, in bytes. */
  readonly bytes: number;
}

/**
 * Far above any answer: an event with a piece of text has some hundred bytes, and the longest
 * answers of models that reason are 128,000 tokens, each an event of its own.
 */
const DEFAULT_GATE: GateLimits = {
  eventBytes: 1024 * 1024,
  events: 512 * 1024,
  bytes: 256 * 1024 * 1024,
};

/** The last event of an answer: OpenAI's `[DONE]`, Anthropic's `message_stop`. */
const LAST_EVENT = /^(?:data: ?\[DONE\]|event: ?message_stop)/;
const DATA = 'data';

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

export class StreamTooLarge extends Error {
  override readonly name = 'StreamTooLarge';
}

export class EventGate {
  /** The last event has passed; what follows is of no use. */
  isOver = false;

  readonly #limits: GateLimits;
  #events = 0;
  #bytes = 0;
  /** The event that is not whole yet. */
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  /** The line that is not whole yet is empty so far, but for a carriage return. */
  #lineIsBlank = true;

  constructor(limits: Partial<GateLimits> = {}) {
    this.#limits = { ...DEFAULT_GATE, ...limits };
  }

  /**
   * @returns the events that became whole, as they were sent
   * @throws StreamTooLarge
   */
  push(chunk: Uint8Array): Uint8Array[] {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#limits.bytes) {
      throw new StreamTooLarge(`its stream is larger than ${this.#limits.bytes} bytes`);
    }
    const events: Uint8Array[] = [];
    let eventStart = 0;
    let lineStart = 0;
    for (;;) {
      const lineEnd = chunk.indexOf(LINE_FEED, lineStart);
      if (lineEnd === -1) break;
      const endsEvent = this.#lineIsBlank && isBlank(chunk, lineStart, lineEnd);
      this.#lineIsBlank = true;
      lineStart = lineEnd + 1;
      if (!endsEvent) continue;
      this.#hold(chunk.subarray(eventStart, lineStart));
      eventStart = lineStart;
      this.#release(events);
      if (this.isOver) return events;
    }
    this.#lineIsBlank &&= isBlank(chunk, lineStart, chunk.length);
    this.#hold(chunk.subarray(eventStart));
    return events;
  }

  /** The stream has ended: what is left, where its blank line is missing. */
  end(): Uint8Array[] {
    const events: Uint8Array[] = [];
    this.#release(events);
    return events;
  }

  #hold(bytes: Uint8Array): void {
    this.#heldBytes += bytes.length;
    if (this.#heldBytes > this.#limits.eventBytes) {
      throw new StreamTooLarge(
        `an event of its stream is larger than ${this.#limits.eventBytes} bytes`,
      );
    }
    if (bytes.length > 0) this.#held.push(bytes);
  }

  #release(events: Uint8Array[]): void {
    const event = Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    this.#events += 1;
    if (this.#events > this.#limits.events) {
      throw new StreamTooLarge(`its stream has more than ${this.#limits.events} events`);
    }
    // Comments and blank lines keep a connection alive; a client would only collect them.
    if (!event.subarray(0, DATA.length).equals(Buffer.from(DATA)) && !event.includes(`\n${DATA}`)) {
      return;
    }
    events.push(event);
    this.isOver = LAST_EVENT.test(event.toString('latin1', 0, 64));
  }
}

function isBlank(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) if (bytes[at] !== CARRIAGE_RETURN) return false;
  return true;
}
