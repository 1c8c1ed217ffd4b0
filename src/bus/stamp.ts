/** Time as the bus stores it: naive UTC with six digits. A trailing `Z` makes Python readers raise. */
import type { Clock } from '../clock.js';

/** `2026-11-20T23:00:00.123456` for microseconds since the epoch. */
export function naiveUtc(us: number): string {
  const ms = Math.floor(us / 1000);
  const micros = us - ms * 1000;
  return toMilliseconds(ms) + String(micros).padStart(3, '0');
}

/** The answers of one transaction share their millisecond. */
const latest = { ms: Number.NaN, text: '' };

function toMilliseconds(ms: number): string {
  if (latest.ms !== ms) {
    latest.text = new Date(ms).toISOString().slice(0, -1);
    latest.ms = ms;
  }
  return latest.text;
}

/**
 * Stamps that never run backwards in this process, even when the wall clock does: what is written
 * later is never stamped earlier.
 */
export function monotoneStamps(clock: Clock): () => number {
  let last = 0;
  return () => {
    last = Math.max(clock.wallUs(), last + 1);
    return last;
  };
}
