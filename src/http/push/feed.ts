/**
 * The changes of the bus for many readers: one connection, one watch, one reader of the log. The
 * connection is its own: a watch tells of what others commit, and the tasks' is one of those.
 *
 * What is always true:
 *  - Each reader has a place, the number of the last change it was told. Nothing is held back for
 *    it: the log of changes is the buffer, and a reader that takes nothing for a while is told on
 *    from its place once it can take more.
 *  - Readers at the end of the log share each read. Those behind it share the reads that bring them
 *    there, a page at a time in turns with the others, so nobody waits for them.
 *  - Every change after a reader's place is told once, in order; where the log does not reach back
 *    so far, the reader is told that instead, once.
 */
import { setImmediate as othersFirst } from 'node:timers/promises';
import {
  BusError,
  factsOfChanged,
  KEEP_CHANGES_EVERY_MS,
  keepChanges,
  lookAtChanges,
  type SqliteBus,
} from '../../bus/index.js';
import type { Clock } from '../../clock.js';
import { fault } from '../../errors.js';
import type { Log } from '../../log.js';
import { BusHolder, type BusPlace } from '../tasks/bus-holder.js';
import { type ChangeEvent, changeEvent, standingEvent } from './events.js';

export interface FeedReader {
  /** Whether it can take more; `Seat.wake` says when it can again. */
  readonly isReady: boolean;
  tell(events: readonly ChangeEvent[]): void;
  /** The log does not reach back to its place; it goes on after `seq`. */
  reset(seq: number): void;
  /** It has been told all there is, for the first time. */
  caughtUp(): void;
  /** Nothing more is told. */
  close(): void;
}

export interface Seat {
  /** It can take more. */
  wake(): void;
  leave(): void;
}

/** Changes told before others have their turn in the event loop: some 20 KB for each reader. */
const PAGE = 100;
/** Readers told in one go: about a millisecond. */
const READERS_TOGETHER = 64;
/** Reads follow each other no closer than this, in milliseconds. */
const READ_EVERY_MS = 2;
/** Part of the time that telling may take, however many readers there are: the inverse of it. */
const TELL_SHARE = 4;
const TROUBLE_RETRY_MS = 1000;

interface Place {
  readonly reader: FeedReader;
  /** The last change it was told. */
  seq: number;
  hasCaughtUp: boolean;
}

export class ChangeFeed {
  readonly #holder: BusHolder;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #places = new Set<Place>();
  /** The last change that was read; undefined until somebody wants to know. */
  #end: number | undefined;
  #opening: Promise<number> | undefined;
  #keeping: NodeJS.Timeout | undefined;
  #next: NodeJS.Timeout | undefined;
  #isTelling = false;
  #isWanted = false;
  #isTroubled = false;
  #isClosed = false;
  /** When the next read may begin. */
  #freeMs = 0;

  constructor(place: BusPlace, clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
    this.#holder = new BusHolder(place, (bus) => bus.watch(() => this.#soon()), clock, log);
  }

  /** The bus of the feed. @throws BusError when it cannot be used */
  bus(): Promise<SqliteBus> {
    return this.#holder.open();
  }

  /**
   * Makes sure that the log is kept.
   * @returns the number of its newest change, as far as it has been read
   * @throws BusError; WarmlineError `shutting_down`
   */
  async open(): Promise<number> {
    if (this.#isClosed) throw stopped();
    if (this.#end !== undefined && this.#keeping !== undefined) return this.#end;
    this.#opening ??= this.#begin().finally(() => {
      this.#opening = undefined;
    });
    const newest = await this.#opening;
    if (this.#isClosed) throw stopped();
    return newest;
  }

  /** @param after its last change; from now on when undefined */
  join(reader: FeedReader, after?: number): Seat {
    const place = { reader, seq: after ?? this.#end ?? 0, hasCaughtUp: false };
    this.#places.add(place);
    this.#keeping ??= setInterval(() => void this.#keep(), KEEP_CHANGES_EVERY_MS).unref();
    this.#soon();
    return {
      wake: () => this.#soon(),
      leave: () => {
        this.#places.delete(place);
        if (this.#places.size > 0) return;
        // Nobody pays for a log that nobody reads: it ends an hour from now.
        clearInterval(this.#keeping);
        this.#keeping = undefined;
      },
    };
  }

  /** Where these questions stand, and the number of the change after which they do. @throws BusError */
  async standings(ids: readonly number[]): Promise<{ seq: number; events: ChangeEvent[] }> {
    const bus = await this.bus();
    const seen = lookAtChanges(bus, { after: undefined, limit: 0, questions: ids });
    if (seen === 'gone') {
      await this.#begin();
      return await this.standings(ids);
    }
    const facts = factsOfChanged(bus, ids);
    const events = seen.standings.map((standing) =>
      standingEvent(seen.newest, standing, facts.get(standing.questionId)),
    );
    return { seq: seen.newest, events };
  }

  /** Tells nothing more, to nobody. */
  stop(): void {
    this.#isClosed = true;
    clearTimeout(this.#next);
    clearInterval(this.#keeping);
    const readers = [...this.#places].map(({ reader }) => reader);
    this.#places.clear();
    for (const reader of readers) reader.close();
  }

  async close(): Promise<void> {
    this.stop();
    await this.#opening?.catch(() => undefined);
    await this.#holder.close();
  }

  /** Begins the log, where there is none. @returns its newest change */
  async #begin(): Promise<number> {
    const bus = await this.#holder.open();
    await keepChanges(bus);
    const seen = lookAtChanges(bus, { after: undefined, limit: 0, questions: [] });
    if (seen === 'gone') throw new BusError('bus_io', 'the log of changes went as it was begun');
    if (this.#places.size === 0) this.#end = seen.newest;
    this.#end ??= seen.newest;
    return seen.newest;
  }

  async #keep(): Promise<void> {
    try {
      await keepChanges(await this.#holder.open());
    } catch (error) {
      this.#troubled(error);
    }
  }

  #soon(): void {
    this.#isWanted = true;
    if (this.#isTelling || this.#isClosed || this.#places.size === 0) return;
    const waitMs = Math.max(READ_EVERY_MS, this.#freeMs - this.#clock.monotonicMs());
    this.#next ??= setTimeout(() => void this.#turn(), waitMs);
  }

  async #turn(): Promise<void> {
    this.#next = undefined;
    this.#isTelling = true;
    this.#isWanted = false;
    const startedMs = this.#clock.monotonicMs();
    let tellingMs = 0;
    try {
      tellingMs = await this.#read();
      this.#isTroubled = false;
    } catch (error) {
      this.#troubled(error);
    } finally {
      this.#isTelling = false;
      this.#freeMs = startedMs + tellingMs * TELL_SHARE;
    }
    if (this.#isTroubled) this.#freeMs = this.#clock.monotonicMs() + TROUBLE_RETRY_MS;
    if (this.#isWanted || this.#isTroubled) this.#soon();
  }

  /** A page for those at the end of the log, and one for those behind it. @returns the time it took */
  async #read(): Promise<number> {
    const bus = await this.#holder.open();
    const startedMs = this.#clock.monotonicMs();
    const end = this.#end ?? 0;
    const places = [...this.#places];
    const behind = places.filter(({ seq, reader }) => seq < end && reader.isReady);
    const ahead = places.filter(({ seq, reader }) => seq >= end && reader.isReady);
    const upTo = await this.#tellFrom(bus, end, ahead);
    if (upTo === 'gone') await this.#begunAnew(places);
    else {
      this.#end = upTo;
      const from = behind.reduce((least, { seq }) => Math.min(least, seq), end);
      const isGone = behind.length > 0 && (await this.#tellFrom(bus, from, behind)) === 'gone';
      if (isGone) this.#resetAll(behind.filter(({ seq }) => seq === from));
      if (behind.length > 0) this.#isWanted = true;
    }
    return this.#clock.monotonicMs() - startedMs;
  }

  /** @returns the number of the last change that was told; `gone` when it is not known what follows */
  async #tellFrom(
    bus: SqliteBus,
    from: number,
    places: readonly Place[],
  ): Promise<number | 'gone'> {
    const seen = lookAtChanges(bus, { after: from, limit: PAGE, questions: [] });
    if (seen === 'gone') return seen;
    const { changes, more } = seen;
    const facts = factsOfChanged(
      bus,
      changes.map(({ questionId }) => questionId),
    );
    const events = changes.map((change) => changeEvent(change, facts.get(change.questionId)));
    const upTo = changes.at(-1)?.seq ?? from;
    for (const [index, place] of places.entries()) {
      if (index % READERS_TOGETHER === READERS_TOGETHER - 1) await othersFirst();
      if (this.#places.has(place)) tell(place, from, upTo, events, !more);
    }
    if (more) this.#isWanted = true;
    return upTo;
  }

  /** The log was ended, or the file is another one: there is a new log. */
  async #begunAnew(places: readonly Place[]): Promise<void> {
    this.#end = undefined;
    this.#end = await this.#begin();
    this.#resetAll(places);
  }

  #resetAll(places: readonly Place[]): void {
    const end = this.#end ?? 0;
    for (const place of places) {
      if (!this.#places.has(place)) continue;
      place.seq = end;
      place.reader.reset(end);
    }
    this.#isWanted = true;
  }

  #troubled(error: unknown): void {
    if (this.#isClosed) return;
    if (!this.#isTroubled) this.#log.warn({ err: error }, 'changes cannot be read; trying again');
    this.#isTroubled = true;
  }
}

function tell(
  place: Place,
  from: number,
  upTo: number,
  events: readonly ChangeEvent[],
  isLast: boolean,
): void {
  const { reader, seq } = place;
  // A number that no change has had yet: of another bus, or made up.
  if (isLast && seq > upTo) {
    place.seq = upTo;
    reader.reset(upTo);
    return;
  }
  const news = seq === from ? events : events.filter((event) => event.seq > seq);
  place.seq = Math.max(seq, upTo);
  if (news.length > 0) reader.tell(news);
  if (!isLast || place.hasCaughtUp) return;
  place.hasCaughtUp = true;
  reader.caughtUp();
}

function stopped() {
  return fault('shutting_down', 'the server is stopping; come again in a moment');
}
