import { expect, test } from 'vitest';
import { overviewOf, type SqliteBus } from '../../src/bus/index.js';
import { answer, TempBus, TestClock } from '../support/temp-bus.js';

const LEASE_MS = 60_000;

async function claimOne(bus: SqliteBus) {
  const [lease] = await bus.claim({ limit: 1, leaseMs: LEASE_MS });
  if (lease === undefined) throw new Error('nothing to claim');
  return lease;
}

test('conversations are told with the state of their oldest question, the oldest first', async () => {
  const clock = new TestClock();
  const temp = new TempBus(clock);
  const bus = temp.open({ clock });
  const [delayed, processing, pending] = [1, 2, 3].map(() => temp.addConversation());
  temp.ask(delayed ?? '', 'tried again later');
  const first = await claimOne(bus);
  await bus.retry(first, { delayMs: 5000, code: 'timeout', message: 'too slow' });
  temp.ask(processing ?? '', 'under way');
  temp.ask(processing ?? '', 'behind it');
  await claimOne(bus);
  temp.ask(pending ?? '', 'waits for a worker');
  await bus.claim({ limit: 1, leaseMs: LEASE_MS, conversations: ['conv_0000000000000000'] });
  const { conversations } = overviewOf(bus, 10, clock.wallUs());
  expect(
    conversations.map(({ conversationId, state, unfinished }) => [
      conversationId,
      state,
      unfinished,
    ]),
  ).toEqual([
    [delayed, 'delayed', 1],
    [processing, 'processing', 2],
    [pending, 'pending', 1],
  ]);
  expect(overviewOf(bus, 2, clock.wallUs()).conversations).toHaveLength(2);
});

test('recent times are those of answered questions, and the rate is that of the last minute', async () => {
  const clock = new TestClock();
  const temp = new TempBus(clock);
  const bus = temp.open({ clock });
  expect(overviewOf(bus, 10, clock.wallUs()).recent).toEqual({ perMinute: 0, totalMs: undefined });
  const conversation = temp.addConversation();
  for (const tookMs of [10, 20, 30, 40]) {
    temp.ask(conversation, 'how long?');
    const lease = await claimOne(bus);
    clock.advance(tookMs);
    await bus.complete(lease, answer());
  }
  temp.ask(conversation, 'in vain');
  const lease = await claimOne(bus);
  clock.advance(9000);
  const error = { code: 'engine_error', message: 'it broke', attempts: 1, dead: false };
  await bus.complete(lease, answer('Error: it broke', { error }));
  const { recent } = overviewOf(bus, 10, clock.wallUs());
  expect(recent.perMinute).toBe(5);
  const { p50 = 0, p95 = 0, p99 = 0 } = recent.totalMs ?? {};
  expect([p50, p95, p99].map(Math.round)).toEqual([20, 40, 40]);
  clock.advance(60_000);
  expect(overviewOf(bus, 10, clock.wallUs()).recent.perMinute).toBe(0);
});
