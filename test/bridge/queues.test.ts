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

test('a queue that reports is shown, however many others were made up', () => {
  const { queues } = board();
  const name = (index: number) => ({ ...QUEUE, db: `${index}.db`, session: 'b' });
  for (let index = 0; index < 64; index += 1) queues.report({}, name(index));
  const real = {};
  queues.report(real, QUEUE);
  expect(queues.list()).toHaveLength(16);
  expect(queues.list().at(-1)).toMatchObject({ db: 'bus.db' });
  for (let index = 0; index < 15; index += 1) queues.report({}, name(index));
  queues.report(real, QUEUE);
  for (let index = 0; index < 15; index += 1) queues.report({}, name(index));
  expect(queues.list().map(({ db }) => db)).toContain('bus.db');
});

test('of too many queues one of the same bus and side goes first', () => {
  const { queues } = board();
  const told = Array.from({ length: 16 }, (_, index) => ({ ...QUEUE, db: `${index}.db` }));
  for (const queue of told) queues.report({}, { ...queue, session: 'b' });
  queues.report({}, { ...QUEUE, db: '7.db', session: 'b' });
  queues.report({}, { ...QUEUE, db: '8.db', session: 'a' });
  expect(queues.list().map(({ db }) => db)).toEqual(
    ['1', '2', '3', '4', '5', '6', '8', '9', '10', '11', '12', '13', '14', '15', '7', '8'].map(
      (number) => `${number}.db`,
    ),
  );
});
