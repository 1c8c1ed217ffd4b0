import { expect, test, vi } from 'vitest';
import { answerByHand, serve } from './support.js';

const QUEUE = {
  db: 'bus.db',
  session: 'b',
  pid: 7,
  last_pass_age_ms: 12,
  next_pass_ms: 4988,
  found: { expired: 0, gone: 0, failed: 0 },
  found_total: { expired: 3, gone: 1, failed: 0 },
  ...{ active: 2, pending: 5, leased: 2, delayed: 0, waiting: 0, expired: 0, dead: 1, stale: 0 },
  oldest_ms: 1500,
  parks: [],
  warnings: [],
};
const report = (change: object = {}) => ({ type: 'report', id: 1, queue: { ...QUEUE, ...change } });

test('an autopoll reports its queue, which stands until its connection ends', async () => {
  const { bridge, connect } = await serve(answerByHand);
  const wire = await connect();
  wire.send(report());
  expect(await wire.line()).toEqual({ type: 'reported', id: 1 });
  expect([...bridge.queues.values()]).toEqual([QUEUE]);
  wire.send(report({ pending: 6 }));
  await wire.line();
  expect([...bridge.queues.values()]).toEqual([{ ...QUEUE, pending: 6 }]);
  wire.socket.destroy();
  await vi.waitUntil(() => bridge.queues.size === 0, { timeout: 10_000, interval: 5 });
});

test('fields that nobody knows are dropped', async () => {
  const { bridge, connect } = await serve();
  const wire = await connect();
  wire.send(report({ path: '/home/somebody/secret', found: { ...QUEUE.found, token: 'x' } }));
  expect(await wire.line()).toMatchObject({ type: 'reported' });
  expect([...bridge.queues.values()]).toEqual([QUEUE]);
});

test.each([
  ['a path', { db: '/srv/bus.db' }, 'queue.db'],
  ['a long name', { db: 'x'.repeat(256) }, 'queue.db'],
  ['a negative count', { pending: -1 }, 'queue.pending'],
  ['a text for a count', { dead: 'many' }, 'queue.dead'],
  ['no figure at all', { oldest_ms: Number.NaN }, 'queue.oldest_ms'],
  ['a pass in a year', { next_pass_ms: 3e10 }, 'queue.next_pass_ms'],
  ['too many warnings', { warnings: Array.from({ length: 33 }, () => ({})) }, 'queue.warnings'],
  ['another side', { session: 'c' }, 'queue.session'],
])('a report with %s is refused by the name of its field', async (_what, change, field) => {
  const { bridge, connect } = await serve();
  const wire = await connect();
  wire.send(report(change));
  const reply = await wire.line();
  expect(reply).toMatchObject({ type: 'error', id: 1, code: 'bad_request' });
  expect(String(reply.message)).toContain(field);
  expect(bridge.queues.size).toBe(0);
});

test('where a token is wanted, a report needs it like anything else', async () => {
  const { bridge, connect } = await serve(answerByHand, { token: 'a-long-random-text' });
  const wire = await connect();
  wire.send(report());
  expect(await wire.line()).toMatchObject({ type: 'error', code: 'unauthorized' });
  expect(bridge.queues.size).toBe(0);
});
