/**
 * Engines that take no work until a time: a usage limit, or a login that has to be put right. Their
 * questions are not asked, so no attempt is lost and nobody else waits; when the time has come, one
 * question goes first, and the rest only when the engine has worked on that one.
 *
 *     open ──refused──► parked ──its time has come──► one probes ──refused──► parked
 *      ▲                                                  └──anything else──► open
 *      └──────────── any answer of the engine ────────────┘
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
  /** Conversations whose questions wait for it, as far as they have been looked at. */
  readonly waiting: number;
}

interface Parked {
  readonly park: Park;
  /** When the next probe may go, on the monotonic clock. */
  probeMs: number;
  /** The question that tries the engine, and since when. */
  probe: { readonly question: number; readonly sinceMs: number } | undefined;
  readonly waiting: Set<number>;
}

export interface ParkingOptions {
  readonly clock: Clock;
  /** Called when an engine is parked, for longer or anew, and when it is open again. */
  readonly changed: (engine: string, park: Park | undefined) => void;
}

/** Others follow the probe this much later, so that it has been answered or refused by then. */
const HEAD_START_MS = 1_000;
/** While the probe runs, and while nobody knows an end, the rest looks in at most this rarely. */
const LONGEST_LOOK_MS = 60_000;
/** However far off an end was named, it is tried after this: it may be wrong. As `retry.ts` has it. */
const LONGEST_PARK_MS = 15 * 60_000;
/** The wall clock, by which questions come back, may ring this much before the monotonic one. */
const EARLY_MS = 50;
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
    for (const park of parks) {
      const leftMs = ((park.untilUs ?? 0) - clock.wallUs()) / 1000;
      const waitMs = Math.min(Math.max(0, leftMs), LONGEST_PARK_MS);
      const probeMs = clock.monotonicMs() + waitMs;
      this.#parked.set(park.engine, { park, probeMs, probe: undefined, waiting: new Set() });
    }
  }

  /** How long a question has to wait before it may be asked, in milliseconds; 0: it is asked now. */
  admit(engine: string, question: number): number {
    const parked = this.#parked.get(engine);
    if (parked === undefined) return 0;
    const nowMs = this.#options.clock.monotonicMs();
    const leftMs = parked.probeMs - nowMs;
    if (leftMs <= EARLY_MS && parked.probe === undefined) {
      parked.probe = { question, sinceMs: nowMs };
      parked.waiting.delete(question);
      return 0;
    }
    parked.waiting.add(question);
    if (parked.probe !== undefined) {
      return clamp(nowMs - parked.probe.sinceMs, HEAD_START_MS, LONGEST_LOOK_MS);
    }
    // Where nobody knows the end, the questions look in ever more rarely; the probe does not.
    const { untilUs, sinceUs } = parked.park;
    const agoMs = (this.#options.clock.wallUs() - sinceUs) / 1000;
    const extraMs = untilUs === undefined ? clamp(agoMs, HEAD_START_MS, LONGEST_LOOK_MS) : 0;
    return leftMs + Math.max(HEAD_START_MS, extraMs);
  }

  /**
   * The engine took no work.
   * @param delayMs when it is tried again
   */
  refused(engine: string, failure: Failure, delayMs: number): void {
    if (!parksEngine(failure)) return;
    const { clock, changed } = this.#options;
    const nowUs = clock.wallUs();
    const known = this.#parked.get(engine);
    const { code, retryAfterMs } = failure;
    const untilUs =
      retryAfterMs === undefined
        ? undefined
        : nowUs + Math.round(Math.min(retryAfterMs, MAX_NAMED_MS) * 1000);
    const park: Park = { engine, code, sinceUs: known?.park.sinceUs ?? nowUs, untilUs };
    const waiting = known?.waiting ?? new Set();
    const probeMs = clock.monotonicMs() + Math.min(delayMs, LONGEST_PARK_MS);
    this.#parked.set(engine, { park, probeMs, probe: undefined, waiting });
    if (!sayTheSame(known?.park, park)) changed(engine, park);
  }

  /** The engine worked on a question, however that ended. One asked before it was parked proves nothing. */
  worked(engine: string, question: number): void {
    if (this.#parked.get(engine)?.probe?.question !== question) return;
    this.#parked.delete(engine);
    this.#options.changed(engine, undefined);
  }

  /** A turn is over without a word of its engine: the next question tries it. */
  left(engine: string, question: number): void {
    const parked = this.#parked.get(engine);
    if (parked?.probe?.question === question) parked.probe = undefined;
  }

  list(): ParkReport[] {
    const { clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const wallMs = clock.wallUs() / 1000;
    return [...this.#parked.values()].map(({ park, probeMs, waiting, probe }) => ({
      engine: park.engine,
      code: park.code,
      message: describePark(park, waiting.size + (probe === undefined ? 0 : 1)),
      sinceMs: Math.round(park.sinceUs / 1000),
      untilMs: park.untilUs === undefined ? undefined : Math.round(park.untilUs / 1000),
      nextTryMs: Math.round(wallMs + Math.max(0, probeMs - nowMs)),
      waiting: waiting.size,
    }));
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

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
