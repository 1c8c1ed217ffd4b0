/** Times as people give them on a command line. */

const UNITS_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

const AGO = /^(\d{1,6})([smhd])$/;
const TIME = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?$/;

/**
 * How long ago (`90s`, `30m`, `2h`, `7d`), or a date or time; one without a zone is UTC, as all times
 * on a bus are.
 * @returns microseconds since the epoch, undefined when it is neither
 */
export function microsecondsSince(given: string, nowMs: number): number | undefined {
  const [, count, unit] = AGO.exec(given) ?? [];
  if (count !== undefined) {
    return (nowMs - Number(count) * UNITS_MS[unit as keyof typeof UNITS_MS]) * 1000;
  }
  const time = TIME.exec(given);
  if (time === null) return undefined;
  const text = given.replace(' ', 'T');
  const isUtc = text.length <= 'YYYY-MM-DD'.length || time[1] !== undefined;
  const ms = Date.parse(isUtc ? text : `${text}Z`);
  return Number.isNaN(ms) ? undefined : ms * 1000;
}
