import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { BusError, type Lease } from '../../src/bus/index.js';
import { type Clock, systemClock } from '../../src/clock.js';
import { answer, query, TempBus } from '../support/temp-bus.js';

const ALL = { limit: 100, leaseMs: 30_000 };

/** A bus with leased questions, and a count of the commits that another program sees. */
async function leasedBus(count: number, options: { clock?: Clock } = {}) {
  const temp = new TempBus();
  const conversations = Array.from({ length: count }, () => temp.addConversation());
  temp.askMany(count, conversations);
  const bus = temp.open(options);
  const leases: Lease[] = [];
  // More than one claim takes up.
  for (let more = await bus.claim(ALL); more.length > 0; more = await bus.claim(ALL)) {
    leases.push(...more);
  }
  expect(leases).toHaveLength(count);
  return { temp, bus, leases, conversations };
}

/**
 * Counts the commits since now: the frame that ends a transaction in the WAL file carries the size
 * of the database, the others carry 0. Nothing is checkpointed while so little is written.
 */
function commitsOf(temp: TempBus): () => number {
  const pageSize = temp.peer.pragma('page_size', { simple: true }) as number;
  const count = () => {
    const wal = readFileSync(`${temp.file}-wal`);
    let commits = 0;
    for (let at = 32; at + 24 <= wal.length; at += 24 + pageSize) {
      if (wal.readUInt32BE(at + 4) !== 0) commits += 1;
    }
    return commits;
  };
  const before = count();
  return () => count() - before;
}

describe('answers', () => {
  test('of one turn of the event loop share one transaction', async () => {
    const { temp, bus, leases } = await leasedBus(20);
    const commits = commitsOf(temp);
    await Promise.all(leases.map((lease) => bus.complete(lease, answer())));
    expect(commits()).toBe(1);
    expect(bus.stats().complete).toBe(20);
  });

  test('that come alone are committed at once, waiting for nobody', async () => {
    const { temp, bus, leases } = await leasedBus(3);
    const commits = commitsOf(temp);
    for (const lease of leases) {
      const settled = bus.complete(lease, answer());
      // The commit is due in this very turn, not after a timer.
      await new Promise((resolve) => setImmediate(resolve));
      expect(temp.answersTo(lease.questionId)).toHaveLength(1);
      await settled;
    }
    expect(commits()).toBe(3);
  });

  test('free their conversations for the claims of the same turn', async () => {
    const temp = new TempBus();
    const conversation = temp.addConversation();
    const [first, second] = [temp.ask(conversation, 'one'), temp.ask(conversation, 'two')];
    const bus = temp.open();
    const [lease] = await bus.claim(ALL);
    expect(lease?.questionId).toBe(first);
    const commits = commitsOf(temp);
    if (lease) void bus.complete(lease, answer());
    expect((await bus.claim(ALL)).map((next) => next.questionId)).toEqual([second]);
    expect(commits()).toBe(1);
  });

  test('keep their own fence inside a shared transaction', async () => {
    const { temp, bus, leases } = await leasedBus(4);
    const [stale, ...good] = leases;
    await bus.release(stale as Lease);
    const outcomes = await Promise.all(leases.map((lease) => bus.complete(lease, answer())));
    expect(outcomes).toEqual(['lost', 'kept', 'kept', 'kept']);
    expect(temp.answersTo(stale?.questionId ?? 0)).toEqual([]);
    for (const lease of good) expect(temp.answersTo(lease.questionId)).toHaveLength(1);
    expect(bus.stats()).toMatchObject({ complete: 3, stale: 1 });
  });

  test('given twice for one lease in one turn are written once', async () => {
    const { temp, bus, leases } = await leasedBus(1);
    const lease = leases[0] as Lease;
    const outcomes = await Promise.all([
      bus.complete(lease, answer('first')),
      bus.complete(lease, answer('second')),
    ]);
    expect(outcomes).toEqual(['kept', 'lost']);
    expect(temp.answersTo(lease.questionId)).toHaveLength(1);
  });
});

describe('a call that cannot be carried out', () => {
  test('fails alone: the others of its turn are committed, counted once and in order', async () => {
    const { temp, bus, leases, conversations } = await leasedBus(6);
    const bad = { conversationId: conversations[0] ?? '', from: 'a' as const, metadata: null };
    const calls = [
      ...leases.slice(0, 3).map((lease) => bus.complete(lease, answer())),
      // Not what the types allow; a caller in plain JavaScript can do it all the same.
      bus.put({ ...bad, message: { not: 'text' } as unknown as string }),
      ...leases.slice(3).map((lease) => bus.complete(lease, answer())),
      bus.claim(ALL),
    ];
    const settled = await Promise.allSettled(calls);
    expect(settled.map((call) => call.status)).toEqual([
      ...['fulfilled', 'fulfilled', 'fulfilled'],
      'rejected',
      ...['fulfilled', 'fulfilled', 'fulfilled', 'fulfilled'],
    ]);
    expect(bus.stats()).toMatchObject({ complete: 6, stale: 0, leased: 0 });
    const answered = temp.rows().filter((row) => row.from_session === 'b');
    expect(answered.map((row) => JSON.parse(row.metadata ?? '').in_reply_to)).toEqual(
      leases.map((lease) => lease.questionId),
    );
    for (const lease of leases) expect(temp.answersTo(lease.questionId)).toHaveLength(1);
  });

  test('takes nothing in twice, though what was taken in is undone with it', async () => {
    const { temp, bus, conversations } = await leasedBus(2);
    const id = temp.ask(conversations[0] ?? '', 'one more');
    const bad = { conversationId: conversations[0] ?? '', from: 'a' as const, metadata: null };
    const failing = bus.put({ ...bad, message: 7n as unknown as string });
    const worse = bus.put({ ...bad, message: {} as unknown as string });
    const claimed = bus.claim(ALL);
    await Promise.allSettled([failing, worse]);
    expect(await claimed).toEqual([]);
    expect(
      temp.peer.prepare('SELECT count(*) FROM warmline_work WHERE question_id = ?').pluck().get(id),
    ).toBe(1);
    expect(bus.stats()).toMatchObject({ leased: 2 });
  });

  test('because the bus refuses one row does not stop the answers beside it', async () => {
    const { temp, bus, leases } = await leasedBus(5);
    const poison = leases[2] as Lease;
    temp.refuse(poison.questionId);
    const settled = await bus.completeAll(leases.map((lease) => ({ lease, answer: answer() })));
    expect(settled).toEqual(['kept', 'kept', expect.any(BusError), 'kept', 'kept']);
    await expect(bus.complete(poison, answer())).rejects.toBeInstanceOf(BusError);
    expect(bus.stats()).toMatchObject({ complete: 4, leased: 1 });
    expect(temp.answersTo(poison.questionId)).toEqual([]);
  });
});

describe('closing', () => {
  test('writes what it can of the answers handed over with one that the bus refuses', async () => {
    const { temp, bus, leases } = await leasedBus(3);
    const poison = leases[1] as Lease;
    temp.refuse(poison.questionId);
    const handedOver = bus.completeAll(leases.map((lease) => ({ lease, answer: answer() })));
    await bus.close();
    expect(await handedOver).toEqual(['kept', expect.any(BusError), 'kept']);
  });

  test('answers handed over after it are refused one by one, not by a throw', async () => {
    const { bus, leases } = await leasedBus(2);
    const closing = bus.close();
    const refused = await bus.completeAll(leases.map((lease) => ({ lease, answer: answer() })));
    const closed = expect.objectContaining({ code: 'bus_closed' });
    expect(refused).toEqual([closed, closed]);
    await closing;
  });

  test('long answers handed over together are all written', async () => {
    const { bus, leases } = await leasedBus(60);
    const answered = leases.map((lease) => ({ lease, answer: answer('long '.repeat(9_000)) }));
    expect(await bus.completeAll(answered)).toEqual(leases.map(() => 'kept'));
    expect(bus.stats()).toMatchObject({ complete: 60, leased: 0 });
  });

  test('commits what was submitted before it, and refuses what comes after', async () => {
    const { temp, bus, leases } = await leasedBus(50);
    const before = leases.slice(1).map((lease) => bus.complete(lease, answer()));
    const closing = bus.close();
    const after = bus.complete(leases[0] as Lease, answer());
    await expect(after).rejects.toMatchObject({ code: 'bus_closed' });
    expect(await Promise.all(before)).toEqual(before.map(() => 'kept'));
    await closing;
    expect(temp.rows().filter((row) => row.from_session === 'b')).toHaveLength(49);
  });

  test('commits all of it even when that takes more than one transaction', async () => {
    const { temp, bus, leases, conversations } = await leasedBus(1, { clock: systemClock });
    const many = Array.from({ length: 4000 }, (_, index) =>
      bus.put({
        ...{ conversationId: conversations[0] ?? '', from: 'a', metadata: null },
        message: query(`question ${index}`),
      }),
    );
    const commits = commitsOf(temp);
    const settled = bus.complete(leases[0] as Lease, answer());
    await bus.close();
    expect(commits()).toBeGreaterThan(1);
    expect(await settled).toBe('kept');
    expect(new Set(await Promise.all(many)).size).toBe(4000);
  });

  test('does not wait for a lock that somebody else holds: what could not be written says so', async () => {
    const { temp, bus, leases } = await leasedBus(1);
    temp.peer.exec('BEGIN IMMEDIATE');
    const settled = bus.complete(leases[0] as Lease, answer());
    const refused = expect(settled).rejects.toMatchObject({ code: 'bus_closed' });
    await bus.close();
    await refused;
    temp.peer.exec('ROLLBACK');
    const next = temp.open();
    expect(next.stats()).toMatchObject({ leased: 1, complete: 0 });
  });
});

describe('a bus with nothing to do', () => {
  test('is not written to', async () => {
    const temp = new TempBus();
    const conversation = temp.addConversation();
    const bus = temp.open();
    temp.ask(conversation, 'why?');
    const [lease] = await bus.claim(ALL);
    if (lease) await bus.complete(lease, answer());
    const commits = commitsOf(temp);
    for (let look = 0; look < 10; look += 1) {
      expect(await bus.claim(ALL)).toEqual([]);
      await bus.reap();
      bus.stats();
      bus.hasWork({});
    }
    expect(commits()).toBe(0);
  });

  test('is not written to for rows that are for others', async () => {
    const temp = new TempBus();
    const conversationId = temp.addConversation();
    const bus = temp.open();
    await bus.claim(ALL);
    for (let n = 0; n < 20; n += 1)
      temp.insert({ conversationId, from: 'b', to: 'a', message: 'x' });
    const version = temp.peer.pragma('data_version', { simple: true });
    expect(await bus.claim(ALL)).toEqual([]);
    expect(bus.hasWork({})).toBe(false);
    expect(temp.peer.pragma('data_version', { simple: true })).toBe(version);
  });
});
