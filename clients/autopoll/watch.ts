/**
 * Looks at the queue at steady intervals, and says how it is: to the bridge, whose `health` shows it,
 * into the bus, where `warmline stats --db` finds it, and to people when something is wrong.
 */

import { stat, statfs } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import {
  type BusStats,
  countWaiting,
  forgetWorker,
  isClaimable,
  type SqliteBus,
  saveWorker,
} from '../../src/bus/index.js';
import type { Clock } from '../../src/clock.js';
import type { Log } from '../../src/log.js';
import type { BridgeError, QueueReport } from '../socket/index.js';
import type { Alarms } from './alarms.js';
import type { BusTrouble } from './bus-trouble.js';
import type { Parking } from './parking.js';
import { toReport } from './queue-report.js';
import type { Reaper } from './reaper.js';
import type { Offer } from './slots.js';
import {
  keyOf,
  look,
  type Memory,
  NOTHING_SEEN,
  type Outcomes,
  type WarningLimits,
} from './warnings.js';

export interface WatchOptions {
  readonly bus: SqliteBus;
  readonly clock: Clock;
  readonly log: Log;
  readonly reaper: Reaper;
  readonly parking: Parking;
  readonly trouble: BusTrouble;
  readonly alarms: Alarms;
  readonly limits: WarningLimits;
  readonly conversations: readonly string[] | undefined;
  readonly everyMs: number;
  /** How often partners are told that we live. */
  readonly heartbeatEveryMs: number;
  /** Turns under way, and what could begin now. */
  readonly work: () => { readonly active: number; readonly offer: Offer };
  /** Sends the report to the bridge; rejects when it did not arrive. */
  readonly send: (queue: QueueReport) => Promise<void>;
}

/** A look at a large queue takes time from the work: at most this part of it. */
const MOST_OF_TIME = 1 / 50;
const LONGEST_PAUSE_MS = 60_000;
/** Changes that come together are told together. */
const TOGETHER_MS = 100;
/** Engines told apart in one look; what a question calls its engine is the asker's choice. */
const MAX_ENGINES = 64;

export class Watch {
  readonly #options: WatchOptions;
  readonly #startedUs: number;
  #memory: Memory = NOTHING_SEEN;
  #stats: BusStats | undefined;
  #host: { walBytes?: number; diskFreeBytes?: number } = {};
  #outcomes = new Map<string, Outcomes>();
  #waiting: ReadonlyMap<string, number> = new Map();
  #claimedMs: number;
  #lookedAt: { readonly monotonicMs: number; readonly wallMs: number } | undefined;
  #pauseUntilMs = 0;
  readonly #timers: NodeJS.Timeout[] = [];
  #soon: NodeJS.Timeout | undefined;
  #sending = false;
  #measuring = false;
  #noted = false;
  #refused = false;
  #standing = '';
  #stopped = false;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#startedUs = options.clock.wallUs();
    this.#claimedMs = options.clock.monotonicMs();
  }

  start(): void {
    if (this.#stopped) return;
    this.#timers.push(setInterval(() => this.look(), this.#options.everyMs));
    this.look();
  }

  /** From now on this process is seen on the bus as well, by partners and by people. */
  async appear(): Promise<void> {
    await this.#beat();
    if (this.#stopped) return;
    this.#timers.push(setInterval(() => void this.#beat(), this.#options.heartbeatEveryMs));
  }

  claimed(): void {
    this.#claimedMs = this.#options.clock.monotonicMs();
  }

  /** A turn has ended. @param worked false: it failed by the fault of the engine */
  ended(engine: string, worked: boolean): void {
    const known = this.#outcomes.get(engine);
    if (known === undefined && this.#outcomes.size >= MAX_ENGINES) return;
    const counts = known ?? { worked: 0, failed: 0 };
    this.#outcomes.set(engine, {
      worked: counts.worked + (worked ? 1 : 0),
      failed: counts.failed + (worked ? 0 : 1),
    });
  }

  /** Something that people should see has changed. */
  changed(): void {
    if (this.#stopped) return;
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      this.look();
    }, TOGETHER_MS);
  }

  /** How the queue is now; undefined until it has been looked at. */
  get report(): QueueReport | undefined {
    const { bus, clock, reaper, parking, work } = this.#options;
    if (this.#stats === undefined) return undefined;
    return toReport({
      db: basename(bus.file),
      session: bus.session,
      stats: this.#stats,
      active: work().active,
      reaper: reaper.report,
      parks: parking.list(this.#waiting),
      warnings: this.#memory.warnings,
      nowMs: clock.monotonicMs(),
    });
  }

  /** Never throws: a bus that cannot be read is told of by its own warning. */
  look(): void {
    if (this.#stopped) return;
    const { clock, log, alarms } = this.#options;
    void this.#measure();
    try {
      if (clock.monotonicMs() >= this.#pauseUntilMs) this.#sample();
      alarms.show(this.#memory.warnings);
      this.#noteChange();
    } catch (error) {
      log.debug({ err: error }, 'the queue could not be looked at');
    }
    void this.#send();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers) clearInterval(timer);
    clearTimeout(this.#soon);
    await this.#options.alarms.close();
    if (this.#noted) await forgetWorker(this.#options.bus).catch(() => undefined);
  }

  async #beat(): Promise<void> {
    const { bus, log, conversations } = this.#options;
    this.#noted = true;
    const beat = bus
      .heartbeat(conversations)
      .catch((error) => log.warn({ err: error }, 'heartbeat not written'));
    await Promise.all([beat, this.#note()]);
  }

  async #note(): Promise<void> {
    const { bus, log } = this.#options;
    const { report } = this;
    if (report === undefined) return;
    await saveWorker(bus, this.#startedUs, report).catch((error) =>
      log.warn({ err: error }, 'state not noted on the bus'),
    );
  }

  /** What people read on the bus without a bridge must not be of half a minute ago. */
  #noteChange(): void {
    const standing = this.#memory.warnings.map(keyOf).join('\n');
    if (standing === this.#standing) return;
    this.#standing = standing;
    if (this.#noted) void this.#note();
  }

  #sample(): void {
    const { bus, clock, reaper, parking, trouble, limits, conversations, work } = this.#options;
    const atMs = clock.monotonicMs();
    const outcomes = this.#outcomes;
    this.#outcomes = new Map();
    const stats = bus.stats();
    this.#stats = stats;
    this.#waiting = countWaiting(bus, parking.engines);
    parking.forget(this.#waiting);
    const { limit, full } = work().offer;
    const withoutModels = [...full, ...(parking.closed ?? [])];
    const couldAsk =
      limit > 0 && isClaimable(bus, { conversations, withoutModels }, clock.wallUs());
    this.#memory = look(
      this.#memory,
      {
        atMs,
        pending: stats.pending - stats.expired,
        leased: stats.leased,
        oldestMs: stats.oldestPendingMs,
        couldAsk,
        idleMs: atMs - this.#claimedMs,
        outcomes,
        dead: stats.dead,
        parks: parking.list(this.#waiting),
        reaperSilentMs: reaper.silentMs,
        walBytes: this.#host.walBytes,
        diskFreeBytes: this.#host.diskFreeBytes,
        clockJumpMs: this.#clockJumpMs(),
        ...trouble.look(),
      },
      limits,
    );
    const tookMs = clock.monotonicMs() - atMs;
    this.#pauseUntilMs = atMs + Math.min(tookMs / MOST_OF_TIME, LONGEST_PAUSE_MS);
  }

  /** By how much the wall clock moved since the last look beyond the time that passed. */
  #clockJumpMs(): number {
    const { clock } = this.#options;
    const now = { monotonicMs: clock.monotonicMs(), wallMs: clock.wallUs() / 1000 };
    const before = this.#lookedAt ?? now;
    this.#lookedAt = now;
    return now.wallMs - before.wallMs - (now.monotonicMs - before.monotonicMs);
  }

  /** For the next look: a file system may take its time. */
  async #measure(): Promise<void> {
    if (this.#measuring) return;
    this.#measuring = true;
    const { file } = this.#options.bus;
    try {
      const [wal, disk] = await Promise.all([
        stat(`${file}-wal`).catch(() => ({ size: 0 })),
        statfs(dirname(file)),
      ]);
      this.#host = { walBytes: wal.size, diskFreeBytes: disk.bavail * disk.bsize };
    } catch {
      this.#host = {};
    } finally {
      this.#measuring = false;
    }
  }

  async #send(): Promise<void> {
    const { report } = this;
    if (this.#sending || report === undefined) return;
    this.#sending = true;
    // Without a bridge there is nobody to show it to.
    await this.#options.send(report).then(
      () => {
        this.#refused = false;
      },
      (error) => this.#noteRefusal(error),
    );
    this.#sending = false;
  }

  /** Once, not at each look: until it changes its mind, `health` does not have this queue. */
  #noteRefusal({ code, message }: Partial<BridgeError>): void {
    if (this.#refused || !['bad_request', 'busy'].includes(code ?? '')) return;
    this.#refused = true;
    this.#options.log.warn({ code, why: message }, 'the bridge does not show this queue');
  }
}
