/** The bus of the door: opened when it can be, and again when it could not. */
import {
  BusError,
  openSqliteBus,
  prepareDoor,
  type Side,
  type SqliteBus,
} from '../../bus/index.js';
import type { Clock } from '../../clock.js';
import type { Log } from '../../log.js';

export interface BusPlace {
  readonly file: string;
  /** The side that answers. */
  readonly session: Side;
}

/** A bus that could not be opened is left alone for this long, in milliseconds. */
const AGAIN_MS = 1_000;

type State =
  | { readonly at: 'closed' }
  | { readonly at: 'open'; readonly bus: SqliteBus }
  | { readonly at: 'failed'; readonly error: BusError; readonly sinceMs: number };

export class BusHolder {
  readonly #place: BusPlace;
  readonly #opened: (bus: SqliteBus) => void;
  readonly #clock: Clock;
  readonly #log: Log;
  #state: State = { at: 'closed' };
  #opening: Promise<SqliteBus> | undefined;

  /** @param opened called with the bus each time it is opened */
  constructor(place: BusPlace, opened: (bus: SqliteBus) => void, clock: Clock, log: Log) {
    this.#place = place;
    this.#opened = opened;
    this.#clock = clock;
    this.#log = log;
  }

  get file(): string {
    return this.#place.file;
  }

  /** The bus, when it is open. */
  get current(): SqliteBus | undefined {
    return this.#state.at === 'open' ? this.#state.bus : undefined;
  }

  /** @throws BusError when it cannot be opened */
  async open(): Promise<SqliteBus> {
    if (this.#state.at === 'open') return this.#state.bus;
    if (this.#state.at === 'failed') {
      const agoMs = this.#clock.monotonicMs() - this.#state.sinceMs;
      if (agoMs < AGAIN_MS) throw this.#state.error;
    }
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return await this.#opening;
  }

  async close(): Promise<void> {
    await this.#opening?.catch(() => undefined);
    const { current } = this;
    this.#state = { at: 'closed' };
    await current?.close();
  }

  async #open(): Promise<SqliteBus> {
    let bus: SqliteBus | undefined;
    try {
      bus = openSqliteBus(this.#place);
      await prepareDoor(bus);
      this.#state = { at: 'open', bus };
      this.#opened(bus);
      return bus;
    } catch (thrown) {
      await bus?.close();
      if (!(thrown instanceof BusError)) throw thrown;
      if (this.#state.at !== 'failed') this.#log.warn({ code: thrown.code }, thrown.message);
      this.#state = { at: 'failed', error: thrown, sinceMs: this.#clock.monotonicMs() };
      throw thrown;
    }
  }
}
