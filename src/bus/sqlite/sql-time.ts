/** Time as SQL counts it. */

/** The Julian day of 1970-01-01: https://www.sqlite.org/lang_datefunc.html */
const EPOCH_DAY = 2440587.5;

/** A time in microseconds since the epoch, exact to about a tenth of a millisecond; null when unreadable. */
export const usOf = (time: string) =>
  `CAST((julianday(${time}) - ${EPOCH_DAY}) * 86400000000 AS INTEGER)`;

/** The clock of whoever runs the statement, in microseconds since the epoch. */
export const NOW_US = usOf(`'now'`);

/** True while the time of a conversation has not run out; an unreadable time never runs out. */
export const isOpen = (expiresAt: string, now: string) =>
  `coalesce(julianday(${expiresAt}) > julianday(${now}), 1)`;

/**
 * How long ago the first of these Julian days was, in milliseconds; 0 when there is none. A Julian
 * day is exact to about a tenth of a millisecond here.
 */
export function ageOfFirstMs(days: readonly (number | null | undefined)[], nowUs: number): number {
  const known = days.filter((day) => day != null);
  if (known.length === 0) return 0;
  const firstMs = (Math.min(...known) - EPOCH_DAY) * 86_400_000;
  return Math.max(0, Math.round(nowUs / 1000 - firstMs));
}
