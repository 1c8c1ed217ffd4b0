/**
 * What the tools work with: the bus, the bridge and the limits. One for all connections of a process.
 *
 * What is always true:
 *  - The bus is opened when it is first needed and again after it was out of reach: a tool that fails
 *    for it leaves the server as it was.
 *  - A write that was not through in its time is not made later, unless that does no harm.
 */
import {
  actAs,
  BusError,
  type Credentials,
  type Denied,
  openSqliteBus,
  type Seat,
  type Side,
  type SqliteBus,
} from '../../src/bus/index.js';
import { systemClock } from '../../src/clock.js';
import type { Log } from '../../src/log.js';
import { type BridgeClient, type BridgeClientOptions, connect } from '../socket/index.js';
import { ToolError } from './failure.js';
import { RateLimit } from './rate-limit.js';

/** Longest wait for the lock of the bus, in milliseconds: as long as the other programs wait. */
const WRITE_WAIT_MS = 10_000;
/** While the bus is opened nothing else runs here, so the wait for its lock is short. */
const OPEN_WAIT_MS = 1_000;
const CONNECT_MS = 5_000;
/** Calls at work at once, over all connections. */
const MAX_CALLS = 256;

interface BackendOptions {
  /** The bus file. */
  readonly db: string;
  /** The side that the queue answers for. */
  readonly session: Side;
  /** Makes an empty bus when the file does not exist. */
  readonly create?: boolean | undefined;
  readonly bridge: BridgeClientOptions;
  /** Calls a minute for each conversation and side, and for all calls without one; 0: no limit. */
  readonly callsPerMinute: number;
  readonly log: Log;
}

export class Backend {
  readonly db: string;
  readonly session: Side;
  readonly log: Log;
  readonly #options: BackendOptions;
  readonly #limit: RateLimit;
  #bus: SqliteBus | undefined;
  /** A bus that was there and is gone is no bus that has yet to be made. */
  #isMade = false;
  /** Those who wait for a write. */
  readonly #waiting = new Set<(error: unknown) => void>();
  #calls = 0;

  constructor(options: BackendOptions) {
    this.db = options.db;
    this.session = options.session;
    this.log = options.log;
    this.#options = options;
    this.#limit = new RateLimit(options.callsPerMinute, systemClock);
  }

  /** @throws BusError when the bus cannot be used */
  get bus(): SqliteBus {
    const { db: file, session, create = false } = this.#options;
    this.#bus ??= openSqliteBus({
      file,
      session,
      create: create && !this.#isMade,
      lockWaitMs: OPEN_WAIT_MS,
      observer: { trouble: (error) => this.#troubled(error) },
    });
    this.#isMade = true;
    return this.#bus;
  }

  /** A lock passes by itself. After anything else the bus is opened anew, by whoever needs it next. */
  #troubled(error: BusError): void {
    this.log.warn({ code: error.code }, error.message);
    if (error.code === 'bus_busy') return;
    for (const giveUp of this.#waiting) giveUp(error);
    const bus = this.#bus;
    this.#bus = undefined;
    setImmediate(() => void bus?.close());
  }

  /**
   * Counts a call as long as it is at work.
   * @throws ToolError `busy`
   */
  async atWork<T>(work: () => Promise<T>): Promise<T> {
    if (this.#calls >= MAX_CALLS) {
      throw new ToolError('busy', `${MAX_CALLS} calls are at work; try again when one is done`);
    }
    this.#calls += 1;
    try {
      return await work();
    } finally {
      this.#calls -= 1;
    }
  }

  /**
   * Acts as a side of a conversation, in one transaction that the audit is part of.
   * @throws ToolError `unauthorized`, `expired`, `rate_limited`
   * @throws BusError `bus_busy` when the lock was not to be had in time; nothing was changed then
   */
  async actAs<T>(who: Credentials, signal: AbortSignal, act: (seat: Seat) => T): Promise<T> {
    let waitMs: number | undefined;
    const outcome = await this.inTime(signal, (isWanted) =>
      actAs(this.bus, who, (seat) => {
        if (!isWanted()) return undefined;
        // The transaction may run a second time; a call counts once.
        waitMs ??= this.#limit.take(`${who.conversationId} ${who.side}`);
        return waitMs === 0 ? { acted: act(seat) } : undefined;
      }),
    );
    if (typeof outcome === 'string') throw this.denied(outcome);
    if (outcome.done === undefined) throw tooOften(waitMs ?? 0);
    return outcome.done.acted;
  }

  /** The error for a token that is no good. Guesses count as calls, too. @throws ToolError */
  denied(denied: Denied): ToolError {
    this.admit();
    return denied === 'expired'
      ? new ToolError(
          'expired',
          'the conversation has expired, and its tokens with it; create_conversation begins a new one',
        )
      : new ToolError(
          'unauthorized',
          'there is no such conversation, or this is not the token of that side; check conversation_id, session_id and token',
        );
  }

  /** Counts a call that belongs to no conversation. @throws ToolError `rate_limited` */
  admit(): void {
    const waitMs = this.#limit.take('');
    if (waitMs > 0) throw tooOften(waitMs);
  }

  /**
   * Waits for a write. It has to ask `isWanted` first, unless it does no harm when it is made later.
   * @throws BusError `bus_busy` when its time is up, and what else is in its way
   */
  async inTime<T>(signal: AbortSignal, write: (isWanted: () => boolean) => Promise<T>): Promise<T> {
    let isOver = false;
    let giveUp: (error: unknown) => void = () => undefined;
    const givenUp = new Promise<never>((_, reject) => {
      giveUp = (error) => {
        isOver = true;
        reject(error);
      };
    });
    const busy = new BusError('bus_busy', `${this.db}: another program holds the write lock`);
    const timer = setTimeout(() => giveUp(busy), WRITE_WAIT_MS);
    const aborted = () => giveUp(signal.reason);
    signal.addEventListener('abort', aborted);
    this.#waiting.add(giveUp);
    try {
      return await Promise.race([write(() => !isOver), givenUp]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', aborted);
      this.#waiting.delete(giveUp);
    }
  }

  /**
   * A connection to the bridge for one call. A standing one would hide that the bridge is down: what
   * is asked on it waits for the bridge to come back.
   * @throws BridgeError `unreachable`, `unauthorized`, …
   */
  async withBridge<T>(use: (client: BridgeClient) => Promise<T>): Promise<T> {
    const client = await connect({
      ...this.#options.bridge,
      connectTimeoutMs: CONNECT_MS,
      reconnect: false,
    });
    try {
      return await use(client);
    } finally {
      await client.close();
    }
  }

  async close(): Promise<void> {
    await this.#bus?.close();
  }
}

function tooOften(waitMs: number): ToolError {
  const seconds = Math.ceil(waitMs / 1000);
  return new ToolError('rate_limited', `too many calls; try again in ${seconds} s`, waitMs);
}
