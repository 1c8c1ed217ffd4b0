/**
 * Web hooks: the end of each task, told to addresses that the configuration names. Each has its own
 * place in the log of changes, kept on the bus, so a restart goes on where it was, and a receiver
 * that is down delays nobody else. A task may be told twice, when the server dies between an answer
 * and the note of it; never, only when the log was lost, which is told instead.
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { readHookCursor, saveHookCursor } from '../../bus/index.js';
import type { Clock } from '../../clock.js';
import type { Log } from '../../log.js';
import { deliver, signature } from './delivery.js';
import { type ChangeEvent, isEnd, RESET } from './events.js';
import type { ChangeFeed, FeedReader, Seat } from './feed.js';

export interface HookSettings {
  /** `https:`, or `http:` on this machine. */
  readonly urls: readonly string[];
  /** Deliveries are signed by it. */
  readonly secret: string;
}

/** Waits between attempts, in milliseconds: doubled each time, with some jitter. */
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 300_000;
/** An end that nobody took for so long is given up, in milliseconds. */
const GIVE_UP_MS = 24 * 3_600_000;
/** Ends held in memory for one hook; the log keeps the rest. */
const MAX_WAITING = 100;
/** Changes that were no ends of tasks are noted together. */
const NOTE_EVERY = 1_000;
const OPEN_AGAIN_MS = 5_000;

interface Waiting {
  readonly seq: number;
  readonly body: string;
}

export class Hook implements FeedReader {
  readonly #feed: ChangeFeed;
  readonly #url: URL;
  readonly #secret: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #stop = new AbortController();
  /** What the bus knows it by: its address may hold a secret. */
  readonly #name: string;
  readonly #waiting: Waiting[] = [];
  #seat: Seat | undefined;
  /** The last change that was told here, and the last that was noted. */
  #told = 0;
  #noted = 0;
  #wake: (() => void) | undefined;
  #working: Promise<void> | undefined;

  constructor(feed: ChangeFeed, url: string, secret: string, clock: Clock, log: Log) {
    this.#feed = feed;
    this.#url = new URL(url);
    this.#secret = secret;
    this.#clock = clock;
    this.#log = log;
    this.#name = createHash('sha256').update(url).digest('hex').slice(0, 32);
  }

  start(): void {
    this.#working ??= this.#work().catch((error: unknown) => {
      if (!this.#stop.signal.aborted) this.#log.error({ err: error }, 'a web hook has stopped');
    });
  }

  get isReady(): boolean {
    return this.#waiting.length < MAX_WAITING;
  }

  tell(events: readonly ChangeEvent[]): void {
    for (const event of events) {
      this.#told = event.seq;
      if (event.task_id === null || !isEnd(event)) continue;
      this.#add(event.seq, { type: `task.${event.status}`, data: event });
    }
    this.#wake?.();
  }

  reset(seq: number): void {
    this.#told = seq;
    this.#add(seq, { type: 'reset', data: { seq, message: RESET } });
    this.#wake?.();
  }

  caughtUp(): void {}

  close(): void {
    this.#stop.abort();
    this.#seat?.leave();
    this.#wake?.();
  }

  async closed(): Promise<void> {
    this.close();
    await this.#working;
  }

  #add(seq: number, message: object): void {
    this.#waiting.push({ seq, body: JSON.stringify({ id: seq, ...message }) });
  }

  async #work(): Promise<void> {
    const { signal } = this.#stop;
    await this.#join();
    while (!signal.aborted) {
      const [next] = this.#waiting;
      if (next !== undefined) {
        await this.#send(next);
        if (signal.aborted) return;
        this.#waiting.shift();
        this.#seat?.wake();
        await this.#note(next.seq);
      } else if (this.#told - this.#noted >= NOTE_EVERY) await this.#note(this.#told);
      else await this.#news();
    }
  }

  #news(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Takes its place in the log, as soon as the bus can be used. */
  async #join(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        const end = await this.#feed.open();
        const known = readHookCursor(await this.#feed.bus(), this.#name);
        if (known === undefined) await this.#note(end);
        this.#told = this.#noted = known ?? end;
        if (!this.#stop.signal.aborted) this.#seat = this.#feed.join(this, this.#told);
        return;
      } catch {
        // The feed has said why. The bus is tried again, as for whoever else needs it.
        await sleep(OPEN_AGAIN_MS, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      }
    }
  }

  /** Until it is taken, refused for good, or given up. */
  async #send({ seq, body }: Waiting): Promise<void> {
    const { signal } = this.#stop;
    const beganMs = this.#clock.monotonicMs();
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
      const seconds = Math.floor(this.#clock.wallUs() / 1e6);
      const headers = {
        'warmline-event-id': String(seq),
        'warmline-signature': signature(this.#secret, seconds, body),
      };
      const outcome = await deliver(this.#url, body, headers, signal);
      if (outcome === 'taken' || signal.aborted) return;
      const isLate = this.#clock.monotonicMs() - beganMs > GIVE_UP_MS;
      if (outcome === 'refused' || isLate) {
        this.#log.warn({ host: this.#url.host, seq }, 'a web hook did not take an event; going on');
        return;
      }
      const jitter = 0.5 + Math.random() / 2;
      await sleep(waitMs * jitter, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
    }
  }

  async #note(seq: number): Promise<void> {
    try {
      await saveHookCursor(await this.#feed.bus(), this.#name, seq);
      this.#noted = seq;
    } catch (error) {
      // It is told again after a restart, then.
      if (!this.#stop.signal.aborted) this.#log.warn({ err: error }, 'a web hook cannot be noted');
    }
  }
}
