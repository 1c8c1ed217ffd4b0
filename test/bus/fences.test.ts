import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Lease } from '../../src/bus/index.js';
import { answer, TempBus, TestClock } from '../support/temp-bus.js';
import { node } from './processes.js';

const ALL = { limit: 100, leaseMs: 30_000 };

/** A lease that is over by the clock, held by a worker that is alive and slow. */
async function overdue() {
  const clock = new TestClock();
  const temp = new TempBus(clock);
  temp.ask(temp.addConversation(), 'why?');
  const worker = temp.open({ clock });
  const [lease] = (await worker.claim(ALL)) as [Lease];
  clock.advance(ALL.leaseMs + 1);
  return { clock, temp, worker, lease, reaper: temp.open({ clock }) };
}

test('a lease renewed between the look of the reaper and its write is left alone', async () => {
  const { clock, temp, worker, lease, reaper } = await overdue();
  // The reaper has looked when the call returns, and writes later in this turn.
  const reaping = reaper.reap();
  temp.peer
    .prepare('UPDATE warmline_lanes SET lease_until_us = ? WHERE lease_token = ?')
    .run(clock.wallUs() + 30_000_000, lease.token);
  expect(await reaping).toEqual({ expired: 0, gone: 0, failed: 0 });
  expect(await worker.complete(lease, answer())).toBe('kept');
});

test('a lease settled between the look of the reaper and its write is left alone', async () => {
  const { temp, worker, lease, reaper } = await overdue();
  const second = temp.ask(lease.conversationId, 'and then?');
  const settled = worker.complete(lease, answer());
  const next = worker.claim(ALL);
  const reaping = reaper.reap();
  expect(await settled).toBe('kept');
  expect(await reaping).toEqual({ expired: 0, gone: 0, failed: 0 });
  expect((await next).map((claimed) => claimed.questionId)).toEqual([second]);
});

test('a lease on a conversation that ended and began again is not taken for the new one', async () => {
  const { temp, worker, lease, reaper } = await overdue();
  await reaper.reap();
  const [again] = (await reaper.claim(ALL)) as [Lease];
  expect(await reaper.complete(again, answer())).toBe('kept');
  const second = temp.ask(lease.conversationId, 'and then?');
  const [fresh] = (await reaper.claim(ALL)) as [Lease];
  expect(fresh).toMatchObject({ questionId: second, lane: lease.lane });
  expect(await worker.complete(lease, answer('late'))).toBe('lost');
  expect(await worker.release(lease)).toBe('lost');
  expect(await reaper.complete(fresh, answer())).toBe('kept');
  expect(temp.answersTo(second)).toHaveLength(1);
});

test('an expired conversation is named once even when the claim that found it runs twice', async () => {
  const temp = new TempBus();
  const over = temp.addConversation('2020-01-01T00:00:00');
  temp.ask(over, 'too late?');
  const named: string[] = [];
  const bus = temp.open({ observer: { expired: (conversation) => named.push(conversation) } });
  const put = { conversationId: over, from: 'a' as const, metadata: null };
  const failing = bus.put({ ...put, message: {} as unknown as string });
  const claimed = bus.claim(ALL);
  await expect(failing).rejects.toThrow();
  expect(await claimed).toEqual([]);
  expect(named).toEqual([over]);
});

test('on a full disk answers wait, and are written once when there is room again', async () => {
  const temp = new TempBus();
  const conversations = Array.from({ length: 8 }, () => temp.addConversation());
  const asked = temp.askMany(8, conversations);
  const worker = node('worker.mjs', [temp.file, 'cramped', 'hold']);
  const limit = (bytes: string) =>
    execFileSync('prlimit', ['--pid', String(worker.pid), `--fsize=${bytes}:unlimited`]);
  expect(await worker.line()).toBe('ready');
  expect(await worker.line()).toMatch(/^claimed /);
  limit(String(statSync(`${temp.file}-wal`).size));
  worker.say('answer now');
  expect(await worker.line()).toMatch(/^trouble bus_(io|full)$/);
  expect(temp.rows().filter((row) => row.from_session === 'b')).toEqual([]);
  limit('unlimited');
  expect(await worker.line()).toBe('recovered');
  expect(await worker.line()).toBe(`settled ${asked.map(() => 'kept').join(' ')}`);
  for (const id of asked) expect(temp.answersTo(id)).toHaveLength(1);
  expect(temp.peer.pragma('integrity_check', { simple: true })).toBe('ok');
});
