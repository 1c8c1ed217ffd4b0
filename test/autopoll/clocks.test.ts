import { expect, test } from 'vitest';
import { TurnClocks } from '../../clients/autopoll/clocks.js';
import { changeTimeouts, type SqliteBus } from '../../src/bus/index.js';
import { answer, TempBus } from '../support/temp-bus.js';

function set(bus: SqliteBus, conversationId: string, engine: string, timeoutMs: number) {
  return changeTimeouts(bus, [{ conversationId, engine, timeoutMs }], 'set');
}

test('a time-out holds for the next question once the bus has changed', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const clocks = new TurnClocks(bus);
  expect(clocks.timeoutMs('conv_1', undefined)).toBeUndefined();
  await set(temp.open(), 'conv_1', '', 7_000);
  expect(clocks.timeoutMs('conv_1', undefined)).toBeUndefined();
  clocks.stale();
  expect(clocks.timeoutMs('conv_1', undefined)).toBe(7_000);
  expect(clocks.timeoutMs('conv_2', undefined)).toBeUndefined();
});

test('an engine is known by the model a question names and by who answered for it', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const clocks = new TurnClocks(bus);
  await set(bus, '', 'claude', 1_000);
  await set(bus, '', 'opus', 2_000);
  await set(bus, '', '', 3_000);
  expect(clocks.timeoutMs('conv_1', 'opus')).toBe(2_000);
  expect(clocks.timeoutMs('conv_1', 'sonnet')).toBe(3_000);
  clocks.answeredBy('sonnet', 'claude');
  clocks.answeredBy('opus', 'claude');
  clocks.answeredBy(undefined, 'claude');
  expect(clocks.timeoutMs('conv_1', 'sonnet')).toBe(1_000);
  expect(clocks.timeoutMs('conv_1', 'opus')).toBe(2_000);
  expect(clocks.timeoutMs('conv_1', undefined)).toBe(1_000);
});

test('before its first answer a process takes the engine that answered last on the bus', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  temp.ask(temp.addConversation(), 'why?');
  const [lease] = await bus.claim({ limit: 1, leaseMs: 60_000 });
  if (lease) await bus.complete(lease, answer('so', { turn: { engine: 'claude' } }));
  await set(bus, '', 'claude', 1_000);
  expect(new TurnClocks(bus).timeoutMs('conv_1', undefined)).toBe(1_000);
});

test('a bus out of reach leaves what was known', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  await set(bus, '', '', 1_000);
  const clocks = new TurnClocks(bus);
  expect(clocks.timeoutMs('conv_1', undefined)).toBe(1_000);
  await bus.close();
  clocks.stale();
  expect(clocks.timeoutMs('conv_1', undefined)).toBe(1_000);
});
