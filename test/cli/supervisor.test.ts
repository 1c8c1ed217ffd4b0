import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkNode } from '../../clients/cli/doctor/runtime.js';
import { restartDelayMs } from '../../clients/cli/supervisor.js';

test('a child is started again later each time, and never later than after ten seconds', () => {
  expect([1, 2, 3].map(restartDelayMs)).toEqual([100, 200, 400]);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000_000 }), (deaths) => {
      expect(restartDelayMs(deaths + 1)).toBeGreaterThanOrEqual(restartDelayMs(deaths));
      expect(restartDelayMs(deaths)).toBeLessThanOrEqual(10_000);
    }),
  );
});

test.each([
  ['20.19.0', 'ok'],
  ['20.18.9', 'fail'],
  ['18.20.0', 'fail'],
  ['22.0.0', 'ok'],
  ['24.1.0', 'ok'],
])('Node %s is judged %s', (version, status) => {
  expect(checkNode(version).status).toBe(status);
});
