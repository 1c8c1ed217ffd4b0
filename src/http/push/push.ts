/** What the door tells by itself: changes of the bus, to whoever reads along. */
import type { Clock } from '../../clock.js';
import type { Log } from '../../log.js';
import type { TaskBoard } from '../tasks/board.js';
import type { BusPlace } from '../tasks/bus-holder.js';
import { ChangeFeed } from './feed.js';
import { ProgressWatch } from './progress.js';
import { Readers } from './readers.js';

export interface PushOptions {
  readonly place: BusPlace;
  readonly board: TaskBoard;
  readonly maxConnections: number;
  readonly clock: Clock;
  readonly log: Log;
}

export class Push {
  readonly feed: ChangeFeed;
  readonly progress: ProgressWatch;
  readonly readers: Readers;

  constructor({ place, board, maxConnections, clock, log }: PushOptions) {
    this.feed = new ChangeFeed(place, clock, log);
    this.progress = new ProgressWatch(board);
    this.readers = new Readers(maxConnections);
  }

  /** Sends every reader away. */
  stop(): void {
    this.feed.stop();
    this.progress.close();
  }

  async close(): Promise<void> {
    this.stop();
    await this.feed.close();
  }
}
