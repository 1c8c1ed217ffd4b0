/**
 * Follows messages of one bus: one connection, one watch, one reader of the log of changes, however
 * many messages there are. What it does is in proportion to what changed on the bus.
 *
 * What is always true:
 *  - Of each message every change is told once, in order, and its number never goes down from one
 *    telling to the next, over all messages. So whoever keeps the last number can go on from there.
 *  - Where the log does not reach back far enough (`gap`), each message is looked up instead, and what
 *    is different is told.
 *  - A listener that throws makes nobody miss anything: what is left to tell is told after it.
 */
import {
  BusError,
  conversationOf,
  KEEP_CHANGES_EVERY_MS,
  keepChanges,
  lookAtChanges,
  openSqliteBus,
  type SqliteBus,
  type Standing,
  type StatusChange,
} from '../../src/bus/index.js';
import {
  type ContentUpdated,
  contentOf,
  type End,
  endOf,
  expired,
  isUnfinished,
  type MessageContent,
  type MessageStatus,
  type StatusChanged,
} from './status.js';

/** Changes read, and messages looked up, before others have their turn in the event loop. */
const PAGE = 500;
const TROUBLE_RETRY_MS = 1000;
/** A timer of Node fires at once when it is set for longer, in milliseconds. */
const LONGEST_TIMEOUT_MS = 2_147_483_647;

/** Who follows one message. */
export interface Listener {
  status(told: StatusChanged): void;
  content(told: ContentUpdated): void;
  /** The last that is told. */
  end(end: End): void;
  /** It had ended before `since`, and so was told in an earlier life. */
  leave(): void;
}

/** Told of the bus as a whole. */
export interface Observer {
  /** Changes after this number are not in the log any more. */
  gap?(after: number): void;
  /** The bus cannot be read at the moment; it is tried again. */
  trouble?(error: BusError): void;
}

export interface FollowerOptions {
  readonly file: string;
  /** The number of the last change that was seen; messages followed at once go on after it. */
  readonly since?: number | undefined;
  readonly observer?: Observer;
}

export interface Followed {
  readonly messageId: number;
  readonly status: MessageStatus | undefined;
  readonly attempt: number;
  readonly seq: number;
}

interface Entry extends Followed {
  status: MessageStatus | undefined;
  attempt: number;
  /** Later changes are told; infinite until it has been looked up. */
  seq: number;
  conversationId: string | undefined;
  /** It goes on after a change seen in an earlier life. */
  isResumed: boolean;
  readonly listener: Listener;
  timer: NodeJS.Timeout | undefined;
  isOver: boolean;
}

/** A step of telling; nobody is told anything after the one that ends it. */
interface Telling {
  readonly entry: Pick<Entry, 'isOver'>;
  /** Reads what is told, as often as it takes. */
  readonly prepare: (() => void) | undefined;
  readonly tell: () => void;
}

export class Follower {
  readonly bus: SqliteBus;
  readonly #observer: Observer;
  readonly #entries = new Map<number, Set<Entry>>();
  /** To be looked up. */
  #fresh = new Set<Entry>();
  #due: Entry[] = [];
  /** What has been read and not been told yet. */
  #outbox: Telling[] = [];
  /** The number of the last change that was read; undefined before the first look. */
  #seq: number | undefined;
  #isKept = false;
  #isTroubled = false;
  #immediate: NodeJS.Immediate | undefined;
  #retry: NodeJS.Timeout | undefined;
  readonly #keeping: NodeJS.Timeout;
  #closing: Promise<void> | undefined;

  /** @throws BusError when the bus cannot be used */
  constructor({ file, since, observer = {} }: FollowerOptions) {
    this.#observer = observer;
    this.#seq = since;
    this.bus = openSqliteBus({ file });
    this.bus.watch(() => this.#soon());
    this.#keeping = setInterval(() => this.#keep(), KEEP_CHANGES_EVERY_MS);
    this.#keep();
  }

  get seq(): number | undefined {
    return this.#seq;
  }

  /**
   * @param timeoutMs from now on; without it, it is waited for without end
   * @throws RangeError for an id or a time that cannot be
   */
  follow(messageId: number, timeoutMs: number | undefined, listener: Listener): Followed {
    if (this.#closing) throw new BusError('bus_closed', 'the monitor is closed');
    checkWhole('a message id', messageId, Number.MAX_SAFE_INTEGER);
    if (timeoutMs !== undefined) checkTimeout(timeoutMs);
    const isResumed = !this.#isKept && this.#seq !== undefined;
    const entry: Entry = {
      messageId,
      status: undefined,
      attempt: 0,
      seq: isResumed ? (this.#seq ?? 0) : Number.POSITIVE_INFINITY,
      conversationId: undefined,
      isResumed,
      listener,
      timer: undefined,
      isOver: false,
    };
    if (timeoutMs !== undefined) entry.timer = setTimeout(() => this.#isUp(entry), timeoutMs);
    const those = this.#entries.get(messageId);
    if (those) those.add(entry);
    else this.#entries.set(messageId, new Set([entry]));
    this.#fresh.add(entry);
    this.#soon();
    return entry;
  }

  /** Nothing more is told to this one. */
  unfollow(followed: Followed): void {
    this.#forget(followed as Entry);
    (followed as Entry).isOver = true;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearInterval(this.#keeping);
    clearTimeout(this.#retry);
    clearImmediate(this.#immediate);
    for (const entry of this.#all()) this.unfollow(entry);
    this.#outbox = [];
    await this.bus.close();
  }

  *#all(): Generator<Entry> {
    for (const those of this.#entries.values()) yield* those;
  }

  #keep(): void {
    keepChanges(this.bus).then(
      () => {
        this.#isKept = true;
        this.#soon();
      },
      (error) => this.#troubled(error),
    );
  }

  #soon(): void {
    if (this.#closing) return;
    this.#immediate ??= setImmediate(() => {
      this.#immediate = undefined;
      this.#turn();
    });
  }

  /** Reads a page, tells what is in it, and leaves the rest for the next turn. */
  #turn(): void {
    let isDone = false;
    try {
      isDone = this.#tell() && (!this.#isKept || this.#read()) && this.#tell();
    } finally {
      // Also after a listener has thrown. Trouble has a retry of its own.
      if (!isDone && !this.#isTroubled) this.#soon();
    }
  }

  /**
   * Each step is taken out before it is told, and so is told once, whatever comes of it.
   * @returns false when the bus is in the way
   */
  #tell(): boolean {
    for (let next = this.#outbox[0]; next; next = this.#outbox[0]) {
      try {
        if (!next.entry.isOver) next.prepare?.();
      } catch (error) {
        this.#troubled(error);
        return false;
      }
      this.#outbox.shift();
      if (!next.entry.isOver) next.tell();
    }
    return true;
  }

  /** @returns whether all there is has been read, as far as it can be */
  #read(): boolean {
    const page = [...this.#fresh].slice(0, PAGE);
    try {
      const seen = lookAtChanges(this.bus, {
        after: this.#seq,
        limit: PAGE,
        questions: page.map(({ messageId }) => messageId),
      });
      this.#isTroubled = false;
      if (seen === 'gone') {
        this.#skipGap();
        return true;
      }
      this.#seq ??= seen.newest;
      for (const change of seen.changes) this.#apply(change);
      if (seen.more) return false;
      const standings = new Map(seen.standings.map((each) => [each.questionId, each]));
      for (const entry of page) this.#place(entry, standings.get(entry.messageId));
    } catch (error) {
      this.#troubled(error);
    }
    if (this.#fresh.size > 0 && !this.#isTroubled) return false;
    this.#expireDue();
    return true;
  }

  /** What the log has lost is made up for by looking all messages up. */
  #skipGap(): void {
    const after = this.#seq;
    this.#seq = undefined;
    this.#isKept = false;
    for (const entry of this.#all()) {
      entry.isResumed = false;
      entry.seq = Number.POSITIVE_INFINITY;
      this.#fresh.add(entry);
    }
    this.#expireDue();
    this.#keep();
    if (after !== undefined) this.#later({ isOver: false }, () => this.#observer.gap?.(after));
  }

  #troubled(error: unknown): void {
    if (this.#closing) return;
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      if (this.#isKept) this.#soon();
      else this.#keep();
    }, TROUBLE_RETRY_MS);
    if (this.#isTroubled) return;
    this.#isTroubled = true;
    this.#observer.trouble?.(
      error instanceof BusError ? error : new BusError('bus_io', String(error), error),
    );
  }

  #apply(change: StatusChange): void {
    this.#seq = change.seq;
    if (change.status === 'expired') {
      this.#expireConversation(change);
      return;
    }
    for (const entry of this.#entries.get(change.questionId) ?? []) {
      if (change.seq > entry.seq) this.#changed(entry, change, change.atUs);
    }
  }

  /** Rare, so that all messages may be looked through for those of the conversation. */
  #expireConversation(change: StatusChange): void {
    const conversationId = conversationOf(this.bus, change.questionId);
    for (const entry of this.#all()) {
      const isMeant =
        entry.messageId === change.questionId ||
        (entry.conversationId !== undefined && entry.conversationId === conversationId);
      if (isMeant && change.seq > entry.seq) this.#changed(entry, change, change.atUs);
    }
  }

  /** A message that was looked up is told where it stands, unless that is known already. */
  #place(entry: Entry, standing: Standing | undefined): void {
    // What was read just now may have ended it.
    if (!this.#fresh.delete(entry) || !standing) return;
    const { status, attempt, conversationId } = standing;
    entry.conversationId = conversationId;
    const seq = this.#seq ?? 0;
    if (entry.isResumed) {
      // Its changes since then have been read by now. What had ended before was told before.
      entry.isResumed = false;
      if (entry.status === undefined && isUnfinished(status)) {
        Object.assign(entry, { status, attempt });
      }
      if (isUnfinished(status)) return;
      if (status !== 'expired' && status !== 'missing') {
        this.unfollow(entry);
        entry.listener.leave();
        return;
      }
    }
    const isKnown = entry.status === status && entry.attempt === attempt;
    if (isKnown) entry.seq = seq;
    else this.#changed(entry, { status, attempt, seq }, undefined);
  }

  #changed(
    entry: Entry,
    change: Pick<StatusChanged, 'status' | 'attempt' | 'seq'>,
    atUs: number | undefined,
  ): void {
    const { messageId, status: from } = entry;
    const { status, attempt, seq } = change;
    Object.assign(entry, { status, attempt, seq });
    const message = { messageId, status, attempt, seq };
    this.#later(entry, () => entry.listener.status({ ...message, from, atUs }));
    if (isUnfinished(status)) return;
    this.#forget(entry);
    // Read only when it is told: answers may be long, and many.
    let content: MessageContent | undefined;
    const prepare = () => {
      const stored = this.bus.answerTo(messageId);
      content = stored && contentOf(stored);
    };
    this.#later(
      entry,
      () => content && entry.listener.content({ messageId, seq, content }),
      prepare,
    );
    this.#later(entry, () => {
      const end = endOf(message, content);
      if (end) entry.listener.end(end);
    });
  }

  #later(entry: Pick<Entry, 'isOver'>, tell: () => void, prepare?: () => void): void {
    this.#outbox.push({ entry, tell, prepare });
  }

  /** An answer that was there in time counts, although it has not been read yet. */
  #isUp(entry: Entry): void {
    if (entry.isOver) return;
    if (!this.#isKept || this.#isTroubled) this.#expire(entry);
    else this.#due.push(entry);
    this.#soon();
  }

  #expireDue(): void {
    for (const entry of this.#due.splice(0)) this.#expire(entry);
  }

  #expire(entry: Entry): void {
    if (entry.isOver || !this.#entries.get(entry.messageId)?.has(entry)) return;
    this.#forget(entry);
    const end = expired(entry.messageId, 'timeout', this.#seq ?? 0, entry.status);
    this.#later(entry, () => entry.listener.end(end));
  }

  #forget(entry: Entry): void {
    clearTimeout(entry.timer);
    this.#fresh.delete(entry);
    const those = this.#entries.get(entry.messageId);
    those?.delete(entry);
    if (those?.size === 0) this.#entries.delete(entry.messageId);
  }
}

/** @throws RangeError */
export function checkTimeout(timeoutMs: number): void {
  checkWhole('timeoutMs', timeoutMs, LONGEST_TIMEOUT_MS);
}

function checkWhole(what: string, value: number, most: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= most) return;
  throw new RangeError(`${what} is a whole number from 1 to ${most}, not ${String(value)}`);
}
