/** Reads server-sent events as an `EventSource` does, from a real connection. */
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { onTestFinished } from 'vitest';

export interface SentEvent {
  readonly id: string;
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export class EventReader {
  readonly events: SentEvent[] = [];
  lastEventId = '';
  readonly #request: ClientRequest;
  readonly #reply: IncomingMessage;
  #text = '';
  #isOver = false;
  #heard: (() => void)[] = [];

  constructor(sent: ClientRequest, reply: IncomingMessage) {
    this.#request = sent;
    this.#reply = reply;
    reply.setEncoding('utf8');
    reply.on('data', (chunk: string) => this.#take(chunk));
    reply.on('close', () => {
      this.#isOver = true;
      this.#tell();
    });
    reply.on('error', () => undefined);
  }

  get status(): number {
    return this.#reply.statusCode ?? 0;
  }

  /** The first event that fits, also of those that came before. @throws when the stream ends first */
  async find(fits: (event: SentEvent) => boolean): Promise<SentEvent> {
    for (;;) {
      const found = this.events.find(fits);
      if (found !== undefined) return found;
      if (this.#isOver) throw new Error(`the stream ended: ${JSON.stringify(this.events.at(-1))}`);
      await new Promise<void>((resolve) => this.#heard.push(resolve));
    }
  }

  /** Resolves when the server ends the stream. */
  async ended(): Promise<SentEvent[]> {
    while (!this.#isOver) await new Promise<void>((resolve) => this.#heard.push(resolve));
    return this.events;
  }

  /** Takes nothing more from the connection. */
  pause(): void {
    this.#reply.pause();
  }

  resume(): void {
    this.#reply.resume();
  }

  close(): void {
    this.#request.destroy();
  }

  #take(chunk: string): void {
    this.#text += chunk;
    const blocks = this.#text.split('\n\n');
    this.#text = blocks.pop() ?? '';
    for (const block of blocks) {
      const fields = new Map(
        block.split('\n').map((line) => {
          const at = line.indexOf(': ');
          return [line.slice(0, at), line.slice(at + 2)];
        }),
      );
      const id = fields.get('id') ?? '';
      if (id !== '') this.lastEventId = id;
      const data = fields.get('data');
      if (data !== undefined) {
        this.events.push({ id, event: fields.get('event') ?? 'message', data: JSON.parse(data) });
      }
    }
    this.#tell();
  }

  #tell(): void {
    for (const heard of this.#heard.splice(0)) heard();
  }
}

/** Resolves when the reply has begun; closed when the test ends. */
export function readEvents(url: string, headers: Record<string, string> = {}) {
  return new Promise<EventReader>((resolve, reject) => {
    const sent = request(url, { headers, agent: false }, (reply) =>
      resolve(new EventReader(sent, reply)),
    );
    sent.on('error', reject);
    sent.end();
    onTestFinished(() => {
      sent.destroy();
    });
  });
}

/** Goes on after the last event of another reader. */
export function readOn(url: string, { lastEventId }: EventReader): Promise<EventReader> {
  return readEvents(url, { 'last-event-id': lastEventId });
}

export function seqs(events: readonly SentEvent[]): number[] {
  return events.filter(({ event }) => event === 'status').map(({ data }) => Number(data.seq));
}
