/** Reads the bus when it changes and at intervals, and never more than its cost allows. */
import { existsSync } from 'node:fs';
import {
  BusError,
  isPrepared,
  type ListedQuestion,
  listQuestions,
  overviewOf,
  type SqliteBus,
} from '../../src/bus/index.js';
import type { Clock } from '../../src/clock.js';
import { shellWord } from '../../src/text.js';
import { type BusFacts, type BusState, factsOf } from './facts.js';
import type { QuestionFilter } from './filter.js';

interface BusSourceOptions {
  readonly file: string;
  /** @throws BusError */
  readonly open: () => SqliteBus;
  readonly clock: Clock;
  /** How often it is read while nothing tells of a change. */
  readonly everyMs: number;
  readonly changed: (state: BusState) => void;
}

/** Rows of each list. */
const MOST_ROWS = 200;
/** Of questions, read at once; each costs up to some ten milliseconds. */
const MOST_PAGES = 5;
/** Changes that come together are read together, in milliseconds. */
const TOGETHER_MS = 200;
/** Reading takes at most this part of the time. */
const MOST_OF_TIME = 1 / 50;
const LONGEST_PAUSE_MS = 60_000;

export class BusSource {
  readonly #options: BusSourceOptions;
  readonly #slow: NodeJS.Timeout;
  #bus: SqliteBus | undefined;
  #state: BusState = { at: 'opening' };
  #filter: QuestionFilter = {};
  #soon: NodeJS.Timeout | undefined;
  #pauseUntilMs = 0;
  #closed = false;

  /** @throws BusError when the bus cannot be opened now; later it is waited for */
  constructor(options: BusSourceOptions) {
    this.#options = options;
    if (isPrepared(options.file)) this.#open();
    this.#slow = setInterval(() => this.#readSoon(0), options.everyMs);
    this.#readSoon(0);
  }

  /** Lists these questions from now on. */
  want(filter: QuestionFilter): void {
    this.#filter = filter;
    this.refresh();
  }

  /** Reads at once: somebody waits for it. */
  refresh(): void {
    this.#pauseUntilMs = 0;
    clearTimeout(this.#soon);
    this.#soon = undefined;
    this.#readSoon(0);
  }

  /** @throws BusError while the bus cannot be reached */
  use<T>(run: (bus: SqliteBus) => T): T {
    const { file } = this.#options;
    if (!existsSync(file)) throw new BusError('bus_missing', `there is no bus at ${file}`);
    if (this.#bus !== undefined) return run(this.#bus);
    // To open it would make tables in it, and whoever only looks changes nothing.
    if (isPrepared(file)) return run(this.#open());
    throw new BusError(
      'bus_schema',
      `no warmline of this version has worked on this bus yet; start one: warmline up --db ${shellWord(file)}`,
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#slow);
    clearTimeout(this.#soon);
    await this.#bus?.close();
  }

  #open(): SqliteBus {
    this.#bus = this.#options.open();
    this.#bus.watch(() => this.#readSoon(TOGETHER_MS));
    return this.#bus;
  }

  #readSoon(delayMs: number): void {
    if (this.#closed) return;
    const { clock } = this.#options;
    const waitMs = Math.max(delayMs, this.#pauseUntilMs - clock.monotonicMs());
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      this.#read();
    }, waitMs);
  }

  #read(): void {
    const { clock, changed } = this.#options;
    const startMs = clock.monotonicMs();
    try {
      this.#state = { at: 'open', facts: this.use((bus) => this.#look(bus)) };
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#state = { at: 'lost', why, facts: factsOf(this.#state) };
    }
    const endMs = clock.monotonicMs();
    this.#pauseUntilMs = endMs + Math.min((endMs - startMs) / MOST_OF_TIME, LONGEST_PAUSE_MS);
    changed(this.#state);
  }

  #look(bus: SqliteBus): BusFacts {
    return {
      overview: overviewOf(bus, MOST_ROWS, this.#options.clock.wallUs()),
      ...this.#list(bus),
    };
  }

  /** Where few questions match, a page may hold fewer than it was asked for. */
  #list(bus: SqliteBus): Pick<BusFacts, 'questions' | 'isCut'> {
    const questions: ListedQuestion[] = [];
    let beforeId: number | undefined;
    for (let page = 0; page < MOST_PAGES && questions.length < MOST_ROWS; page += 1) {
      const limit = MOST_ROWS - questions.length;
      const found = listQuestions(bus, { ...this.#filter, beforeId, limit }, this.#options.clock);
      questions.push(...found.questions);
      beforeId = found.nextBeforeId;
      if (beforeId === undefined) break;
    }
    return { questions, isCut: beforeId !== undefined };
  }
}
