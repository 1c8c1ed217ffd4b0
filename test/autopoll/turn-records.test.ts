import { expect, onTestFinished, test } from 'vitest';
import { TurnClocks } from '../../clients/autopoll/clocks.js';
import { Autopoll, type AutopollSettings, Links } from '../../clients/autopoll/index.js';
import { changeTimeouts, type SqliteBus } from '../../src/bus/index.js';
import { systemClock } from '../../src/clock.js';
import { createLogger } from '../../src/log.js';
import { startServer } from '../clients/socket-live.js';
import { TempBus } from '../support/temp-bus.js';
import { SETTINGS } from './house.js';

interface House {
  readonly temp: TempBus;
  readonly bus: SqliteBus;
  readonly clocks: TurnClocks;
  drain(): Promise<void>;
}

async function house(change: Partial<AutopollSettings> = {}): Promise<House> {
  const temp = new TempBus();
  const bus = temp.open();
  const server = await startServer();
  const clocks = new TurnClocks(bus);
  const settings = { ...SETTINGS, retry: { ...SETTINGS.retry, maxAttempts: 2 }, ...change, clocks };
  const links = new Links({ port: server.port }, settings.concurrency);
  const log = createLogger({ level: 'silent' });
  const autopoll = new Autopoll({ bus, links, clock: systemClock, log, settings });
  onTestFinished(async () => {
    await autopoll.stop(0);
    await links.close();
    await server.close();
  });
  await links.ready();
  return { temp, bus, clocks, drain: () => autopoll.drainOnce(AbortSignal.timeout(20_000)) };
}

test('an answered question keeps when its turn began, when it was first heard of, and who answered', async () => {
  const { temp, bus, drain } = await house();
  const quiet = temp.ask(temp.addConversation(), 'why?');
  const streamed = temp.ask(temp.addConversation(), '!fake delay=40 deltas=4 how?');
  await drain();
  const [turn] = bus.attemptsOf(streamed);
  expect(turn).toMatchObject({ outcome: 'complete', engine: 'fake', attempt: 1 });
  const { claimedAtUs = 0, startedAtUs = 0, firstByteAtUs = 0, finishedAtUs = 0 } = turn ?? {};
  expect(startedAtUs).toBeGreaterThanOrEqual(claimedAtUs);
  expect(firstByteAtUs).toBeGreaterThan(startedAtUs);
  // Of a delay of 40 ms no more than the part between two pieces lies behind the first.
  expect(finishedAtUs - startedAtUs).toBeGreaterThanOrEqual(40_000);
  expect(finishedAtUs).toBeGreaterThan(firstByteAtUs);
  expect(bus.attemptsOf(quiet)).toMatchObject([{ engine: 'fake', firstByteAtUs: undefined }]);
});

test('each failed attempt keeps what is known of its turn', async () => {
  const { temp, bus, drain } = await house();
  const failing = temp.ask(temp.addConversation(), '!fake error=engine_error why?');
  const missing = temp.insert({
    conversationId: temp.addConversation(),
    message: JSON.stringify({ type: 'query', question: 'why?', context_file: 'none.md' }),
  });
  await drain();
  expect(bus.attemptsOf(failing)).toMatchObject([
    {
      outcome: 'retried',
      errorCode: 'engine_error',
      engine: 'fake',
      startedAtUs: expect.any(Number),
    },
    { outcome: 'dead', errorCode: 'engine_error', engine: 'fake', startedAtUs: expect.any(Number) },
  ]);
  // No session ever took it up.
  expect(bus.attemptsOf(missing)).toMatchObject([
    { outcome: 'failed', errorCode: 'context_missing', engine: undefined, startedAtUs: undefined },
  ]);
});

test('a time-out that was set holds, and what a question names itself comes before it', async () => {
  const { temp, bus, clocks, drain } = await house();
  const [slow, other] = [temp.addConversation(), temp.addConversation()];
  await changeTimeouts(bus, [{ conversationId: slow, engine: '', timeoutMs: 50 }], 'set');
  clocks.stale();
  const stopped = temp.ask(slow, '!fake silent');
  const own = temp.insert({
    conversationId: slow,
    message: JSON.stringify({ type: 'query', question: '!fake delay=200 why?', timeout_ms: 9_000 }),
  });
  const free = temp.ask(other, '!fake delay=200 why?');
  await drain();
  expect(bus.attemptsOf(stopped).map(({ errorCode }) => errorCode)).toEqual(['timeout', 'timeout']);
  expect(bus.attemptsOf(own)).toMatchObject([{ outcome: 'complete' }]);
  expect(bus.attemptsOf(free)).toMatchObject([{ outcome: 'complete' }]);
});

test('no question fails for having waited in the queue of a busy bridge', async () => {
  // Four sessions: the last of 28 turns of 400 ms begin after six rounds, which is longer than a
  // turn may take.
  const { temp, bus, drain } = await house({ turnTimeoutMs: 2_000, concurrency: 32 });
  const asked = Array.from({ length: 28 }, () =>
    temp.ask(temp.addConversation(), '!fake delay=400 why?'),
  );
  await drain();
  for (const id of asked) expect(bus.attemptsOf(id)).toMatchObject([{ outcome: 'complete' }]);
  const waits = asked.flatMap((id) =>
    bus.attemptsOf(id).map(({ claimedAtUs, startedAtUs = 0 }) => startedAtUs - claimedAtUs),
  );
  expect(Math.max(...waits)).toBeGreaterThan(2_000_000);
});
