/** How many read along at once. Each holds a connection, so some are left for requests. */
import { busy } from '../errors.js';

/** Part of the connections that readers may not take: the inverse of it. */
const LEFT_SHARE = 16;
const COME_AGAIN_MS = 5_000;

export class Readers {
  readonly most: number;
  #count = 0;

  /** @param maxConnections those that the door has in all */
  constructor(maxConnections: number) {
    this.most = Math.max(1, maxConnections - Math.ceil(maxConnections / LEFT_SHARE));
  }

  get count(): number {
    return this.#count;
  }

  /** @returns what gives the place back, once @throws HttpFailure `busy` */
  enter(): () => void {
    if (this.#count >= this.most) {
      throw busy(
        `${this.most} readers of events are connected already; come again, or raise --max-connections`,
        COME_AGAIN_MS,
      );
    }
    this.#count += 1;
    let isOver = false;
    return () => {
      if (!isOver) this.#count -= 1;
      isOver = true;
    };
  }
}
