import { pino } from 'pino';
import { expect, test } from 'vitest';
import { createBridge, type QueryOutcome } from '../../src/bridge/index.js';
import { systemClock } from '../../src/clock.js';
import { FakeEngine } from '../../src/engines/fake/index.js';
import { ConfigError } from '../../src/errors.js';
import { FakeClock, settled } from '../support/fake-clock.js';
import { Heard, noContexts, startBridge } from './harness.js';

test('a reply says who answered and how long it took', async () => {
  const { clock, ask } = await startBridge({ limits: { size: 1 } });
  ask('!fake delay=300');
  const heard = ask('!fake delay=200 Why?');
  await clock.advance(500);
  expect(heard.reply).toMatchObject({
    answer: 'fake: Why?',
    sources: [],
    model: 'fake-1',
    engine: 'fake',
    session: 'fake-1',
    queuedMs: 300,
    elapsedMs: 500,
    stopReason: 'end_turn',
  });
  expect(heard.positions).toEqual([1]);
});

test('no outcome is told before ask has returned, and each is told once', async () => {
  const { clock, bridge } = await startBridge({ limits: { size: 1, queueLimit: 0 } });
  const outcomes: string[] = [];
  const ask = (question: string, requestId?: string) => {
    let returned = false;
    bridge.ask(
      { question, requestId },
      {
        done: (outcome) => {
          const name = outcome.ok ? 'answered' : outcome.error.code;
          outcomes.push(returned ? name : `${name}, too early`);
        },
      },
    );
    returned = true;
  };
  ask('Why?', 'r');
  ask('too many');
  await clock.advance(1);
  ask('Why?', 'r');
  ask('Who?', 'r');
  await clock.advance(1);
  const drained = bridge.drain();
  ask('too late');
  await drained;
  await clock.advance(1);
  expect(outcomes.sort()).toEqual(['answered', 'answered', 'busy', 'conflict', 'shutting_down']);
});

test('deltas joined are the answer, from an engine that streams and from one that does not', async () => {
  const { clock, ask } = await startBridge();
  const streamed = ask('!fake deltas=5 delay=50 How long is a piece of string?');
  const whole = ask('How long is a piece of string?');
  await clock.advance(50);
  expect(streamed.text).toBe(streamed.reply?.answer);
  expect(whole.text).toBe(whole.reply?.answer);
  expect(whole.text).toBe('fake: How long is a piece of string?');
});

test('progress follows what the engine does, at most once a second', async () => {
  const { clock, ask } = await startBridge();
  const lively = ask('!fake alive=499 delay=5000 Why?');
  const quiet = ask('!fake delay=5000 Why?');
  const streaming = ask('!fake deltas=4 delay=100 Why?');
  await clock.advance(5_000);
  expect(lively.notes).toHaveLength(5);
  expect(new Set(lively.notes.map(({ stage }) => stage))).toEqual(new Set(['running']));
  expect(quiet.notes).toEqual([]);
  expect(streaming.notes.map(({ stage }) => stage)).toEqual(['generating_response']);
});

test('a query that waits hears so every five seconds', async () => {
  const { clock, ask } = await startBridge({ limits: { size: 1 } });
  ask('!fake delay=12000');
  const waiting = ask('Why?');
  await clock.advance(12_000);
  expect(waiting.positions).toEqual([1]);
  expect(waiting.notes.map(({ stage }) => stage)).toEqual(['queued', 'queued']);
  expect(waiting.reply?.answer).toBe('fake: Why?');
});

test('timeout_ms covers waiting and answering together', async () => {
  const { clock, ask } = await startBridge({ limits: { size: 1 } });
  ask('!fake delay=300');
  const heard = ask({ question: '!fake delay=300', timeoutMs: 500 });
  await clock.advance(510);
  expect(heard.error).toMatchObject({ code: 'timeout', retryable: true });
});

test('model names an engine, or a model of one, or falls back to the default', async () => {
  const clock = new FakeClock();
  const engines = [
    { engine: new FakeEngine({ name: 'small', model: 'm-1' }) },
    { engine: new FakeEngine({ name: 'large', model: 'm-2' }) },
  ];
  const log = pino({ level: 'silent' });
  const options = { engines, contexts: noContexts, clock, after: clock.after, log };
  const bridge = createBridge({ ...options, defaultEngine: 'large' });
  await clock.advance(0);
  const answeredBy = async (model: string | undefined) => {
    const heard = new Heard();
    bridge.ask({ question: 'Why?', model }, heard);
    await settled();
    return heard.reply?.engine;
  };
  expect(await answeredBy(undefined)).toBe('large');
  expect(await answeredBy('small')).toBe('small');
  expect(await answeredBy('m-1')).toBe('small');
  expect(await answeredBy('gpt-4')).toBe('large');
  await bridge.close();

  expect(() => createBridge({ ...options, defaultEngine: 'medium' })).toThrow(ConfigError);
  expect(() => createBridge({ ...options, engines: [] })).toThrow(/--engine/);
  const twins = [{ engine: new FakeEngine() }, { engine: new FakeEngine() }];
  expect(() => createBridge({ ...options, engines: twins })).toThrow(/twice/);
});

test('a listener that throws harms neither its query nor another', async () => {
  const { clock, bridge, ask } = await startBridge();
  const trouble = () => {
    throw new Error('the door is broken');
  };
  bridge.ask(
    { question: '!fake deltas=3 Why?' },
    { accepted: trouble, progress: trouble, delta: trouble, done: trouble },
  );
  const neighbour = ask('Why?');
  await clock.advance(1);
  expect(neighbour.reply?.answer).toBe('fake: Why?');
  expect(bridge.stats()).toMatchObject({ in_flight: 0 });
});

test('draining finishes what runs and what waits, and refuses the rest', async () => {
  const { clock, bridge, ask } = await startBridge({ limits: { size: 1 } });
  const running = ask('!fake delay=100 one');
  const waiting = ask('!fake delay=100 two');
  let drained = false;
  bridge.drain().then(() => {
    drained = true;
  });
  const refused = ask('three');
  await clock.advance(150);
  expect(refused.error).toMatchObject({ code: 'shutting_down' });
  expect(running.reply?.answer).toBe('fake: one');
  expect(drained).toBe(false);
  await clock.advance(100);
  expect(waiting.reply?.answer).toBe('fake: two');
  expect(drained).toBe(true);
  await expect(bridge.drain()).resolves.toBeUndefined();
  expect(bridge.health().ready).toBe(false);
});

test('closing ends running queries as shutting down and leaves nothing behind', async () => {
  const { clock, engine, bridge, ask } = await startBridge({ limits: { size: 1 } });
  const running = ask('!fake deaf');
  const waiting = ask('two');
  await bridge.close();
  expect(running.error).toMatchObject({ code: 'shutting_down' });
  expect(waiting.error).toMatchObject({ code: 'shutting_down' });
  expect(engine.live.size).toBe(0);
  expect(clock.pending).toBe(0);
  await expect(bridge.drain()).resolves.toBeUndefined();
});

test('health tells a bridge that starts, works, doubts an engine, and is down', async () => {
  const { clock, engine, bridge, ask } = await startBridge({
    limits: { size: 2, spares: 1 },
    fake: { openDelayMs: 100 },
  });
  expect(bridge.health()).toMatchObject({ status: 'ok', ready: false });
  expect(bridge.health().engines[0]).toMatchObject({ state: 'starting' });
  await clock.advance(100);
  ask('!fake delay=50');
  expect(bridge.health()).toMatchObject({ status: 'ok', ready: true, childPids: [] });
  expect(bridge.health().engines).toEqual([
    {
      engine: 'fake',
      kind: 'fake',
      model: 'fake-1',
      default: true,
      fallback: null,
      state: 'ok',
      sessions: { warm: 0, busy: 1, starting: 1, size: 2 },
      queued: 0,
      last_failure: null,
      trouble: null,
      retry_in_ms: null,
      retry_at_ms: null,
      auth: 'ok',
      limit: { state: 'ok', reset_at_ms: null },
      processes: { pids: [], memory_bytes: null },
    },
  ]);
  await clock.advance(200);

  engine.failOpens(1_000);
  ask('!fake crash');
  await clock.advance(10);
  expect(bridge.health()).toMatchObject({ status: 'degraded', ready: true });
  expect(bridge.health().engines[0]).toMatchObject({ last_failure: { code: 'engine_error' } });

  ask('!fake crash');
  await clock.advance(10_000);
  expect(bridge.health()).toMatchObject({ status: 'down', ready: false });
  expect(ask('Why?').outcomes).toEqual([]);
});

test('stats count outcomes and durations per engine', async () => {
  const { clock, bridge, ask } = await startBridge();
  for (let query = 0; query < 10; query += 1) ask('!fake delay=100');
  ask('!fake error=engine_limit');
  await clock.advance(1_000);
  const stats = bridge.stats() as { engines: { fake: Record<string, Record<string, number>> } };
  expect(stats).toMatchObject({ in_flight: 0, joined: 0, replayed: 0 });
  expect(stats.engines.fake).toMatchObject({
    turns: 11,
    answered: 10,
    failed: { engine_limit: 1 },
    queued: 0,
  });
  expect(stats.engines.fake.latency_ms?.p50).toBeGreaterThan(90);
  expect(stats.engines.fake.latency_ms?.max).toBe(300);
});

test('sessions are listed with what they hold', async () => {
  const { bridge, ask } = await startBridge({ fake: { memoryBytesPerTurn: 1_000 } });
  ask({ question: 'Why?', session: 'k' });
  await settled();
  expect(bridge.sessions()).toContainEqual({
    session: 'fake-1',
    engine: 'fake',
    state: 'ready',
    key: 'k',
    context: null,
    turns: 1,
    age_ms: 0,
    idle_ms: 0,
    pids: [],
    memory_bytes: 2_000,
  });
});

test('in real time too a silent query gets its timeout, and the bridge goes on', async () => {
  const bridge = createBridge({
    engines: [{ engine: new FakeEngine(), limits: { size: 1, graceMs: 20 } }],
    contexts: noContexts,
    clock: systemClock,
    log: pino({ level: 'silent' }),
  });
  const ask = (question: string, timeoutMs?: number) =>
    new Promise<QueryOutcome>((done) => {
      bridge.ask({ question, timeoutMs }, { done });
    });
  const outcomes = await Promise.all([ask('!fake deaf', 20), ask('!fake delay=5 Why?')]);
  expect(outcomes).toMatchObject([
    { ok: false, error: { code: 'timeout' } },
    { ok: true, reply: { answer: 'fake: Why?' } },
  ]);
  await bridge.close();
});
