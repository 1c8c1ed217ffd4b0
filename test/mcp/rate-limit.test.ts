import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RateLimit } from '../../clients/mcp/rate-limit.js';
import { FakeClock } from '../support/fake-clock.js';

test('a bucket holds the calls of a minute, and says when there is one again', async () => {
  const clock = new FakeClock();
  const limit = new RateLimit(60, clock);
  for (let call = 0; call < 60; call += 1) expect(limit.take('one')).toBe(0);
  expect(limit.take('one')).toBe(1000);
  expect(limit.take('other')).toBe(0);
  await clock.advance(600);
  expect(limit.take('one')).toBeCloseTo(400);
  await clock.advance(401);
  expect(limit.take('one')).toBe(0);
  expect(limit.take('one')).toBeGreaterThan(0);
});

test('without a limit there is always one more', () => {
  const limit = new RateLimit(0, new FakeClock());
  for (let call = 0; call < 10_000; call += 1) expect(limit.take('one')).toBe(0);
});

test('in no stretch of time are there more calls than it allows, and after the wait there is one', async () => {
  const steps = fc.array(fc.integer({ min: 0, max: 90_000 }), { minLength: 1, maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 20 }), steps, async (perMinute, waits) => {
      const clock = new FakeClock();
      const limit = new RateLimit(perMinute, clock);
      const allowed: number[] = [];
      for (const waitMs of waits) {
        await clock.advance(waitMs);
        const retryMs = limit.take('one');
        if (retryMs === 0) allowed.push(clock.monotonicMs());
        else {
          await clock.advance(Math.ceil(retryMs) + 1);
          expect(limit.take('one')).toBe(0);
          allowed.push(clock.monotonicMs());
        }
      }
      for (const [first, fromMs] of allowed.entries()) {
        for (let last = first; last < allowed.length; last += 1) {
          const stretchMs = (allowed[last] ?? 0) - fromMs;
          const most = perMinute + (stretchMs * perMinute) / 60_000;
          expect(last - first + 1).toBeLessThanOrEqual(most + 1e-6);
        }
      }
    }),
    { numRuns: 60 },
  );
});
