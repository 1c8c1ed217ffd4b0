/** Sessions that come and go: recycling, retirement, engines that do not start. */
import { expect, test } from 'vitest';
import type { Engine } from '../../src/engines/index.js';
import { fault } from '../../src/errors.js';
import { FakeClock, settled } from '../support/fake-clock.js';
import { contextNamed, poolOver, startPool } from './pool-harness.js';

test('a worn session serves on until its replacement is ready: nobody waits', async () => {
  const { clock, engine, pool, ask } = await startPool(
    { size: 1, maxTurns: 3 },
    { openDelayMs: 1_000 },
  );
  const sessions: (string | undefined)[] = [];
  for (let turn = 0; turn < 20; turn += 1) {
    const asked = ask(`question ${turn}`);
    await settled();
    expect(asked.positions).toEqual([]);
    expect(asked.answer).toBe(`fake: question ${turn}`);
    sessions.push(asked.session);
    await clock.advance(400);
  }
  expect(new Set(sessions).size).toBeGreaterThan(3);
  expect(pool.totals.replaced).toBeGreaterThan(2);
  await clock.advance(5_000);
  expect(engine.live.size).toBe(1);
});

test('while a worn session finishes its turn, its replacement is not replaced in turn', async () => {
  const { clock, engine, pool, ask } = await startPool({ size: 1, maxTurns: 2 });
  for (const question of ['one', 'two', '!fake delay=5000 three']) ask(question);
  await clock.advance(10);
  for (const question of ['four', 'five', '!fake delay=5000 six']) ask(question);
  await clock.advance(10);
  expect(pool.totals.turns).toBe(6);
  expect(engine.live.size).toBe(2);
  await clock.advance(20_000);
  expect(engine.live.size).toBe(1);
  expect(pool.totals.replaced).toBe(2);
});

test('age and memory wear a session out as well', async () => {
  const old = await startPool({ size: 1, maxAgeMs: 60_000 });
  await old.clock.advance(80_000);
  expect(old.pool.totals.replaced).toBe(1);

  const big = await startPool({ size: 1, maxMemoryBytes: 500 }, { memoryBytesPerTurn: 100 });
  for (let turn = 0; turn < 4; turn += 1) {
    big.ask('Why?');
    await settled();
  }
  expect(big.pool.totals.replaced).toBe(1);
});

test('a conversation is not lost to turns or age, only to memory', async () => {
  const { clock, ask } = await startPool(
    { maxTurns: 2, maxAgeMs: 10_000, maxMemoryBytes: 1_000 },
    { memoryBytesPerTurn: 100 },
  );
  ask('begin', { key: 'k' });
  for (let turn = 0; turn < 5; turn += 1) {
    const asked = ask('!fake history', { key: 'k' });
    await clock.advance(20_000);
    expect(JSON.parse(asked.answer ?? '')[0]).toBe('begin');
  }
  for (let turn = 0; turn < 5; turn += 1) ask('more', { key: 'k' });
  await clock.advance(20_000);
  const anew = ask('!fake history', { key: 'k' });
  await clock.advance(0);
  expect(JSON.parse(anew.answer ?? '')).not.toContain('begin');
});

test('a session that gave half an answer or none is not asked again', async () => {
  const { clock, pool, ask } = await startPool({ size: 1 });
  const failed = ask('!fake error=engine_error');
  const next = ask('Why?');
  await clock.advance(100);
  expect(failed.error).toMatchObject({ code: 'engine_error' });
  expect(next.answer).toBe('fake: Why?');
  expect(next.session).not.toBe(failed.session);
  expect(pool.health.at).toBe('well');
});

test('a conversation survives a failed turn, two in a row end it', async () => {
  const { clock, ask } = await startPool({ size: 2 });
  ask('begin', { key: 'k' });
  ask('!fake error=engine_error', { key: 'k' });
  const kept = ask('!fake history', { key: 'k' });
  await clock.advance(1);
  expect(kept.answer).toContain('begin');
  for (let turn = 0; turn < 2; turn += 1) ask('!fake error=engine_error', { key: 'k' });
  await clock.advance(1);
  const anew = ask('!fake history', { key: 'k' });
  await clock.advance(1_000);
  expect(anew.answer).toBe('[]');
});

test('two silent turns in a row have the session replaced', async () => {
  const { clock, pool, ask } = await startPool({ size: 1, firstByteMs: 1_000 });
  for (let turn = 0; turn < 2; turn += 1) {
    expect(pool.totals.replaced).toBe(0);
    ask('!fake silent');
    await clock.advance(1_500);
  }
  expect(pool.totals.replaced).toBe(1);
});

test('a used-up limit parks the pool: nothing starts and nobody waits until its reset', async () => {
  const { clock, engine, pool, ask } = await startPool({ size: 2, spares: 1 });
  const asked = [
    ask('!fake error=engine_limit retry_after_ms=60000 delay=10'),
    ask('!fake silent'),
  ];
  const waiting = ask('Why?');
  await clock.advance(20);
  expect(asked[0]?.error).toMatchObject({ code: 'engine_limit' });
  expect(waiting.error).toMatchObject({ code: 'engine_limit', retryAfterMs: 60_000 });
  const refused = ask('Why?');
  expect(refused.error?.message).toContain('tried again in 60 s');
  expect(refused.session).toBeUndefined();
  const opened = engine.opened;
  await clock.advance(59_000);
  expect(ask('Why?').error?.retryAfterMs).toBeLessThanOrEqual(1_000);
  expect(engine.opened).toBe(opened);
  await clock.advance(1_000);
  const served = ask('Why?');
  await clock.advance(1);
  expect(served.answer).toBe('fake: Why?');
  expect(pool.health.at).toBe('well');
});

test('a turn that was running when the limit struck proves nothing by its answer', async () => {
  const { clock, pool, ask } = await startPool({ size: 2, spares: 2 });
  const running = ask('!fake delay=100 Why?');
  await clock.advance(10);
  ask('!fake error=engine_limit retry_after_ms=60000');
  await clock.advance(200);
  expect(running.answer).toBe('fake: Why?');
  expect(pool.health.at).toBe('parked');
});

test('a lost login has every session opened anew, slowly, for they know only the old one', async () => {
  const { clock, engine, pool, ask } = await startPool({ size: 3, spares: 3 });
  const [first] = [...engine.live];
  ask('!fake error=engine_auth');
  await clock.advance(10);
  expect(engine.live.size).toBe(0);
  expect(ask('Why?').error).toMatchObject({ code: 'engine_auth' });
  await clock.advance(14_000);
  expect(engine.live.size).toBe(0);
  await clock.advance(20_000);
  expect(engine.live.size).toBe(3);
  expect(engine.live.has(first as never)).toBe(false);
  const served = ask('Why?');
  await clock.advance(1);
  expect(served.answer).toBe('fake: Why?');
  expect(pool.health.at).toBe('well');
});

test('a turn that does not stop puts its engine in doubt, and health can say why', async () => {
  const { clock, pool, ask } = await startPool({ size: 1, firstByteMs: 1_000, graceMs: 500 });
  const asked = ask('!fake deaf');
  await clock.advance(1_510);
  expect(asked.error).toMatchObject({ code: 'timeout' });
  expect(pool.totals.faults).toBe(1);
  await clock.advance(1_000);
  expect(pool.counts.warm).toBe(1);
});

test('what a burst opened leaves again, and what is usually needed stays', async () => {
  const { clock, engine, ask } = await startPool({ size: 4, spares: 1, idleMs: 60_000 });
  for (let query = 0; query < 4; query += 1) ask('!fake delay=10');
  await clock.advance(1_000);
  expect(engine.live.size).toBe(4);
  for (let minute = 0; minute < 10; minute += 1) {
    ask('Why?');
    await clock.advance(60_000);
  }
  expect(engine.live.size).toBe(2);
});

test('a sticky session that rests too long is retired', async () => {
  const { clock, ask } = await startPool({ idleMs: 60_000 });
  ask('begin', { key: 'k' });
  await clock.advance(100_000);
  const anew = ask('!fake history', { key: 'k' });
  await clock.advance(0);
  expect(anew.answer).toBe('[]');
});

test('when all sessions belong to keys, the one unused for longest serves the next', async () => {
  const { clock, engine, ask } = await startPool({ size: 2 });
  ask('a', { key: 'a' });
  await clock.advance(10);
  ask('b', { key: 'b' });
  await clock.advance(10);
  const fresh = ask('!fake history');
  await clock.advance(0);
  expect(fresh.answer).toBe('[]');
  const kept = ask('!fake history', { key: 'b' });
  await clock.advance(0);
  expect(kept.answer).toBe('["b"]');
  expect(engine.opened).toBe(2);
});

test('a session of an engine that resumes is closed rather than made to forget', async () => {
  const { clock, engine, ask } = await startPool({ size: 1, spares: 0 }, { resumes: true });
  ask('a', { key: 'a' });
  await clock.advance(10);
  const fresh = ask('b');
  await clock.advance(10);
  expect(fresh.answer).toBe('fake: b');
  expect(engine.opened).toBe(2);
});

test('a busy key does not keep a fresh query out for ever', async () => {
  const { clock, ask } = await startPool({ size: 1 });
  const refill = () => {
    const asked = ask('!fake delay=500', { key: 'k' });
    asked.onEnd = refill;
  };
  refill();
  refill();
  const fresh = ask('Why?');
  await clock.advance(29_000);
  expect(fresh.isOver).toBe(false);
  await clock.advance(3_000);
  expect(fresh.answer).toBe('fake: Why?');
});

test('an engine that binds to a context serves each from sessions opened for it', async () => {
  const { clock, engine, ask } = await startPool({ size: 2, spares: 0 }, { binds: 'context' });
  const [a, b, c] = [contextNamed('a.md'), contextNamed('b.md'), contextNamed('c.md')];
  const first = ask('Why?', { context: a });
  const second = ask('Why?', { context: b });
  await clock.advance(10);
  const again = ask('Why?', { context: a });
  await clock.advance(10);
  expect(again.session).toBe(first.session);
  expect(second.session).not.toBe(first.session);
  const third = ask('Why?', { context: c });
  await clock.advance(10);
  expect(third.answer).toBe('fake: Why?');
  expect(engine.live.size).toBe(2);
});

test('a busy context does not keep another one out', async () => {
  const { clock, ask } = await startPool({ size: 1, spares: 0 }, { binds: 'context' });
  const [a, b] = [contextNamed('a.md'), contextNamed('b.md')];
  const refill = () => {
    ask('!fake delay=300', { context: a }).onEnd = refill;
  };
  refill();
  refill();
  const other = ask('Why?', { context: b });
  await clock.advance(3_000);
  expect(other.answer).toBe('fake: Why?');
});

test('while an engine fails to start queries wait, and are served when it recovers', async () => {
  const { clock, pool, ask } = await startPool({}, { openFailures: 3 });
  const asked = ask('Why?');
  await clock.advance(50);
  expect(asked.positions).toEqual([1]);
  expect(pool.health.at).toBe('backing_off');
  await clock.advance(2_000);
  expect(asked.answer).toBe('fake: Why?');
  expect(pool.health.at).toBe('well');
});

test('after five failures the engine is in quarantine: askers are told at once, and when', async () => {
  const { clock, engine, pool, ask } = await startPool({}, { openFailures: 8 });
  const early = ask('Why?');
  await clock.advance(1_500);
  expect(pool.health.at).toBe('quarantined');
  expect(early.error).toMatchObject({ code: 'engine_unavailable', retryable: true });
  const refused = ask('Why?');
  expect(refused.error?.code).toBe('engine_unavailable');
  expect(refused.error?.retryAfterMs).toBeGreaterThan(0);
  await clock.advance(120_000);
  expect(engine.opened).toBe(1);
  const later = ask('Why?');
  await settled();
  expect(later.answer).toBe('fake: Why?');
});

test('a missing login is told at once and as such', async () => {
  const clock = new FakeClock();
  const engine: Engine = {
    name: 'locked',
    model: 'locked-1',
    binds: 'nothing',
    open: async () => {
      throw fault('engine_auth', 'log in first');
    },
    status: () => ({ auth: 'failed', limit: { state: 'ok' } }),
    close: async () => {},
  };
  const { ask } = poolOver(engine, clock);
  const asked = ask('Why?');
  await settled();
  expect(asked.error).toMatchObject({ code: 'engine_auth' });
  expect(asked.error?.message).toContain('log in first');
});

test('a context that cannot be opened fails its own queries and puts no engine in doubt', async () => {
  const [good, bad] = [contextNamed('good.md'), contextNamed('bad.md')];
  const { engine, pool, ask } = await startPool({ spares: 1 }, { binds: 'context' });
  const open = engine.open.bind(engine);
  engine.open = async (options) => {
    if (options.context === bad) throw fault('context_missing', 'bad.md is gone');
    return open(options);
  };
  const lost = ask('Why?', { context: bad });
  const served = ask('Why?', { context: good });
  await settled();
  expect(lost.error).toMatchObject({ code: 'context_missing' });
  expect(served.answer).toBe('fake: Why?');
  expect(pool.health.at).toBe('well');
});

test('an open that hangs is given up and tried again', async () => {
  const { clock, engine, ask } = await startPool({ spares: 0, openMs: 5_000 });
  const open = engine.open.bind(engine);
  let hung = 0;
  engine.open = (options) => {
    if (hung > 0) return open(options);
    hung += 1;
    return new Promise(() => {});
  };
  const asked = ask('Why?');
  await clock.advance(12_000);
  expect(asked.answer).toBe('fake: Why?');
});
