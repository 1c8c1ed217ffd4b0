/** Many messages watched at once, told as typed events. */
import { EventEmitter } from 'node:events';
import type { BusError } from '../../src/bus/index.js';
import { type Followed, Follower } from './follower.js';
import type {
  ContentUpdated,
  End,
  MessageCompleted,
  MessageExpired,
  MessageFailed,
  MonitoredMessage,
  StatusChanged,
} from './status.js';

export interface MonitorOptions {
  /** The bus file. */
  readonly db: string;
  /**
   * Goes on after this change, the last that an earlier monitor told: messages added in the same
   * turn of the event loop are told what came after it, and nothing again.
   */
  readonly since?: number | undefined;
}

export interface AddOptions {
  /** `expire` is told when the message is unfinished after so long, from 1 to 2147483647; never without. */
  readonly timeoutMs?: number | undefined;
}

/** In the order in which they are told of one message; it ends with one of the last three. */
export interface MonitorEvents {
  /** Every change of status, once and in order. The first says where the message stands. */
  statusChange: [StatusChanged];
  /** An answer, or an error answer, is there; `complete` or `fail` follows. */
  contentUpdate: [ContentUpdated];
  complete: [MessageCompleted];
  fail: [MessageFailed];
  expire: [MessageExpired];
  /**
   * Changes after the number `after` are not known any more: the monitor stood still for too long, or
   * the bus file was replaced. Each message is looked up, and what is different is told.
   */
  gap: [{ readonly after: number }];
  /** The bus cannot be read at the moment. It is tried again each second. */
  trouble: [BusError];
}

/**
 * Watches messages of one bus until each is finished. One watch on the file serves all of them: a
 * message that does not change costs nothing.
 */
export class MessageMonitor extends EventEmitter<MonitorEvents> {
  readonly #follower: Follower;
  readonly #messages = new Map<number, Followed>();

  /** @throws BusError when the file is missing, or not a bus that can be used */
  constructor({ db, since }: MonitorOptions) {
    super();
    this.#follower = new Follower({
      file: db,
      since,
      observer: {
        gap: (after) => this.emit('gap', { after }),
        trouble: (error) => this.emit('trouble', error),
      },
    });
  }

  /** The newest change that has been read, to go on after; undefined before the first look. */
  get seq(): number | undefined {
    return this.#follower.seq;
  }

  /** The messages that are watched, by id. */
  get active(): number[] {
    return [...this.#messages.keys()];
  }

  /** Where a watched message stands; undefined when it is not watched, or not looked up yet. */
  get(messageId: number): MonitoredMessage | undefined {
    const followed = this.#messages.get(messageId);
    if (followed?.status === undefined) return undefined;
    const { status, attempt, seq } = followed;
    return { messageId, status, attempt, seq };
  }

  /**
   * Watches a message, beside what is watched already; one that is watched begins anew.
   * @throws RangeError when the id or the time is none
   * @throws BusError `bus_closed` after `close`
   */
  add(messageId: number, { timeoutMs }: AddOptions = {}): void {
    const followed = this.#follower.follow(messageId, timeoutMs, {
      status: (told) => this.emit('statusChange', told),
      content: (told) => this.emit('contentUpdate', told),
      end: (end) => {
        this.#messages.delete(messageId);
        this.#tellEnd(end);
      },
      leave: () => this.#messages.delete(messageId),
    });
    this.remove(messageId);
    this.#messages.set(messageId, followed);
  }

  /** Nothing more is told of the message. @returns whether it was watched */
  remove(messageId: number): boolean {
    const followed = this.#messages.get(messageId);
    if (!followed) return false;
    this.#follower.unfollow(followed);
    return this.#messages.delete(messageId);
  }

  /** Ends all watching; nothing is told after it. */
  async close(): Promise<void> {
    this.#messages.clear();
    await this.#follower.close();
  }

  #tellEnd({ end, told }: End): void {
    switch (end) {
      case 'complete':
        this.emit(end, told);
        break;
      case 'fail':
        this.emit(end, told);
        break;
      case 'expire':
        this.emit(end, told);
        break;
    }
  }
}
