import { expect, test } from 'vitest';
import { BusTrouble } from '../../clients/autopoll/bus-trouble.js';
import { TestClock } from '../support/temp-bus.js';

test('a lock of another program is told by how long writes have been waiting, and once more when it is gone', () => {
  const clock = new TestClock();
  const trouble = new BusTrouble(clock);
  expect(trouble.look()).toEqual({ lockMs: 0, trouble: undefined });
  trouble.began({ code: 'bus_busy' }, 1_000);
  clock.advance(2_000);
  expect(trouble.look()).toEqual({ lockMs: 3_000, trouble: undefined });
  trouble.ended(7_000);
  expect(trouble.look()).toEqual({ lockMs: 7_000, trouble: undefined });
  expect(trouble.look()).toEqual({ lockMs: 0, trouble: undefined });
});

test('anything else that is in the way is told by its code as long as it lasts, and is no lock', () => {
  const clock = new TestClock();
  const trouble = new BusTrouble(clock);
  trouble.began({ code: 'bus_full' }, 0);
  clock.advance(60_000);
  expect(trouble.look()).toEqual({ lockMs: 0, trouble: 'bus_full' });
  trouble.ended(60_000);
  expect(trouble.look()).toEqual({ lockMs: 0, trouble: undefined });
});
