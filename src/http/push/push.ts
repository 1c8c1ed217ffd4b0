/** What the door tells by itself: changes of the bus, to whoever reads along. */
import type { Clock } from '../../clock.js';
import type { Log } from '../../log.js';
import type { TaskBoard } from '../tasks/board.js';
import type { BusPlace } from '../tasks/bus-holder.js';
import { ChangeFeed } from './feed.js';
import { Hook, type HookSettings } from './hooks.js';
import { ProgressWatch } from './progress.js';
import { Readers } from './readers.js';

export interface PushOptions {
  readonly place: BusPlace;
  readonly board: TaskBoard;
  readonly maxConnections: number;
  readonly hooks: HookSettings | undefined;
  /** A reader that does not take what waits for it is dropped after this, in milliseconds. */
  readonly stallMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

export class Push {
  readonly feed: ChangeFeed;
  readonly progress: ProgressWatch;
  readonly readers: Readers;
  readonly stallMs: number;
  readonly #hooks: readonly Hook[];

  constructor({ place, board, maxConnections, hooks, stallMs, clock, log }: PushOptions) {
    this.feed = new ChangeFeed(place, clock, log);
    this.progress = new ProgressWatch(board);
    this.readers = new Readers(maxConnections);
    this.stallMs = stallMs;
    const { urls = [], secret = '' } = hooks ?? {};
    this.#hooks = urls.map((url) => new Hook(this.feed, url, secret, clock, log));
  }

  start(): void {
    for (const hook of this.#hooks) hook.start();
  }

  /** Sends every reader away. */
  stop(): void {
    for (const hook of this.#hooks) hook.close();
    this.feed.stop();
    this.progress.close();
  }

  async close(): Promise<void> {
    this.stop();
    await Promise.all(this.#hooks.map((hook) => hook.closed()));
    await this.feed.close();
  }
}
