import { expect, test } from 'vitest';
import { ACTIVITY_WINDOW_MS, recentActivity, type SqliteBus } from '../../src/bus/index.js';
import { systemClock } from '../../src/clock.js';
import { answer, TempBus } from '../support/temp-bus.js';

async function claimOne(bus: SqliteBus) {
  const [lease] = await bus.claim({ limit: 1, leaseMs: 30_000 });
  if (lease === undefined) throw new Error('nothing to claim');
  return lease;
}

test('a bus that no warmline has used yet has seen nothing', () => {
  const house = new TempBus();
  house.ask(house.addConversation(), 'anybody?');
  expect(recentActivity(house.file, 'b')).toEqual({ finished: 0, lastError: undefined });
});

test('what was finished lately is counted, what was finished before is not', async () => {
  const house = new TempBus();
  const longAgoUs = systemClock.wallUs() - (ACTIVITY_WINDOW_MS + 60_000) * 1000;
  const past = { monotonicMs: () => systemClock.monotonicMs(), wallUs: () => longAgoUs };
  const conversation = house.addConversation();
  house.ask(conversation, 'long ago');
  const before = house.open({ clock: past });
  await before.complete(await claimOne(before), answer());
  const bus = house.open();
  house.ask(conversation, 'now');
  await bus.complete(await claimOne(bus), answer());
  house.ask(conversation, 'later');
  expect(recentActivity(house.file, 'b').finished).toBe(1);
  expect(recentActivity(house.file, 'a').finished).toBe(0);
});

test('the last error is the one that came last: of an attempt, then of the answer', async () => {
  const house = new TempBus();
  const bus = house.open();
  const id = house.ask(house.addConversation(), 'hard');
  await bus.retry(await claimOne(bus), { delayMs: 0, code: 'timeout', message: 'too slow' });
  expect(recentActivity(house.file, 'b').lastError).toMatchObject({
    messageId: id,
    code: 'timeout',
    message: 'too slow',
  });
  const error = { code: 'engine_error', message: 'it broke', attempts: 2, dead: true };
  await bus.complete(await claimOne(bus), answer('Error: it broke', { error }));
  expect(recentActivity(house.file, 'b').lastError).toEqual({
    messageId: id,
    code: 'engine_error',
    message: 'it broke',
    atUs: expect.any(Number),
  });
});
