import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Histogram } from '../../src/bridge/histogram.js';

test('a quantile is within seven per cent of the true one', () => {
  const durations = fc.array(fc.double({ min: 0.001, max: 1_000_000, noNaN: true }), {
    minLength: 1,
    maxLength: 200,
  });
  fc.assert(
    fc.property(durations, fc.constantFrom(0.5, 0.95, 0.99, 1), (given, q) => {
      const histogram = new Histogram();
      for (const ms of given) histogram.add(ms);
      const exact = [...given].sort((a, b) => a - b)[Math.ceil(given.length * q) - 1] as number;
      const told = histogram.quantile(q) as number;
      // A microsecond is the finest it tells apart.
      expect(told).toBeGreaterThanOrEqual(exact - 0.001);
      expect(told).toBeLessThanOrEqual(exact * 1.07 + 0.002);
    }),
  );
});

test('without a duration there is no quantile, and the longest is never exceeded', () => {
  const histogram = new Histogram();
  expect(histogram.quantile(0.5)).toBeUndefined();
  histogram.add(100);
  expect(histogram.quantile(0.99)).toBe(100);
  histogram.add(1e12);
  expect(histogram.maxMs).toBe(1e12);
  expect(histogram.count).toBe(2);
});
