import fc from 'fast-check';
import { expect, test } from 'vitest';
import { microsecondsSince } from '../../clients/cli/since.js';

const NOW_MS = Date.UTC(2026, 10, 21, 8);

test.each([
  ['90s', NOW_MS - 90_000],
  ['30m', NOW_MS - 1_800_000],
  ['2h', NOW_MS - 7_200_000],
  ['7d', NOW_MS - 604_800_000],
  ['2026-11-20', Date.UTC(2026, 10, 20)],
  ['2026-11-20T23:00', Date.UTC(2026, 10, 20, 23)],
  ['2026-11-20 23:00:01.5', Date.UTC(2026, 10, 20, 23, 0, 1, 500)],
  ['2026-11-20T23:00Z', Date.UTC(2026, 10, 20, 23)],
  ['2026-11-20T23:00+02:00', Date.UTC(2026, 10, 20, 21)],
])('%s is read as a time, without a zone as UTC', (given, ms) => {
  expect(microsecondsSince(given, NOW_MS)).toBe(ms * 1000);
});

test('a time as the bus writes it is read as what it says', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: NOW_MS }), (ms) => {
      const naive = new Date(ms).toISOString().slice(0, -1);
      expect(microsecondsSince(naive, NOW_MS)).toBe(ms * 1000);
    }),
  );
});

test.each(['', 'yesterday', '2h30m', '-2h', '2026-13-01', '2026-11-20T25:00', '1234567d'])(
  '"%s" is no time',
  (given) => {
    expect(microsecondsSince(given, NOW_MS)).toBeUndefined();
  },
);
