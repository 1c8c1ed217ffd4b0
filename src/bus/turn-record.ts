/** What is kept of a turn, inside the times of its attempt. Pure. */
import type { TurnRecord } from './bus.js';

/**
 * The record with times in order. They come from two programs and two clocks, and one of these may
 * have been set meanwhile: a time outside its bounds is moved to the nearer one.
 */
export function within(
  turn: TurnRecord | undefined,
  claimedAtUs: number,
  finishedAtUs: number,
): TurnRecord {
  if (turn === undefined) return {};
  const startedAtUs = between(turn.startedAtUs, claimedAtUs, finishedAtUs);
  const firstByteAtUs =
    startedAtUs === undefined ? undefined : between(turn.firstByteAtUs, startedAtUs, finishedAtUs);
  return { ...turn, startedAtUs, firstByteAtUs };
}

function between(value: number | undefined, least: number, most: number): number | undefined {
  if (value === undefined || !Number.isFinite(value)) return undefined;
  return Math.round(Math.min(most, Math.max(least, value)));
}
