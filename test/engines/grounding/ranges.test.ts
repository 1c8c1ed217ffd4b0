import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MAX_LINES, type Range, withoutOverlaps } from '../../../src/engines/grounding/ranges.js';

const range = fc
  .tuple(fc.integer({ min: 1, max: 90 }), fc.integer({ min: 0, max: MAX_LINES - 1 }))
  .map(([from, more]): Range => ({ from, to: from + more }));

function linesOf(ranges: readonly Range[]): number[] {
  return ranges.flatMap(({ from, to }) =>
    Array.from({ length: to - from + 1 }, (_, at) => from + at),
  );
}

test('the same lines are named, each once, in runs that are short enough', () => {
  fc.assert(
    fc.property(fc.array(range, { maxLength: 20 }), (ranges) => {
      const apart = withoutOverlaps(ranges);
      const lines = linesOf(apart);
      expect(new Set(lines).size).toBe(lines.length);
      expect(new Set(lines)).toEqual(new Set(linesOf(ranges)));
      for (const { from, to } of apart) expect(to - from).toBeLessThan(MAX_LINES);
    }),
  );
});

test('runs that do not overlap stay as they are, in their order', () => {
  const ranges = [
    { from: 30, to: 31 },
    { from: 4, to: 6 },
    { from: 7, to: 9 },
  ];
  expect(withoutOverlaps(ranges)).toEqual(ranges);
});

test('runs that overlap become one where the first of them stood', () => {
  expect(
    withoutOverlaps([
      { from: 30, to: 31 },
      { from: 4, to: 6 },
      { from: 50, to: 50 },
      { from: 29, to: 30 },
    ]),
  ).toEqual([
    { from: 29, to: 31 },
    { from: 4, to: 6 },
    { from: 50, to: 50 },
  ]);
});
