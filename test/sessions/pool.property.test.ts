/**
 * The promises of a pool under any order of questions, faults, cancellations and passing time. The
 * engine is watched from outside: it notes whatever a pool must never do to a session.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FakeEngine } from '../../src/engines/fake/index.js';
import type {
  Engine,
  EngineSession,
  OpenOptions,
  Turn,
  TurnEvent,
} from '../../src/engines/index.js';
import { FakeClock } from '../support/fake-clock.js';
import { type Asked, contextNamed, poolOver } from './pool-harness.js';

class WatchedSession implements EngineSession {
  readonly #inner: EngineSession;
  readonly #breaches: string[];
  #busy: 'turn' | 'reset' | undefined;

  constructor(inner: EngineSession, breaches: string[]) {
    this.#inner = inner;
    this.#breaches = breaches;
  }

  get closed() {
    return this.#inner.closed;
  }

  get pids() {
    return this.#inner.pids;
  }

  turn(turn: Turn, emit: (event: TurnEvent) => void) {
    if (this.#busy !== undefined) this.#breaches.push(`a turn during a ${this.#busy}`);
    this.#busy = 'turn';
    const running = this.#inner.turn(turn, emit);
    const over = () => {
      this.#busy = undefined;
    };
    running.then(over, over);
    return running;
  }

  cancel() {
    this.#inner.cancel();
  }

  reset() {
    if (this.#busy !== undefined) this.#breaches.push(`a reset during a ${this.#busy}`);
    const pending = this.#inner.reset();
    if (pending === undefined) return;
    this.#busy = 'reset';
    return pending.then(() => {
      this.#busy = undefined;
    });
  }

  close() {
    return this.#inner.close();
  }
}

function watched(engine: FakeEngine, breaches: string[]): Engine {
  return {
    name: engine.name,
    model: engine.model,
    binds: engine.binds,
    resumes: engine.resumes,
    open: async (options: OpenOptions) => new WatchedSession(await engine.open(options), breaches),
    status: () => engine.status(),
    close: () => engine.close(),
  };
}

const script = fc.constantFrom(
  'plain question',
  '!fake delay=30 slow',
  '!fake delay=200 deltas=3 slower',
  '!fake silent',
  '!fake deaf',
  '!fake late=100 late',
  '!fake late=2000 later',
  '!fake twice again',
  '!fake crash',
  '!fake die last words',
  '!fake throw',
  '!fake error=engine_error',
  '!fake error=engine_limit',
  '!fake reset=fail x',
  '!fake reset=hang x',
  '!fake history',
  '!fake history',
);

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('ask' as const),
      question: script,
      key: fc.constantFrom(undefined, undefined, 'k', 'l'),
      priority: fc.integer({ min: -1, max: 1 }),
      timeoutMs: fc.constantFrom(undefined, undefined, 50, 5_000),
      context: fc.constantFrom('a.md', 'b.md'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cancel' as const), which: fc.nat(50) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.constantFrom(0, 1, 20, 150, 700, 3_000, 40_000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('failOpens' as const), count: fc.nat(6) }),
  },
);

const setting = fc.record({
  limits: fc.record({
    size: fc.integer({ min: 1, max: 3 }),
    spares: fc.integer({ min: 0, max: 2 }),
    queueLimit: fc.constantFrom(3, 1024),
    maxTurns: fc.constantFrom(2, 200),
    idleMs: fc.constantFrom(10_000, 600_000),
    firstByteMs: fc.constant(1_000),
    idleGapMs: fc.constant(1_000),
    resetMs: fc.constant(2_000),
  }),
  fake: fc.record({
    binds: fc.constantFrom('nothing' as const, 'context' as const),
    resumes: fc.boolean(),
    openDelayMs: fc.constantFrom(0, 100),
    resetDelayMs: fc.constantFrom(0, 20),
  }),
});

/** Questions of a key that the pool began to answer, in the order in which it did. */
function inOrder(asked: readonly Asked[]): boolean {
  const begun = asked.filter(({ job }) => job?.session !== undefined);
  return begun.every((query, index) => {
    const before = begun[index - 1];
    return before === undefined || (before.job?.startedMs ?? 0) <= (query.job?.startedMs ?? 0);
  });
}

test('every query has one outcome, sessions are never shared, nothing is remembered or stirs', async () => {
  await fc.assert(
    fc.asyncProperty(setting, fc.array(step, { maxLength: 40 }), async (given, steps) => {
      const clock = new FakeClock();
      const breaches: string[] = [];
      const fake = new FakeEngine({ after: clock.after, ...given.fake });
      const { pool, ask, cancel } = poolOver(watched(fake, breaches), clock, given.limits);
      const asked: Asked[] = [];
      const overlapping = new Set<string>();
      pool.warm(undefined);

      for (const action of steps) {
        if (action.do === 'ask') {
          const { question, key, priority, timeoutMs, context } = action;
          const options = { priority, context: contextNamed(context) };
          asked.push(
            ask(question, {
              ...options,
              ...(key === undefined ? {} : { key }),
              ...(timeoutMs === undefined ? {} : { timeoutMs }),
            }),
          );
        } else if (action.do === 'cancel') {
          const query = asked[action.which % Math.max(1, asked.length)];
          if (query !== undefined) cancel(query);
        } else if (action.do === 'failOpens') {
          fake.failOpens(action.count);
        } else {
          await clock.advance(action.ms);
        }
        for (const key of ['k', 'l']) {
          const running = asked.filter(
            (query) => query.key === key && query.job?.session !== undefined && !query.job.over,
          );
          if (running.length > 1) overlapping.add(key);
        }
        if (fake.live.size > given.limits.size + 1) breaches.push('too many sessions');
      }

      await clock.advance(1_500_000);
      expect(breaches).toEqual([]);
      expect([...overlapping]).toEqual([]);
      for (const query of asked) {
        expect(query.outcomes).toHaveLength(1);
        if (query.timeoutMs === undefined)
          expect(query.error?.message ?? '').not.toMatch(/was free/);
      }
      for (const query of asked) {
        if (query.key === undefined && query.question === '!fake history' && query.answer) {
          expect(query.answer).toBe('[]');
        }
      }
      for (const key of ['k', 'l']) {
        expect(inOrder(asked.filter((query) => query.key === key))).toBe(true);
      }
      // At rest nothing comes and goes: a pool that stirs by itself starts processes for nobody.
      const opened = fake.opened;
      await clock.advance(1_500_000);
      expect(fake.opened).toBe(opened);
      expect(fake.live.size).toBeLessThanOrEqual(given.limits.size);
      expect(fake.live.size).toBe(pool.sessions.length);
      for (const { state, leaving } of pool.sessions) {
        expect([state.at, leaving]).toEqual(['ready', false]);
      }

      await pool.close();
      expect(fake.live.size).toBe(0);
      expect(clock.pending).toBe(0);
    }),
    { numRuns: 300 },
  );
});
