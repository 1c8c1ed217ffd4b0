/** Several engines behind one bridge: who is meant, who stands in, and what one does to another. */
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { type ConfiguredEngine, createBridge, type Query } from '../../src/bridge/index.js';
import { createRouter } from '../../src/bridge/routing.js';
import { FakeEngine, type FakeOptions } from '../../src/engines/fake/index.js';
import { ConfigError } from '../../src/errors.js';
import { FakeClock } from '../support/fake-clock.js';
import { Heard, noContexts } from './harness.js';

type Given = Omit<ConfiguredEngine, 'engine'> & FakeOptions;

/** A bridge over fakes of these names, in their order. */
async function startEngines(given: Readonly<Record<string, Given>>) {
  const clock = new FakeClock();
  const engines = Object.entries(given).map(
    ([name, { limits, aliases, fallback, kind, ...fake }]) => ({
      engine: new FakeEngine({ name, model: `model of ${name}`, after: clock.after, ...fake }),
      kind,
      limits,
      aliases,
      fallback,
    }),
  );
  const log = pino({ level: 'silent' });
  const options = { contexts: noContexts, clock, after: clock.after, random: () => 0.5, log };
  const bridge = createBridge({ engines, ...options });
  await clock.advance(0);
  const ask = (question: string, query: Partial<Query> = {}) => {
    const heard = new Heard();
    heard.ticket = bridge.ask({ question, ...query }, heard);
    return heard;
  };
  const health = (name: string) => bridge.health().engines.find(({ engine }) => engine === name);
  return { clock, bridge, ask, health, fakes: engines.map(({ engine }) => engine) };
}

test('a slow engine whose line is full delays no question to another', async () => {
  const { clock, ask } = await startEngines({
    slow: { limits: { size: 1, queueLimit: 100 } },
    quick: { limits: { size: 1 } },
  });
  const slow = Array.from({ length: 50 }, () => ask('!fake silent', { model: 'slow' }));
  const quick = Array.from({ length: 50 }, (_, n) => ask(`number ${n}`, { model: 'quick' }));
  await clock.advance(0);
  expect(slow.filter(({ outcomes }) => outcomes.length > 0)).toEqual([]);
  expect(quick.map(({ reply }) => reply?.answer)).toEqual(quick.map((_, n) => `fake: number ${n}`));
  expect(new Set(quick.map(({ reply }) => reply?.queuedMs))).toEqual(new Set([0]));
});

test('each engine has its own clocks', async () => {
  const { clock, ask } = await startEngines({
    hasty: { limits: { firstByteMs: 1_000 } },
    patient: { limits: { firstByteMs: 60_000 } },
  });
  const [hasty, patient] = ['hasty', 'patient'].map((model) => ask('!fake silent', { model }));
  await clock.advance(2_000);
  expect(hasty?.error).toMatchObject({ code: 'timeout' });
  expect(patient?.outcomes).toEqual([]);
});

test.each(['engine_limit', 'engine_auth', 'engine_unavailable'])(
  'after %s the fall-back answers, and the reply says so',
  async (code) => {
    const { clock, bridge, ask, health } = await startEngines({
      primary: { fallback: 'spare' },
      spare: {},
    });
    const question = `!fake on=primary error=${code} retry_after_ms=20000 Why?`;
    const heard = [ask(question), ask('And then?')];
    await clock.advance(20);
    for (const { reply } of heard) expect(reply?.engine).toMatch(/primary|spare/);
    expect(heard[0]?.reply).toMatchObject({
      answer: 'fake: Why?',
      engine: 'spare',
      model: 'model of spare',
      session: expect.stringMatching(/^spare-/),
    });
    const later = ask('Still there?');
    await clock.advance(1);
    expect(later.reply).toMatchObject({ answer: 'fake: Still there?', engine: 'spare' });
    expect(health('primary')).toMatchObject({ state: 'down', last_failure: { code } });
    expect(bridge.health()).toMatchObject({ status: 'degraded', ready: true });

    await clock.advance(20_000);
    const again = ask('Better now?');
    await clock.advance(1);
    expect(again.reply?.engine).toBe('primary');
    expect(bridge.stats()).toMatchObject({
      engines: { primary: { fell_back: expect.any(Number) }, spare: { fell_back: 0, failed: {} } },
    });
  },
);

test('an engine in quarantine is stood in for, also for those who waited for it', async () => {
  const { clock, ask, health } = await startEngines({
    primary: { openFailures: 1_000, fallback: 'spare' },
    spare: {},
  });
  const waiting = ask('Why?');
  await clock.advance(50);
  expect(waiting.positions).toEqual([1]);
  await clock.advance(5_000);
  expect(waiting.reply).toMatchObject({ engine: 'spare', answer: 'fake: Why?' });
  expect(health('primary')).toMatchObject({ trouble: 'quarantined' });
});

test('once a part of the answer was sent, nobody else goes on with it', async () => {
  const { clock, ask } = await startEngines({ primary: { fallback: 'spare' }, spare: {} });
  const heard = ask('!fake on=primary deltas=4 delay=100 error=engine_limit Why?');
  await clock.advance(200);
  expect(heard.text).not.toBe('');
  expect(heard.error).toMatchObject({ code: 'engine_limit' });
});

test('a fault of the question, a crash and a cancelled query stay with their engine', async () => {
  const { clock, ask } = await startEngines({ primary: { fallback: 'spare' }, spare: {} });
  const codes = ['bad_request', 'context_missing', 'engine_error', 'timeout'];
  for (const code of codes) {
    const heard = ask(`!fake on=primary error=${code}`);
    await clock.advance(1_000);
    expect(heard.error?.code).toBe(code);
  }
  const cancelled = ask('!fake silent');
  cancelled.ticket?.cancel();
  await clock.advance(1_000);
  expect(cancelled.error?.code).toBe('cancelled');
});

test('engines that stand in for each other are each asked once; the one that is back first is told', async () => {
  const { clock, ask } = await startEngines({
    one: { fallback: 'two' },
    two: { fallback: 'one' },
  });
  ask('!fake on=one error=engine_limit retry_after_ms=5000 x', { model: 'one' });
  ask('!fake on=two error=engine_limit retry_after_ms=9000 x', { model: 'two' });
  await clock.advance(1);
  const heard = ask('Why?', { model: 'two' });
  await clock.advance(1);
  expect(heard.outcomes).toHaveLength(1);
  expect(heard.error).toMatchObject({ code: 'engine_limit' });
  expect(heard.error?.retryAfterMs).toBeLessThanOrEqual(5_000);
});

test('a query that fell back can be cancelled, and keeps to its time', async () => {
  const { clock, ask } = await startEngines({ primary: { fallback: 'spare' }, spare: {} });
  ask('!fake on=primary error=engine_limit retry_after_ms=60000');
  await clock.advance(1);
  const [late, unwanted] = [ask('!fake silent', { timeoutMs: 500 }), ask('!fake silent')];
  await clock.advance(100);
  unwanted.ticket?.cancel();
  await clock.advance(1_000);
  expect(late.error).toMatchObject({ code: 'timeout' });
  expect(unwanted.error).toMatchObject({ code: 'cancelled' });
});

test('health tells what an engine was refused for, until when, and what it holds', async () => {
  const { clock, ask, health, bridge } = await startEngines({
    primary: { memoryBytesPerTurn: 1_000, limits: { size: 2, spares: 1 } },
  });
  expect(health('primary')).toMatchObject({ processes: { pids: [], memory_bytes: 1_000 } });
  ask('!fake error=engine_limit retry_after_ms=60000');
  await clock.advance(1);
  const nowMs = clock.wallUs() / 1_000;
  expect(health('primary')).toMatchObject({
    state: 'down',
    trouble: 'parked',
    limit: { state: 'limited', reset_at_ms: nowMs + 59_999 },
    retry_at_ms: nowMs + 59_999,
    last_failure: { code: 'engine_limit', at_ms: nowMs - 1, ago_ms: 1 },
  });
  expect(bridge.health()).toMatchObject({ status: 'down', ready: false });
  await clock.advance(60_000);
  expect(health('primary')).toMatchObject({
    state: 'ok',
    limit: { state: 'ok', reset_at_ms: null },
    retry_at_ms: null,
  });
  ask('!fake error=engine_auth');
  await clock.advance(1);
  expect(health('primary')).toMatchObject({ auth: 'failed', state: 'down' });
  await clock.advance(60_000);
  expect(health('primary')).toMatchObject({ auth: 'failed', state: 'degraded' });
  ask('Why?');
  await clock.advance(1);
  expect(health('primary')).toMatchObject({ auth: 'ok', state: 'ok', trouble: null });
});

test('what a provider says of a question is read by its asker alone', async () => {
  const { clock, ask, health } = await startEngines({ only: {} });
  const asker = ask('!fake error=engine_limit retry_after_ms=60000 my canary');
  await clock.advance(1);
  const other = ask('And mine?');
  await clock.advance(1);
  expect(asker.error?.message).toContain('my canary');
  expect(other.error).toMatchObject({ code: 'engine_limit' });
  expect(other.error?.message).toContain('its usage limit is reached');
  expect(other.error?.message + JSON.stringify(health('only'))).not.toContain('my canary');
});

test('a fall-back nobody configured, or to itself, is a mistake, and so is a name for two', async () => {
  await expect(startEngines({ one: { fallback: 'two' } })).rejects.toThrow(ConfigError);
  await expect(startEngines({ one: { fallback: 'one' } })).rejects.toThrow(
    /cannot fall back to one/,
  );
  const clash = { one: { aliases: ['fast'] }, two: { aliases: ['fast'] } };
  await expect(startEngines(clash)).rejects.toThrow(/alias fast of engine two is configured twice/);
  await expect(startEngines({ one: {}, two: { aliases: ['one'] } })).rejects.toThrow(/twice/);
});

describe('the engine meant by a model', () => {
  const engine = (name: string, kind: string, aliases: string[] = []) => ({
    name,
    kind,
    model: `${name}-model`,
    aliases,
  });
  const local = engine('local', 'openai', ['cheap', 'hosted-model']);
  const hosted = engine('hosted', 'claude', ['opus']);
  const second = engine('second', 'claude', ['sonnet']);

  test('is the one of that name, alias or model, else the usual one', () => {
    const route = createRouter([local, hosted, second], local);
    const meant = ['hosted', 'opus', 'second-model', 'hosted-model', 'gpt-4', 'max', undefined];
    expect(meant.map((model) => route(model).name)).toEqual([
      'hosted',
      'hosted',
      'second',
      'local',
      'local',
      'local',
      'local',
    ]);
  });

  test('with the prefix max/ is a Claude engine where there is one', () => {
    const route = createRouter([local, hosted, second], local);
    const meant = ['max/sonnet', 'max/claude-x', 'max/cheap', 'max/'];
    expect(meant.map((model) => route(model).name)).toEqual([
      'second',
      'hosted',
      'hosted',
      'hosted',
    ]);
    expect(createRouter([local, hosted, second], second)('max/x').name).toBe('second');
    expect(createRouter([local], local)('max/x').name).toBe('local');
  });
});
