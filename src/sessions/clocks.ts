/**
 * The clocks of a turn: pure. First byte and idle gap are driven by what the engine emits, never
 * by a timer of ours, so a silent engine is never mistaken for a busy one.
 */
import { fault, type WarmlineError } from '../errors.js';

export interface ClockLimits {
  /** From the start of a turn to the first sign of life, in milliseconds. */
  readonly firstByteMs: number;
  /** Between two signs of life, in milliseconds. */
  readonly idleGapMs: number;
  /** From start to end of a turn whose asker gave no time of its own, in milliseconds. */
  readonly totalMs: number;
  /** From question to answer, waiting included, when the asker gave no time, in milliseconds. */
  readonly scheduleToCloseMs: number;
}

export const DEFAULT_CLOCKS: ClockLimits = {
  firstByteMs: 120_000,
  idleGapMs: 120_000,
  totalMs: 300_000,
  scheduleToCloseMs: 3_600_000,
};

export interface TurnTimes {
  readonly startedMs: number;
  /** The last sign of life; undefined before the first. */
  readonly heardMs: number | undefined;
  /** When the turn must be over, in monotonic milliseconds. */
  readonly endsByMs: number;
}

export function silenceEndsMs(turn: TurnTimes, limits: ClockLimits): number {
  return turn.heardMs === undefined
    ? turn.startedMs + limits.firstByteMs
    : turn.heardMs + limits.idleGapMs;
}

/** When the first of the clocks runs out, in monotonic milliseconds. */
export function runsOutMs(turn: TurnTimes, limits: ClockLimits): number {
  return Math.min(turn.endsByMs, silenceEndsMs(turn, limits));
}

/** The error of a turn whose time is up, or undefined while it has time. */
export function timeIsUp(
  turn: TurnTimes,
  limits: ClockLimits,
  nowMs: number,
): WarmlineError | undefined {
  if (nowMs >= turn.endsByMs) return tooLate(nowMs - turn.startedMs);
  if (nowMs < silenceEndsMs(turn, limits)) return undefined;
  const silence = inWords(nowMs - (turn.heardMs ?? turn.startedMs));
  return fault(
    'timeout',
    `the engine was silent for ${silence} and the turn was stopped; ask again`,
  );
}

export function tooLate(ranMs: number): WarmlineError {
  return fault(
    'timeout',
    `no answer within ${inWords(ranMs)}; allow more with timeout_ms or ask for less`,
  );
}

export function waitedTooLong(waitedMs: number): WarmlineError {
  return fault(
    'timeout',
    `no session was free within ${inWords(waitedMs)}; allow more with timeout_ms or ask again later`,
  );
}

/** A time as people say it, `250 ms`, `1.5 s`, `40 min`, `3.2 h`. */
export function inWords(ms: number): string {
  if (ms < 1_000) return `${Math.ceil(ms)} ms`;
  if (ms < 600_000) return `${Number((ms / 1_000).toFixed(ms < 10_000 ? 1 : 0))} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  return `${Number((ms / 3_600_000).toFixed(1))} h`;
}
