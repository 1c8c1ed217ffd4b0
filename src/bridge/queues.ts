/** What autopolls say of their queues, and whether they still say it. */
import type { Clock } from '../clock.js';

/** The fields that decide something here; the others are shown as they came. */
export interface QueueReport {
  /** How long ago the last pass of the reaper ended; null before the first. Milliseconds. */
  readonly last_pass_age_ms: number | null;
  readonly next_pass_ms: number;
  readonly warnings: readonly { readonly severity: string }[];
  readonly [field: string]: unknown;
}

/** A pass that is later than it was announced by this, in milliseconds, is late. */
const LATE_MS = 15_000;

/** Queues shown at once: each may be tens of kilobytes of `health`. */
const MAX_QUEUES = 16;

export class Queues {
  readonly #clock: Clock;
  /** Those that were told first come first. */
  readonly #told = new Map<object, { readonly queue: QueueReport; readonly atMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Whoever reports is shown, so that made-up reports cannot keep a queue out: of too many, the one
   * that was told first goes, of the same bus and side where there are several.
   */
  report(from: object, queue: QueueReport): void {
    this.#told.delete(from);
    this.#told.set(from, { queue, atMs: this.#clock.monotonicMs() });
    if (this.#told.size <= MAX_QUEUES) return;
    const told = [...this.#told];
    const [oldest] = told.find(([who, { queue: other }]) => who !== from && isSame(other, queue)) ??
      told[0] ?? [from];
    this.#told.delete(oldest);
  }

  forget(from: object): void {
    this.#told.delete(from);
  }

  /** Told by this process's clock, so that an autopoll that hangs shows, whatever it said last. */
  list(): Record<string, unknown>[] {
    const nowMs = this.#clock.monotonicMs();
    return [...this.#told.values()].map(({ queue, atMs }) => {
      const agoMs = nowMs - atMs;
      const { last_pass_age_ms: age, next_pass_ms: next } = queue;
      return {
        ...queue,
        last_pass_age_ms: age === null ? null : Math.round(age + agoMs),
        next_pass_ms: Math.max(0, Math.round(next - agoMs)),
        reported_ago_ms: Math.round(agoMs),
        late: agoMs > next + LATE_MS,
      };
    });
  }

  /** A queue is in trouble that a person should know of. */
  get troubled(): boolean {
    const nowMs = this.#clock.monotonicMs();
    return [...this.#told.values()].some(
      ({ queue, atMs }) =>
        nowMs - atMs > queue.next_pass_ms + LATE_MS ||
        queue.warnings.some(({ severity }) => severity === 'severe'),
    );
  }
}

function isSame(one: QueueReport, other: QueueReport): boolean {
  return one.db === other.db && one.session === other.session;
}
