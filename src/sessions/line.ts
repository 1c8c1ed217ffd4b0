/**
 * Queries that wait for a session.
 *
 * Candidates are those that may run as soon as a session suits them, sorted by priority and then
 * by arrival. Queries of one sticky key form a lane: only its first is a candidate, and only while
 * no query of that key runs, so a key is answered in order whatever the priorities.
 */
import type { Job } from './job.js';

/** Every so many picks the oldest candidate goes first, so that no priority starves another. */
const OLDEST_FIRST_EVERY = 8;

/** Queries of a key behind the one that runs or is a candidate. A lane exists while there is one. */
type Lane = Job[];

export class Line {
  readonly #candidates: Job[] = [];
  readonly #lanes = new Map<string, Lane>();
  #behind = 0;
  #picks = 0;

  /** How many wait. */
  get size(): number {
    return this.#candidates.length + this.#behind;
  }

  get candidates(): readonly Job[] {
    return this.#candidates;
  }

  /** The candidate that came first. */
  get oldest(): Job | undefined {
    const first = this.#candidates[0];
    if (first?.work.priority === this.#candidates.at(-1)?.work.priority) return first;
    return this.#candidates.reduce((a, b) => (a.seq < b.seq ? a : b));
  }

  /** Nobody waits, and no query of this key runs: the query may run without standing in line. */
  isOpenTo(key: string | undefined): boolean {
    return this.size === 0 && (key === undefined || !this.#lanes.has(key));
  }

  /** A query runs without having stood in line. */
  pass(key: string | undefined): void {
    if (key !== undefined) this.#lanes.set(key, []);
  }

  add(job: Job): void {
    const { key } = job;
    if (key !== undefined) {
      const lane = this.#lanes.get(key);
      if (lane !== undefined) {
        lane.push(job);
        this.#behind += 1;
        return;
      }
      this.#lanes.set(key, []);
    }
    this.#insert(job);
  }

  /** The first candidate that `suits` accepts, in the order of service. */
  find(suits: (job: Job) => boolean): Job | undefined {
    if (this.#picks % OLDEST_FIRST_EVERY === OLDEST_FIRST_EVERY - 1) {
      const { oldest } = this;
      if (oldest !== undefined && suits(oldest)) return oldest;
    }
    return this.#candidates.find(suits);
  }

  /** A candidate leaves the line to run; its lane stays closed until `finished`. */
  take(job: Job): void {
    this.#picks += 1;
    this.#drop(job);
  }

  /** The running query of a key is over: the next of its lane becomes a candidate. */
  finished(key: string): void {
    const lane = this.#lanes.get(key);
    if (lane === undefined) return;
    const following = lane.shift();
    if (following === undefined) {
      this.#lanes.delete(key);
      return;
    }
    this.#behind -= 1;
    this.#insert(following);
  }

  /** A query gives up waiting. Answers false when it does not wait here. */
  remove(job: Job): boolean {
    const { key } = job;
    if (this.#drop(job)) {
      if (key !== undefined) this.finished(key);
      return true;
    }
    const lane = key === undefined ? undefined : this.#lanes.get(key);
    const at = lane?.indexOf(job) ?? -1;
    if (lane === undefined || at === -1) return false;
    lane.splice(at, 1);
    this.#behind -= 1;
    return true;
  }

  /** Everybody who waits: candidates in order of service, then those behind them. */
  all(): Job[] {
    return [...this.#candidates, ...[...this.#lanes.values()].flat()];
  }

  #insert(job: Job): void {
    const line = this.#candidates;
    let at = line.length;
    while (at > 0 && isBefore(job, line[at - 1] as Job)) at -= 1;
    if (at === line.length) line.push(job);
    else line.splice(at, 0, job);
  }

  #drop(job: Job): boolean {
    const at = this.#candidates.indexOf(job);
    if (at === 0) this.#candidates.shift();
    else if (at > 0) this.#candidates.splice(at, 1);
    return at !== -1;
  }
}

/** When there may be room again in a full line, in milliseconds: an honest guess, within reason. */
export function roomInMs(waiting: number, sessions: number, meanTurnMs: number): number {
  const half = (waiting / 2 / Math.max(1, sessions)) * meanTurnMs;
  return Math.round(Math.min(Math.max(100, half), 30_000));
}

function isBefore(a: Job, b: Job): boolean {
  return (
    a.work.priority > b.work.priority || (a.work.priority === b.work.priority && a.seq < b.seq)
  );
}
