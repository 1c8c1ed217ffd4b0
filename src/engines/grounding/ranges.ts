/** Runs of lines, counted from 1, both ends included. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** Longest run of lines that is one citation: a person has to find the answer in it. */
export const MAX_LINES = 25;

/**
 * The same lines with none named twice, in the order they were first named: runs that overlap
 * become one, or meet without overlapping when one would be too long.
 */
export function withoutOverlaps(ranges: readonly Range[]): Range[] {
  const sorted = ranges
    .map((range, order) => ({ ...range, order }))
    .sort((a, b) => a.from - b.from || a.to - b.to);
  const apart: { from: number; to: number; order: number }[] = [];
  for (const next of sorted) {
    const last = apart.at(-1);
    if (last === undefined || next.from > last.to) {
      apart.push(next);
      continue;
    }
    if (next.to - last.from >= MAX_LINES && next.to > last.to) {
      apart.push({ ...next, from: last.to + 1 });
      continue;
    }
    last.to = Math.max(last.to, next.to);
    last.order = Math.min(last.order, next.order);
  }
  return apart.sort((a, b) => a.order - b.order).map(({ from, to }) => ({ from, to }));
}
