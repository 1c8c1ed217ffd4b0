import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { naiveUtc } from '../../src/bus/index.js';
import { monotoneStamps } from '../../src/bus/stamp.js';
import { TestClock } from '../support/temp-bus.js';

const YEAR_9999_US = Date.UTC(9999, 11, 31) * 1000;

describe('a time on the bus', () => {
  test('is naive UTC with six digits', () => {
    expect(naiveUtc(Date.UTC(2026, 10, 20, 23) * 1000 + 123_456)).toBe(
      '2026-11-20T23:00:00.123456',
    );
    expect(naiveUtc(0)).toBe('1970-01-01T00:00:00.000000');
    expect(naiveUtc(1)).toBe('1970-01-01T00:00:00.000001');
  });

  test('sorts as text the way it sorts in time', () => {
    const moment = fc.integer({ min: 0, max: YEAR_9999_US });
    fc.assert(
      fc.property(moment, moment, (one, other) => {
        expect(naiveUtc(one)).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/);
        expect(naiveUtc(one) < naiveUtc(other)).toBe(one < other);
      }),
    );
  });

  test('never runs backwards in a process, whatever happens to the wall clock', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -100_000, max: 100_000 })), (steps) => {
        const clock = new TestClock();
        const stamp = monotoneStamps(clock);
        let last = stamp();
        for (const step of steps) {
          clock.step(step);
          const next = stamp();
          expect(next).toBeGreaterThan(last);
          expect(next).toBeGreaterThanOrEqual(clock.wallUs());
          last = next;
        }
      }),
    );
  });
});
