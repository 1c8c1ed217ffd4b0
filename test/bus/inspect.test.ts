import { expect, test } from 'vitest';
import { inspectBus, savePark, saveWorker } from '../../src/bus/index.js';
import { goneOwner } from '../contract/bus.harness.js';
import { answer, TempBus } from '../support/temp-bus.js';

const ALL = { limit: 100, leaseMs: 60_000 };

/** What is told by a bus from outside, beside what the bus itself tells. */
function look(temp: TempBus) {
  const {
    walBytes: _wal,
    parks: _parks,
    workers: _workers,
    ...counts
  } = inspectBus(temp.file, 'b');
  return counts;
}

test('a bus that no warmline has used is counted by its unread rows', () => {
  const temp = new TempBus();
  const here = temp.addConversation();
  temp.ask(here, 'One?');
  temp.ask(here, 'Two?');
  temp.ask(temp.addConversation('2000-01-01T00:00:00.000000'), 'Too late?');
  expect(look(temp)).toMatchObject({ pending: 2, leased: 0, expired: 1, complete: 0 });
  expect(inspectBus(temp.file, 'a').pending).toBe(0);
});

test('a look from outside counts what the bus itself counts', async () => {
  const temp = new TempBus();
  const conversations = Array.from({ length: 4 }, () => temp.addConversation());
  temp.askMany(12, conversations);
  const bus = temp.open();
  const leases = await bus.claim(ALL);
  await Promise.all([
    ...leases.slice(0, 2).map((lease) => bus.complete(lease, answer())),
    bus.retry(leases[2] as never, { delayMs: 60_000, code: 'timeout', message: 'slow' }),
  ]);
  temp.ask(conversations[0] ?? '', 'One more?');
  const told = bus.stats();
  const seen = look(temp);
  expect(seen).toEqual({ ...told, oldestPendingMs: expect.any(Number) });
  expect(seen).toMatchObject({ pending: 10, leased: 1, delayed: 1, complete: 2 });
  expect(Math.abs(seen.oldestPendingMs - told.oldestPendingMs)).toBeLessThan(60_000);
});

test('questions whose conversation expired since are told apart, before anybody claims', async () => {
  const temp = new TempBus();
  const here = temp.addConversation();
  temp.ask(here, 'One?');
  temp.ask(here, 'Two?');
  const bus = temp.open();
  await bus.claim(ALL);
  temp.peer.prepare(`UPDATE conversations SET expires_at = '2000-01-01T00:00:00.000000'`).run();
  expect(look(temp)).toMatchObject({ pending: 0, leased: 1, expired: 1 });
});

test('what is finished is not looked at again', async () => {
  const temp = new TempBus();
  temp.askMany(50, [temp.addConversation(), temp.addConversation()]);
  const bus = temp.open();
  for (let leases = await bus.claim(ALL); leases.length > 0; leases = await bus.claim(ALL)) {
    await Promise.all(leases.map((lease) => bus.complete(lease, answer())));
  }
  // As another program may do; were the rows read, they would count again.
  temp.peer.prepare('UPDATE messages SET read = 0').run();
  expect(look(temp)).toMatchObject({ pending: 0, leased: 0, complete: 50, oldestPendingMs: 0 });
});

test('parked engines and autopolls are seen without a bridge', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const park = { engine: 'slow', code: 'engine_limit', sinceUs: 1_000_000, untilUs: 2_000_000 };
  await savePark(bus, 'slow', { ...park, message: 'usage limit' });
  await savePark(bus, '', { ...park, engine: '', untilUs: undefined, message: 'login refused' });
  await saveWorker(bus, 5, { pid: process.pid, warnings: [] });
  const { start, ...owner } = goneOwner();
  temp.peer
    .prepare('INSERT INTO warmline_workers VALUES (?, ?, 1, 1, ?)')
    .run(Object.values({ ...owner, start }).join('/'), 'b', 'no JSON');
  const { parks, workers } = inspectBus(temp.file, 'b');
  expect(parks).toEqual([{ ...park, engine: '', untilUs: undefined }, park]);
  expect(workers).toMatchObject([
    { gone: false, startedAtUs: 5, state: { pid: process.pid, warnings: [] } },
    { gone: true, state: {} },
  ]);
  await savePark(bus, 'slow', undefined);
  expect(inspectBus(temp.file, 'b').parks.map(({ engine }) => engine)).toEqual(['']);
});
