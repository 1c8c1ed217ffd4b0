import { expect, test } from 'vitest';
import { settled } from '../support/fake-clock.js';
import { startPool } from './pool-harness.js';

test('a query meets a session that is warm already', async () => {
  const { engine, ask } = await startPool();
  expect(engine.opened).toBe(1);
  const asked = ask('Why?');
  expect(asked.session).toBe('fake-1');
  await settled();
  expect(asked.answer).toBe('fake: Why?');
  expect(asked.positions).toEqual([]);
});

test('a spare is opened as soon as the last one is taken, before anybody needs it', async () => {
  const { engine, ask } = await startPool({ spares: 1 });
  ask('!fake silent');
  await settled();
  expect(engine.opened).toBe(2);
  const second = ask('!fake silent');
  expect(second.positions).toEqual([]);
});

test('in steady traffic no session is opened', async () => {
  const { engine, clock, ask } = await startPool({ spares: 1, idleMs: 60_000 });
  for (let round = 0; round < 100; round += 1) {
    ask(`question ${round}`);
    await clock.advance(50_000 + round * 1_000);
  }
  expect(engine.opened).toBe(2);
});

test('a fresh query sees no earlier question, a sticky one those of its key', async () => {
  const { ask } = await startPool({ size: 1, spares: 1 });
  ask('secret of somebody else');
  await settled();
  const fresh = ask('!fake history');
  await settled();
  expect(fresh.answer).toBe('[]');

  ask('mine', { key: 'k' });
  const sticky = ask('!fake history', { key: 'k' });
  await settled();
  expect(sticky.answer).toBe('["mine"]');

  const afterwards = ask('!fake history');
  await settled();
  expect(afterwards.answer).toBe('[]');
});

test('a session is not offered while it forgets, however long that takes', async () => {
  const { clock, ask } = await startPool({ size: 1 }, { resetDelayMs: 300 });
  ask('one');
  await settled();
  const second = ask('!fake history');
  await clock.advance(299);
  expect(second.session).toBeUndefined();
  await clock.advance(1);
  expect(second.answer).toBe('[]');
});

test('a session that cannot forget is replaced, and never serves again', async () => {
  const { clock, pool, ask } = await startPool({ size: 1 });
  const first = ask('!fake reset=fail secret');
  await settled();
  expect(first.answer).toBe('fake: secret');
  const second = ask('!fake history');
  await clock.advance(1_000);
  expect(second.answer).toBe('[]');
  expect(second.session).not.toBe(first.session);
  expect(pool.totals.faults).toBe(1);
});

test('a session that never ends its reset is replaced when its time is up', async () => {
  const { clock, ask } = await startPool({ size: 1, resetMs: 10_000 });
  const first = ask('!fake reset=hang secret');
  await settled();
  const second = ask('!fake history');
  await clock.advance(9_000);
  expect(second.session).toBeUndefined();
  await clock.advance(2_000);
  expect(second.answer).toBe('[]');
  expect(second.session).not.toBe(first.session);
});

test('queries of one key are answered in order, one at a time, whatever their priority', async () => {
  const { clock, ask } = await startPool();
  const ended: number[] = [];
  const asked = [0, 5, -3, 9].map((priority, index) => {
    const query = ask('!fake delay=100', { key: 'k', priority });
    query.onEnd = () => ended.push(index);
    return query;
  });
  await clock.advance(150);
  expect(ended).toEqual([0]);
  await clock.advance(350);
  expect(ended).toEqual([0, 1, 2, 3]);
  expect(new Set(asked.map(({ session }) => session)).size).toBe(1);
});

test('different keys do not wait for each other', async () => {
  const { clock, ask } = await startPool({ size: 3 });
  const asked = ['a', 'b', 'c'].map((key) => ask('!fake delay=100', { key }));
  await clock.advance(100);
  expect(asked.map(({ isOver }) => isOver)).toEqual([true, true, true]);
});

test('a higher priority goes first, but a lower one is not kept out for ever', async () => {
  const { clock, ask } = await startPool({ size: 1 });
  ask('!fake delay=10');
  const low = ask('low', { priority: -1 });
  const order: string[] = [];
  low.onEnd = () => order.push('low');
  const refill = (count: number) => {
    if (count === 0) return;
    const high = ask('!fake delay=10', { priority: 1 });
    high.onEnd = () => {
      order.push('high');
      refill(count - 1);
    };
  };
  refill(50);
  refill(50);
  await clock.advance(100);
  expect(order[0]).toBe('high');
  expect(order).toContain('low');
});

test('a query that waits is told where it stands, soon and then every five seconds', async () => {
  const { clock, ask, cancel } = await startPool({ size: 1 });
  const first = ask('!fake silent');
  const second = ask('two');
  const third = ask('three');
  await clock.advance(49);
  expect(third.positions).toEqual([]);
  await clock.advance(1);
  expect(second.positions).toEqual([1]);
  expect(third.positions).toEqual([2]);
  await clock.advance(10_000);
  expect(third.positions).toEqual([2, 2, 2]);
  cancel(first);
  await clock.advance(0);
  expect(third.answer).toBe('fake: three');
});

test('beyond its limit the line refuses as busy and says when to come back', async () => {
  const { ask } = await startPool({ size: 1, queueLimit: 2 });
  ask('!fake silent');
  ask('one');
  ask('two');
  const refused = ask('three');
  expect(refused.error).toMatchObject({ code: 'busy', retryable: true });
  expect(refused.error?.retryAfterMs).toBeGreaterThan(0);
});

test('the time of a query runs while it waits', async () => {
  const { clock, ask } = await startPool({ size: 1 });
  ask('!fake delay=1000');
  const hurried = ask('Why?', { timeoutMs: 200 });
  await clock.advance(199);
  expect(hurried.isOver).toBe(false);
  await clock.advance(2);
  expect(hurried.error).toMatchObject({ code: 'timeout' });
  expect(hurried.session).toBeUndefined();
});

test('an answer that comes after the time was up is not told', async () => {
  const { clock, ask } = await startPool({ size: 1 });
  const asked = ask('!fake late=100 Why?', { timeoutMs: 1_000 });
  const next = ask('Who is next?');
  await clock.advance(5_000);
  expect(asked.outcomes).toHaveLength(1);
  expect(asked.error).toMatchObject({ code: 'timeout' });
  expect(next.answer).toBe('fake: Who is next?');
});

test('a silent turn is cancelled at its first-byte clock and its session serves on', async () => {
  const { clock, engine, ask } = await startPool({ size: 1, firstByteMs: 1_000 });
  const asked = ask('!fake silent');
  await clock.advance(1_001);
  expect(asked.error).toMatchObject({ code: 'timeout' });
  const next = ask('!fake history');
  await settled();
  expect(next.answer).toBe('[]');
  expect(engine.opened).toBe(1);
});

test('a turn that does not stop loses its session before it is given up', async () => {
  const { clock, engine, ask } = await startPool({ size: 1, firstByteMs: 1_000, graceMs: 500 });
  const asked = ask('!fake deaf');
  await clock.advance(1_400);
  expect(asked.isOver).toBe(false);
  expect(engine.live.size).toBe(1);
  await clock.advance(200);
  expect(asked.error).toMatchObject({ code: 'timeout' });
  const next = ask('Why?');
  await clock.advance(1_000);
  expect(next.answer).toBe('fake: Why?');
  expect(next.session).not.toBe(asked.session);
});

test('signs of life keep the idle clock from running out, silence after them does not', async () => {
  const { clock, ask } = await startPool({ firstByteMs: 1_000, idleGapMs: 1_000 });
  const lively = ask('!fake alive=9 delay=5000 Why?');
  const gone = ask('!fake alive=1 silent delay=100');
  await clock.advance(1_500);
  expect(gone.error).toMatchObject({ code: 'timeout' });
  await clock.advance(4_000);
  expect(lively.answer).toBe('fake: Why?');
});

test('a turn without a time of its own ends at the total clock, one with its own at that', async () => {
  const { clock, ask } = await startPool({ totalMs: 2_000, firstByteMs: 10_000 });
  const usual = ask('!fake silent');
  const patient = ask('!fake silent', { timeoutMs: 3_000 });
  await clock.advance(2_001);
  expect(usual.error).toMatchObject({ code: 'timeout' });
  expect(patient.isOver).toBe(false);
  await clock.advance(1_000);
  expect(patient.error).toMatchObject({ code: 'timeout' });
});

test('cancelling a query that waits takes it out of the line', async () => {
  const { clock, ask, cancel } = await startPool({ size: 1 });
  ask('!fake delay=100');
  const waiting = ask('two');
  cancel(waiting);
  expect(waiting.error).toMatchObject({ code: 'cancelled' });
  await clock.advance(200);
  expect(waiting.session).toBeUndefined();
  expect(waiting.outcomes).toHaveLength(1);
});

test('cancelling a running turn ends it as cancelled, also at the moment it answers', async () => {
  const { clock, ask, cancel } = await startPool();
  const running = ask('!fake silent');
  const finishing = ask('Why?');
  cancel(running);
  cancel(running);
  cancel(finishing);
  await clock.advance(0);
  expect(running.error).toMatchObject({ code: 'cancelled' });
  expect(finishing.error).toMatchObject({ code: 'cancelled' });
  cancel(finishing);
  await clock.advance(10_000);
  expect(finishing.outcomes).toHaveLength(1);
});

test('a cancelled turn that does not stop is ended with its session', async () => {
  const { clock, engine, ask, cancel } = await startPool({ size: 1 });
  const asked = ask('!fake deaf');
  const session = [...engine.live][0];
  cancel(asked);
  await clock.advance(499);
  expect(asked.isOver).toBe(false);
  await clock.advance(2);
  expect(asked.error).toMatchObject({ code: 'cancelled' });
  await expect(session?.closed).resolves.toEqual({ how: 'closed' });
});

test('a cancel that came too early for the engine is asked for again before the session is ended', async () => {
  const { clock, engine, ask, cancel } = await startPool({ size: 1, graceMs: 500 });
  const session = [...engine.live][0];
  const heard = session?.cancel.bind(session);
  let cancels = 0;
  Object.assign(session ?? {}, {
    cancel: () => {
      cancels += 1;
      if (cancels > 1) heard?.();
    },
  });
  const asked = ask('!fake silent');
  cancel(asked);
  await clock.advance(400);
  expect(cancels).toBe(2);
  expect(asked.error).toMatchObject({ code: 'cancelled' });
  expect(engine.live.has(session as never)).toBe(true);
});

test('an error nobody expected costs a session its place, also a sticky one', async () => {
  const { clock, pool, ask } = await startPool();
  const broken = ask('!fake throw', { key: 'k' });
  await clock.advance(1);
  expect(broken.error).toMatchObject({ code: 'engine_error' });
  expect(pool.sessions.map(({ id }) => id)).not.toContain(broken.session);
  const next = ask('!fake history', { key: 'k' });
  await clock.advance(1);
  expect(next.answer).toBe('[]');
});

test('a session that dies in a turn fails that turn alone, and is replaced', async () => {
  const { clock, pool, ask } = await startPool({ size: 2 });
  const neighbour = ask('!fake delay=100 Why?');
  const victim = ask('!fake crash');
  await settled();
  expect(victim.error).toMatchObject({ code: 'engine_error', retryable: true });
  await clock.advance(1_000);
  expect(neighbour.answer).toBe('fake: Why?');
  expect(pool.counts.warm).toBe(2);
});

test('a session that dies while it rests is replaced before it is missed', async () => {
  const { clock, engine, pool, ask } = await startPool({ size: 1 });
  ask('!fake die');
  await clock.advance(2_000);
  expect(pool.counts).toMatchObject({ warm: 1, busy: 0 });
  expect(engine.opened).toBe(2);
  const next = ask('Why?');
  await settled();
  expect(next.answer).toBe('fake: Why?');
});

test('a session that speaks after its turn is recycled and the next asker hears none of it', async () => {
  const { clock, ask } = await startPool({ size: 1 });
  const first = ask('!fake twice first');
  await settled();
  const second = ask('!fake delay=50 second');
  await clock.advance(2_000);
  expect(first.answer).toBe('fake: first');
  expect(first.events).toEqual([]);
  expect(second.answer).toBe('fake: second');
  expect(second.events).toEqual([]);
  const third = ask('third');
  await clock.advance(2_000);
  expect(third.session).not.toBe(first.session);
});

test('an answer without end is stopped at its limit, with its session', async () => {
  const { clock, ask } = await startPool({ size: 1, maxAnswerChars: 100_000 });
  const flood = ask('!fake flood=10000000');
  const long = ask('!fake size=200000');
  await clock.advance(2_000);
  expect(flood.error).toMatchObject({ code: 'engine_error' });
  expect(flood.events.length).toBeLessThan(3);
  expect(long.error).toMatchObject({ code: 'engine_error' });
});

test('an error of the asker or the account is passed on as it is', async () => {
  const { engine, ask } = await startPool();
  const missing = ask('!fake error=context_missing');
  await settled();
  const broken = ask('!fake throw');
  await settled();
  const limited = ask('!fake error=engine_limit retry_after_ms=9000');
  await settled();
  expect(limited.error).toMatchObject({ code: 'engine_limit', retryAfterMs: 9_000 });
  expect(missing.error).toMatchObject({ code: 'context_missing' });
  expect(broken.error).toMatchObject({ code: 'engine_error' });
  expect(engine.live.size).toBeGreaterThan(0);
});

test('closing fails what waits and what runs, ends every session and leaves no timer', async () => {
  const { clock, engine, pool, ask } = await startPool({ size: 1 });
  const running = ask('!fake deaf');
  const waiting = ask('two');
  await pool.close();
  expect(running.error).toMatchObject({ code: 'shutting_down' });
  expect(waiting.error).toMatchObject({ code: 'shutting_down' });
  expect(engine.live.size).toBe(0);
  expect(clock.pending).toBe(0);
  expect(ask('three').error).toMatchObject({ code: 'shutting_down' });
});

test('closing does not wait for a session that opens', async () => {
  const { clock, engine, pool, ask } = await startPool({ spares: 0 }, { openDelayMs: 50_000 });
  const waiting = ask('one');
  await pool.close();
  expect(waiting.error).toMatchObject({ code: 'shutting_down' });
  expect(engine.opened).toBe(0);
  expect(clock.pending).toBe(0);
});
