/**
 * Calls the reaper of the bus at steady intervals, one pass at a time, in the same loop as every
 * other write. A pass that fails, or that has to wait, only makes the next one later, and that shows.
 */
import type { Bus, Reaped } from '../../src/bus/index.js';
import type { Clock } from '../../src/clock.js';
import { note } from '../../src/failpoints/index.js';
import type { Log } from '../../src/log.js';

export interface ReaperOptions {
  readonly bus: Pick<Bus, 'reap'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly everyMs: number;
  /** Called before and after each pass. */
  readonly before: () => void;
  readonly passed: () => void;
}

/** What the passes did. Durations in milliseconds. */
export interface ReaperReport {
  /** Since the last pass ended; undefined when none has. */
  readonly lastPassAgeMs: number | undefined;
  /** Until the next one begins; 0 while one is under way or overdue. */
  readonly nextPassMs: number;
  /** By the last pass, and by all of them. */
  readonly found: Reaped;
  readonly foundTotal: Reaped;
}

const NOTHING: Reaped = { expired: 0, gone: 0, failed: 0 };

export class Reaper {
  readonly #options: ReaperOptions;
  readonly #startedMs: number;
  #timer: NodeJS.Timeout | undefined;
  #endedMs: number | undefined;
  #nextMs: number;
  #found = NOTHING;
  #total = NOTHING;
  #stopped = false;

  constructor(options: ReaperOptions) {
    this.#options = options;
    this.#startedMs = options.clock.monotonicMs();
    this.#nextMs = this.#startedMs;
  }

  get report(): ReaperReport {
    const nowMs = this.#options.clock.monotonicMs();
    return {
      lastPassAgeMs: this.#endedMs === undefined ? undefined : nowMs - this.#endedMs,
      nextPassMs: Math.max(0, this.#nextMs - nowMs),
      found: this.#found,
      foundTotal: this.#total,
    };
  }

  /** Since the last pass ended, or since the start when none has; what an alarm goes by. */
  get silentMs(): number {
    return this.#options.clock.monotonicMs() - (this.#endedMs ?? this.#startedMs);
  }

  /** One pass now. Never throws: what could not be freed is tried again by the next pass. */
  async pass(): Promise<Reaped> {
    const { bus, clock, log } = this.#options;
    let found = NOTHING;
    try {
      this.#options.before();
      found = await bus.reap();
      this.#endedMs = clock.monotonicMs();
      this.#found = found;
      this.#total = sum(this.#total, found);
      this.#tell(found);
    } catch (error) {
      log.error({ err: error }, 'reaper pass failed; the next one tries again');
    }
    return found;
  }

  /** Passes go on, the first after `everyMs`, until `stop`. */
  start(): void {
    const { clock, everyMs } = this.#options;
    if (this.#stopped) return;
    this.#nextMs = clock.monotonicMs() + everyMs;
    this.#timer = setTimeout(() => void this.#again(), everyMs);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #again(): Promise<void> {
    await this.pass();
    this.start();
    if (!this.#stopped) this.#options.passed();
  }

  #tell(found: Reaped): void {
    const { log } = this.#options;
    const { expired, gone, failed } = found;
    if (expired + gone > 0) {
      note({ what: 'reaped', expired, gone });
      log.info({ expired, gone }, 'leases taken back');
    }
    if (failed > 0) log.error({ failed }, 'leases could not be freed; the next pass tries again');
  }
}

function sum(one: Reaped, other: Reaped): Reaped {
  return {
    expired: one.expired + other.expired,
    gone: one.gone + other.gone,
    failed: one.failed + other.failed,
  };
}
