import { expect, onTestFinished, test, vi } from 'vitest';
import { LeaseKeeper } from '../../clients/autopoll/lease-keeper.js';
import { WithdrawnTurns } from '../../clients/autopoll/withdrawn.js';
import { cancelQuestion, questionDetails, verifyBus } from '../../src/bus/index.js';
import { systemClock } from '../../src/clock.js';
import { FakeEngine } from '../../src/engines/fake/index.js';
import { createLogger } from '../../src/log.js';
import { TempBus } from '../support/temp-bus.js';
import { openHouse, SETTINGS, startBridge } from './house.js';

const until = (condition: () => boolean | Promise<boolean>) =>
  vi.waitUntil(condition, { timeout: 20_000, interval: 5 });

/** No renewal tells of a lost lease while these tests run. */
const NEVER_RENEWED = { leaseMs: 3_600_000, renewEveryMs: 3_600_000 };

test('the turn of a cancelled question is stopped at once, and its conversation goes on', async () => {
  const port = await startBridge(new FakeEngine());
  const { temp, autopoll, lines, health, outcome } = await openHouse(port, {
    ...NEVER_RENEWED,
    concurrency: 2,
  });
  const here = temp.addConversation();
  const endless = temp.ask(here, '!fake silent');
  const next = temp.ask(here, 'What comes next?');
  const other = temp.ask(temp.addConversation(), '!fake silent');
  await autopoll.start();
  await until(async () => (await busy(health)) === 2);

  const somebody = temp.open();
  expect(await cancelQuestion(somebody, endless)).toBe('cancelled');
  await until(() => outcome(next) !== undefined);
  await until(async () => (await busy(health)) === 1);
  expect(outcome(next)).toEqual({ outcome: 'complete', attempts: 1 });
  expect(outcome(other)).toBeUndefined();
  expect(lines.filter(({ msg }) => msg === 'turn given up')).toMatchObject([
    { question: endless, attempt: 1, why: 'cancelled' },
  ]);
  expect(temp.answersTo(endless)).toHaveLength(1);
  expect(questionDetails(somebody, endless)).toMatchObject({
    status: 'failed',
    errorCode: 'cancelled',
    attempts: [{ attempt: 1, outcome: 'failed', errorCode: 'cancelled' }],
  });

  expect(await cancelQuestion(somebody, other)).toBe('cancelled');
  await until(() => autopoll.active === 0);
  await until(async () => (await busy(health)) === 0);
  expect((await verifyBus(somebody)).findings).toEqual([]);
});

test('a question that is cancelled through the bus of the autopoll itself is stopped as well', async () => {
  const port = await startBridge(new FakeEngine());
  const { temp, autopoll, bus, health } = await openHouse(port, NEVER_RENEWED);
  const id = temp.ask(temp.addConversation(), '!fake silent');
  await autopoll.start();
  await until(async () => (await busy(health)) === 1);
  expect(await cancelQuestion(bus, id)).toBe('cancelled');
  await until(() => autopoll.active === 0);
  await until(async () => (await busy(health)) === 0);
});

async function busy(health: () => Promise<Record<string, unknown>>): Promise<number> {
  const { engines } = (await health()) as { engines: { sessions: { busy: number } }[] };
  return engines.reduce((sum, { sessions }) => sum + sessions.busy, 0);
}

test('a question that is cancelled between its claim and its turn is given up by then', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const keeper = new LeaseKeeper({ bus, clock: systemClock, ...SETTINGS, ...NEVER_RENEWED });
  onTestFinished(() => keeper.close());
  const told: unknown[] = [];
  let begin = () => {};
  const claiming = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const log = createLogger({ level: 'silent' });
  const withdrawn = new WithdrawnTurns({ bus, keeper, log, claiming: () => claiming });
  withdrawn.look();
  const ids = [1, 2].map(() => temp.ask(temp.addConversation(), 'why?'));
  const leases = await bus.claim({ limit: 2, leaseMs: 30_000 });
  await cancelQuestion(temp.open(), ids[0] ?? 0);
  withdrawn.look();
  expect(told).toEqual([]);
  for (const lease of leases) {
    keeper.add({ lease, giveUp: (why) => told.push([lease.questionId, why]) });
  }
  begin();
  await until(() => told.length > 0);
  expect(told).toEqual([[ids[0], 'cancelled']]);
});
