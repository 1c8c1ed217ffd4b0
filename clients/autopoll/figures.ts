/**
 * The figures of the bus, kept in the background: those of each day, the clocks that are learned
 * from them, and the forgetting of what is old. Reading goes on in a process of its own and writing
 * in short transactions; a pass that fails is made up for by the next one. None of it keeps a
 * process alive that has nothing else to do.
 */
import {
  type Bounds,
  changeTimeouts,
  DAILY_DAYS,
  DAY_US,
  dayOf,
  daysWithout,
  endUnreadChanges,
  forgetOld,
  type Latency,
  latencySelect,
  planAdaptive,
  readTimeouts,
  rollUp,
  type SqliteBus,
  selectAside,
} from '../../src/bus/index.js';
import type { Clock } from '../../src/clock.js';
import type { Log } from '../../src/log.js';

export interface FigureSettings {
  /** Finished questions are forgotten after so many days. */
  readonly retentionDays: number;
  /** Inside which bounds clocks are learned; undefined: none are. */
  readonly adaptive: Bounds | undefined;
}

export interface FiguresOptions {
  readonly bus: SqliteBus;
  readonly clock: Clock;
  readonly log: Log;
  readonly settings: FigureSettings;
  readonly onTimeoutsChanged: () => void;
}

/** Time until the first pass, for a start-up has more urgent things to do, and between two. */
const FIRST_MS = 10_000;
const EVERY_MS = 3_600_000;
/** Clocks are learned from the turns of so many days. */
const LEARNT_DAYS = 7;

export class Figures {
  readonly #options: FiguresOptions;
  readonly #stopping = new AbortController();
  #timers: NodeJS.Timeout[] = [];
  #passing: Promise<void> | undefined;
  #isFilled = false;

  constructor(options: FiguresOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timers = [
      setTimeout(() => void this.pass(), FIRST_MS).unref(),
      setInterval(() => void this.pass(), EVERY_MS).unref(),
    ];
  }

  /** Brings everything up to date; joins the pass under way. Never rejects. */
  pass(): Promise<void> {
    this.#passing ??= this.#pass().finally(() => {
      this.#passing = undefined;
    });
    return this.#passing;
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#stopping.abort();
    await this.#passing;
  }

  async #pass(): Promise<void> {
    const { bus, clock, log, settings } = this.#options;
    const { signal } = this.#stopping;
    try {
      const nowUs = clock.wallUs();
      await rollUp(bus, this.#days(nowUs), signal);
      this.#isFilled = true;
      await this.#learn(nowUs);
      const { questions } = await forgetOld(bus, nowUs, settings.retentionDays, signal);
      if (questions > 0) log.info({ questions }, 'finished questions forgotten');
      if (await endUnreadChanges(bus, nowUs)) log.info('nobody reads the log of changes: ended');
    } catch (error) {
      if (!signal.aborted) log.warn({ err: error }, 'figures not kept; the next pass tries again');
    }
  }

  /** Yesterday still changes at its end; what is missing was lost, or nobody ran. */
  #days(nowUs: number): string[] {
    const yesterday = dayOf(nowUs - DAY_US);
    const missing = this.#isFilled ? [] : daysWithout(this.#options.bus, yesterday, DAILY_DAYS);
    return [...missing, yesterday, dayOf(nowUs)];
  }

  async #learn(nowUs: number): Promise<void> {
    const { bus, log, settings, onTimeoutsChanged } = this.#options;
    const { adaptive = { floorMs: 0, ceilingMs: 0 } } = settings;
    const table = bus.read((db) => readTimeouts(db, bus.session));
    const latencies = settings.adaptive === undefined ? [] : await this.#latencies(nowUs);
    const changes = planAdaptive(latencies, table, adaptive);
    const changed = await changeTimeouts(bus, changes, 'adaptive');
    if (changed === 0) return;
    onTimeoutsChanged();
    log.info({ changes }, 'clocks adapted to the turns of the last days');
  }

  async #latencies(nowUs: number): Promise<Latency[]> {
    const { bus } = this.#options;
    const select = latencySelect(bus.session, nowUs - LEARNT_DAYS * DAY_US, nowUs);
    const [latencies = []] = await selectAside<Latency>(bus.file, [select], this.#stopping.signal);
    return latencies;
  }
}
