/**
 * Engines that take no work until a time: a usage limit, or a login that has to be put right. Their
 * questions are not asked, so no attempt is lost and nobody else waits; when the time has come, one
 * question goes first, and the rest only when the engine has worked on that one.
 *
 *     open ──refused──► parked ──its time has come──► one probes ──refused──► parked
 *      ▲                                                  └──anything else──► open
 *      ├──────────── any answer of the engine ────────────┘
 *      └──its time has come, and nothing waits for it
 *
 * An engine is the `model` of a question, or empty for the usual one.
 */
import type { Failure, Park } from '../../src/bus/index.js';
import type { Clock } from '../../src/clock.js';

/** A parked engine, as people are shown it. Times are milliseconds since the epoch. */
export interface ParkReport {
  readonly engine: string;
  readonly code: string;
  readonly message: string;
  readonly sinceMs: number;
  /** When the engine takes work again; undefined when nobody knows. */
  readonly untilMs: number | undefined;
  /** When one question tries it. */
  readonly nextTryMs: number;
  /** Questions that wait for it. */
  readonly waiting: number;
}

interface Parked {
  readonly park: Park;
  /** When one question may try it, on the monotonic clock. */
  readonly probeMs: number;
  /** The question that does. */
  probe: number | undefined;
}

export interface ParkingOptions {
  readonly clock: Clock;
  /** Called when an engine is parked, for longer or anew, and when it is open again. */
  readonly changed: (engine: string, park: Park | undefined) => void;
}

/** However far off an end was named, it is tried after this: it may be wrong. As `retry.ts` has it. */
const LONGEST_PARK_MS = 15 * 60_000;
/** The wall clock, by which questions come back, may ring this much before the monotonic one. */
const EARLY_MS = 50;
/** While one question tries an engine, the others look again after this. */
const LEAST_WAIT_MS = 1_000;
/** Engines that are parked at once; what a question calls its engine is the asker's choice. */
const MAX_PARKS = 256;
/** So long a question may take to come that shows whether an engine is open. */
const KEPT_MS = 60_000;
/** A named end beyond this is a mistake; a year, in milliseconds. */
const MAX_NAMED_MS = 366 * 86_400_000;

export class Parking {
  readonly #options: ParkingOptions;
  readonly #parked = new Map<string, Parked>();

  constructor(options: ParkingOptions) {
    this.#options = options;
  }

  /** Takes up what an earlier process knew. */
  restore(parks: readonly Park[]): void {
    const { clock } = this.#options;
    for (const park of [...parks].sort((one, other) => one.sinceUs - other.sinceUs)) {
      const leftMs = ((park.untilUs ?? 0) - clock.wallUs()) / 1000;
      const waitMs = Math.min(Math.max(0, leftMs), LONGEST_PARK_MS);
      const probeMs = clock.monotonicMs() + waitMs;
      this.#park({ park, probeMs, probe: undefined });
    }
  }

  /** Engines that no question may be claimed for now; undefined when there are none. */
  get closed(): string[] | undefined {
    if (this.#parked.size === 0) return undefined;
    return [...this.#parked].filter(([, each]) => !this.#isDue(each)).map(([engine]) => engine);
  }

  /** Until the next engine may be tried, in milliseconds; undefined when none waits for that. */
  get nextProbeMs(): number | undefined {
    const parked = [...this.#parked.values()];
    const closed = parked.filter((each) => each.probe === undefined && !this.#isDue(each));
    if (closed.length === 0) return undefined;
    return Math.min(...closed.map(({ probeMs }) => probeMs)) - this.#options.clock.monotonicMs();
  }

  /** How long a question that is not admitted stays away, in milliseconds. */
  waitMs(engine: string): number {
    const leftMs = (this.#parked.get(engine)?.probeMs ?? 0) - this.#options.clock.monotonicMs();
    return Math.max(Math.ceil(leftMs), LEAST_WAIT_MS);
  }

  /** Whether a question that was claimed is asked now; of those for a parked engine only one is. */
  admits(engine: string, question: number): boolean {
    const parked = this.#parked.get(engine);
    if (parked === undefined) return true;
    if (!this.#isDue(parked)) return false;
    parked.probe = question;
    return true;
  }

  /**
   * The engine took no work.
   * @param delayMs when it is tried again
   */
  refused(engine: string, failure: Failure, delayMs: number): void {
    if (!parksEngine(failure)) return;
    const { clock, changed } = this.#options;
    const nowUs = clock.wallUs();
    const known = this.#parked.get(engine)?.park;
    const { code, retryAfterMs } = failure;
    const untilUs =
      retryAfterMs === undefined
        ? undefined
        : nowUs + Math.round(Math.min(retryAfterMs, MAX_NAMED_MS) * 1000);
    const park: Park = { engine, code, sinceUs: known?.sinceUs ?? nowUs, untilUs };
    const probeMs = clock.monotonicMs() + Math.min(delayMs, LONGEST_PARK_MS);
    this.#park({ park, probeMs, probe: undefined });
    if (!sayTheSame(known, park)) changed(engine, park);
  }

  /** The engine worked on a question, however that ended. One asked before it was parked proves nothing. */
  worked(engine: string, question: number): void {
    if (this.#parked.get(engine)?.probe !== question) return;
    this.#open(engine);
  }

  /**
   * Opens the engines whose time came a minute ago, and that nothing tries because nothing waits
   * for them.
   * @param waiting how many questions wait for each engine
   */
  forget(waiting: ReadonlyMap<string, number>): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const [engine, { probe, probeMs }] of [...this.#parked]) {
      const isOver = probe === undefined && probeMs + KEPT_MS <= nowMs;
      if (isOver && !waiting.has(engine)) this.#open(engine);
    }
  }

  /** A turn is over without a word of its engine: the next question tries it. */
  left(engine: string, question: number): void {
    const parked = this.#parked.get(engine);
    if (parked?.probe === question) parked.probe = undefined;
  }

  get engines(): string[] {
    return [...this.#parked.keys()];
  }

  /** @param waiting how many questions wait for each engine */
  list(waiting: ReadonlyMap<string, number>): ParkReport[] {
    const { clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const wallMs = clock.wallUs() / 1000;
    return [...this.#parked.values()].map(({ park, probeMs }) => ({
      engine: park.engine,
      code: park.code,
      message: describePark(park, waiting.get(park.engine)),
      sinceMs: Math.round(park.sinceUs / 1000),
      untilMs: park.untilUs === undefined ? undefined : Math.round(park.untilUs / 1000),
      nextTryMs: Math.round(wallMs + Math.max(0, probeMs - nowMs)),
      waiting: waiting.get(park.engine) ?? 0,
    }));
  }

  #park(parked: Parked): void {
    this.#parked.set(parked.park.engine, parked);
    const [oldest] = this.#parked.keys();
    if (oldest !== undefined && this.#parked.size > MAX_PARKS) this.#open(oldest);
  }

  #open(engine: string): void {
    this.#parked.delete(engine);
    this.#options.changed(engine, undefined);
  }

  #isDue({ probe, probeMs }: Parked): boolean {
    return probe === undefined && probeMs <= this.#options.clock.monotonicMs() + EARLY_MS;
  }
}

/** A limit or a login concerns every question; an engine that is merely busy says when it is not. */
export function parksEngine({ code, retryAfterMs }: Failure): boolean {
  if (code === 'engine_limit' || code === 'engine_auth') return true;
  return code === 'engine_unavailable' && retryAfterMs !== undefined;
}

const REASONS: Readonly<Record<string, string>> = {
  engine_limit: 'usage limit',
  engine_auth: 'login refused',
};

/** "usage limit until 2026-11-20T14:05:00Z, 37 questions wait" */
export function describePark(park: Pick<Park, 'code' | 'untilUs'>, waiting?: number): string {
  const reason = REASONS[park.code] ?? 'takes no work';
  const until =
    park.untilUs === undefined
      ? 'until it is put right'
      : `until ${new Date(park.untilUs / 1000).toISOString().slice(0, 19)}Z`;
  if (waiting === undefined) return `${reason} ${until}`;
  const who = waiting === 1 ? '1 question waits' : `${waiting} questions wait`;
  return `${reason} ${until}, ${who}`;
}

/** Told anew only when a person would read something else. */
function sayTheSame(one: Park | undefined, other: Park): boolean {
  if (one === undefined || one.code !== other.code) return false;
  if (one.untilUs === undefined || other.untilUs === undefined)
    return one.untilUs === other.untilUs;
  return Math.abs(one.untilUs - other.untilUs) < 1_000_000;
}
