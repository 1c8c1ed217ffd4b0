/**
 * The one seam for time. Rooms take a `Clock` so that tests own time; nothing else in `src/` reads
 * `Date.now` or `performance.now` for a decision.
 */
export interface Clock {
  /** Monotonic milliseconds since an arbitrary start: for every duration and deadline in a process. */
  monotonicMs(): number;
  /** Wall-clock microseconds since the epoch: only for stamps that another process will read. */
  wallUs(): number;
}

/** Taken once: the global is a getter, and every turn reads the clock. */
const { performance } = globalThis;

/** What the wall clock is ahead of the monotonic one, in milliseconds. */
let aheadMs = performance.timeOrigin;

/** The wall clock only tells milliseconds; a difference beyond this is a step of it. */
const STEP_MS = 2;

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallUs: () => {
    const monotonic = performance.now();
    const wall = Date.now();
    // A clock that was set, or a machine that slept, is followed at once.
    if (Math.abs(aheadMs + monotonic - wall) > STEP_MS) aheadMs = wall - monotonic;
    return Math.round((aheadMs + monotonic) * 1000);
  },
};

/** Runs `run` after a delay in milliseconds; the function it returns calls that off. */
export type After = (delayMs: number, run: () => void) => () => void;

/** Real time. The timers do not keep a process alive: what waits has a socket or a child that does. */
export const systemAfter: After = (delayMs, run) => {
  const timer = setTimeout(run, delayMs).unref();
  return () => clearTimeout(timer);
};
