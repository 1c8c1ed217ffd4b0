import { expect, test } from 'vitest';
import { Queues } from '../../src/bridge/queues.js';
import { TestClock } from '../support/temp-bus.js';

const QUEUE = { db: 'bus.db', last_pass_age_ms: 100, next_pass_ms: 5_000, warnings: [] };

function board() {
  const clock = new TestClock();
  return { clock, queues: new Queues(clock) };
}

test('ages go on by the clock of the bridge, whatever the autopoll said last', () => {
  const { clock, queues } = board();
  queues.report({}, QUEUE);
  clock.advance(3_000);
  expect(queues.list()).toEqual([
    {
      ...QUEUE,
      ...{ last_pass_age_ms: 3_100, next_pass_ms: 2_000, reported_ago_ms: 3_000, late: false },
    },
  ]);
});

test('an autopoll that hangs shows as late, and is well again with its next report', () => {
  const { clock, queues } = board();
  const autopoll = {};
  queues.report(autopoll, QUEUE);
  clock.advance(20_000);
  expect([queues.troubled, queues.list()[0]?.late]).toEqual([false, false]);
  clock.advance(1);
  expect([queues.troubled, queues.list()[0]?.late]).toEqual([true, true]);
  queues.report(autopoll, QUEUE);
  expect(queues.troubled).toBe(false);
});

test('a severe warning is trouble; any other is only shown', () => {
  const { queues } = board();
  const autopoll = {};
  queues.report(autopoll, { ...QUEUE, warnings: [{ severity: 'warning' }] });
  expect(queues.troubled).toBe(false);
  queues.report(autopoll, { ...QUEUE, warnings: [{ severity: 'severe' }] });
  expect(queues.troubled).toBe(true);
  queues.forget(autopoll);
  expect([queues.troubled, queues.list()]).toEqual([false, []]);
});

test('only so many queues are shown; those that are may go on reporting', () => {
  const { queues } = board();
  const autopolls = Array.from({ length: 64 }, () => ({}));
  expect(autopolls.map((each) => queues.report(each, QUEUE))).not.toContain(false);
  expect(queues.report({}, QUEUE)).toBe(false);
  expect(queues.report(autopolls[0] as object, { ...QUEUE, db: 'new.db' })).toBe(true);
  expect(queues.list()).toHaveLength(64);
});
