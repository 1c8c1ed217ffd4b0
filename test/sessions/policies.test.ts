/** The pure policies: which session, who leaves, when to try again, whose time is up. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fault } from '../../src/errors.js';
import { choose, type SessionFacts } from '../../src/sessions/affinity.js';
import { Alarm } from '../../src/sessions/alarm.js';
import {
  afterFault,
  DEFAULT_BACKOFF,
  delayMs,
  type EngineHealth,
  refusesTurns,
  WELL,
} from '../../src/sessions/backoff.js';
import { DEFAULT_CLOCKS, runsOutMs, timeIsUp } from '../../src/sessions/clocks.js';
import { floor, victim, wear, whoLeaves } from '../../src/sessions/eviction.js';
import { growth } from '../../src/sessions/growth.js';
import { roomInMs } from '../../src/sessions/line.js';
import { FakeClock } from '../support/fake-clock.js';

function session(facts: Partial<SessionFacts> & { id?: string } = {}) {
  return {
    state: { at: 'ready', sinceMs: 0 } as const,
    key: undefined,
    contextId: undefined,
    leaving: false,
    openedMs: 0,
    usedMs: 0,
    turns: 0,
    faults: 0,
    memoryBytes: () => undefined,
    ...facts,
  };
}

const free = { binds: 'nothing' } as const;
const bound = { binds: 'context' } as const;
const fresh = { key: undefined, contextId: undefined };
const busy = { at: 'busy', turn: 'x' } as const;

describe('affinity', () => {
  test('the session of the key wins over any other', () => {
    const own = session({ key: 'k' });
    const sessions = [session({ contextId: 'c' }), own, session()];
    expect(choose(sessions, { key: 'k', contextId: 'c' }, free)).toBe(own);
  });

  test('then the same context, then the one used last', () => {
    const same = session({ contextId: 'c', usedMs: 1 });
    const recent = session({ usedMs: 9 });
    expect(choose([session(), recent, same], { ...fresh, contextId: 'c' }, free)).toBe(same);
    expect(choose([session(), recent, same], fresh, free)).toBe(recent);
  });

  test('neither a busy session, nor one that leaves, nor one of another key is chosen', () => {
    const none = [session({ state: busy }), session({ leaving: true }), session({ key: 'l' })];
    expect(choose(none, fresh, free)).toBeUndefined();
    expect(choose(none, { ...fresh, key: 'k' }, free)).toBeUndefined();
  });

  test('an engine that binds serves only the context it was opened for', () => {
    const other = session({ contextId: 'd' });
    expect(choose([other], { ...fresh, contextId: 'c' }, bound)).toBeUndefined();
    expect(choose([other], { ...fresh, contextId: 'c' }, free)).toBe(other);
    const own = session({ key: 'k', contextId: 'd' });
    expect(choose([own], { key: 'k', contextId: 'c' }, bound)).toBeUndefined();
  });

  test('an engine that resumes opens a session for a key rather than give it a spare', () => {
    const resuming = { binds: 'nothing', resumes: true } as const;
    expect(choose([session()], { ...fresh, key: 'k' }, resuming)).toBeUndefined();
    expect(choose([session()], fresh, resuming)).toBeDefined();
  });
});

describe('eviction', () => {
  const limits = { maxTurns: 10, maxAgeMs: 1_000, maxMemoryBytes: 100, maxFaults: 2 };

  test('a session wears by turns, age, memory and failed turns', () => {
    expect(wear(session(), 0, limits)).toBeUndefined();
    expect(wear(session({ turns: 10 }), 0, limits)).toBe('turns');
    expect(wear(session(), 1_000, limits)).toBe('age');
    expect(wear(session({ memoryBytes: () => 100 }), 0, limits)).toBe('memory');
    expect(wear(session({ faults: 2 }), 0, limits)).toBe('faults');
    expect(wear(session({ key: 'k', turns: 10 }), 1_000, limits)).toBeUndefined();
  });

  test('room for one turn stays with the spares once a turn was served', () => {
    expect(floor(1, 0, false)).toBe(1);
    expect(floor(1, 0, true)).toBe(2);
    expect(floor(2, 3, true)).toBe(5);
    expect(floor(0, 0, true)).toBe(0);
  });

  test('of idle fresh sessions those above the floor leave, the longest unused first', () => {
    const [old, older, recent] = [5, 1, 95].map((usedMs) => session({ usedMs }));
    const sessions = [old, older, recent, session({ state: busy })] as SessionFacts[];
    expect(whoLeaves(sessions, 100, 50, 3)).toEqual([older]);
    expect(whoLeaves(sessions, 100, 50, 0)).toEqual([older, old]);
    expect(whoLeaves(sessions, 100, 50, 4)).toEqual([]);
  });

  test('an idle sticky session leaves whatever the floor', () => {
    const sticky = session({ key: 'k' });
    expect(whoLeaves([sticky], 100, 50, 4)).toEqual([sticky]);
    expect(whoLeaves([sticky], 49, 50, 4)).toEqual([]);
  });

  test('a fresh session makes room before a conversation is lost', () => {
    const keyed = session({ key: 'k', usedMs: 1 });
    const unclaimed = session({ usedMs: 9 });
    expect(victim([keyed, unclaimed])).toBe(unclaimed);
    expect(victim([session({ key: 'l', usedMs: 5 }), keyed])).toBe(keyed);
    expect(victim([])).toBeUndefined();
  });
});

describe('growth', () => {
  const nobody = () => false;
  const roomFor = (slots: number, mayOpen = true) => ({ slots, mayOpen });

  test('a session opens for each query that none on its way will serve', () => {
    const opening = session({ state: { at: 'opening', sinceMs: 0 } });
    const steps = growth([fresh, fresh, fresh, fresh], [opening], roomFor(2), free, nobody);
    expect(steps.map((step) => step.do)).toEqual(['open', 'open']);
  });

  test('nothing opens or leaves while the engine may not be started', () => {
    const other = session({ contextId: 'd' });
    const wanted = { ...fresh, contextId: 'c' };
    expect(growth([wanted], [other], roomFor(3, false), bound, nobody)).toEqual([]);
    expect(growth([wanted], [other], roomFor(0), bound, nobody)).toEqual([
      { do: 'close', session: other },
    ]);
  });

  test('a resting conversation is forgotten for another query, unless it is awaited', () => {
    const sticky = session({ key: 'k' });
    expect(growth([fresh], [sticky], roomFor(0, false), free, nobody)).toEqual([
      { do: 'rebind', session: sticky },
    ]);
    expect(growth([fresh], [sticky], roomFor(0), free, () => true)).toEqual([]);
  });

  test('a slot about to be free is counted once', () => {
    const closing = session({ state: { at: 'closing', sinceMs: 0, owed: undefined } });
    const resting = session({ contextId: 'd' });
    const wanted = { ...fresh, contextId: 'c' };
    const one = growth([wanted], [closing, resting], roomFor(0), bound, nobody);
    expect(one).toEqual([]);
    const two = growth([wanted, wanted], [closing, resting], roomFor(0), bound, nobody);
    expect(two).toEqual([{ do: 'close', session: resting }]);
  });
});

describe('back-off', () => {
  const why = fault('engine_unavailable', 'no such file');

  test('the wait doubles up to its limit and is spread by half', () => {
    expect(delayMs(1, DEFAULT_BACKOFF, 0)).toBe(50);
    expect(delayMs(1, DEFAULT_BACKOFF, 0.999)).toBeCloseTo(100, 0);
    expect(delayMs(4, DEFAULT_BACKOFF, 0)).toBe(400);
    expect(delayMs(1_000, DEFAULT_BACKOFF, 0)).toBe(30_000);
  });

  test('faults in a row lead to quarantine, faults far apart do not', () => {
    let health = afterFault(WELL, why, 0, DEFAULT_BACKOFF, 0);
    for (let fault = 2; fault < 5; fault += 1) {
      health = afterFault(health, why, fault, DEFAULT_BACKOFF, 0);
      expect(health.at).toBe('backing_off');
    }
    expect(afterFault(health, why, 10, DEFAULT_BACKOFF, 0).at).toBe('quarantined');
    expect(afterFault(health, why, 700_000, DEFAULT_BACKOFF, 0)).toMatchObject({
      at: 'backing_off',
      faults: 1,
    });
  });

  const limit = fault('engine_limit', 'used up', { retryAfterMs: 90_000 });

  test('a used-up limit parks the engine until its reset, at once', () => {
    const health = afterFault(WELL, limit, 1_000, DEFAULT_BACKOFF, 0, 'turn');
    expect(health).toMatchObject({ at: 'parked', untilMs: 91_000 });
    expect(refusesTurns(health, 90_999)).toBe(true);
    expect(refusesTurns(health, 91_000)).toBe(false);
  });

  test('turns that meet a limit beside each other count as one, and the latest reset holds', () => {
    const first = afterFault(WELL, limit, 1_000, DEFAULT_BACKOFF, 0, 'turn');
    const second = afterFault(first, limit, 1_500, DEFAULT_BACKOFF, 0, 'turn');
    expect(second).toMatchObject({ faults: 1, untilMs: 91_500 });
    const crash = fault('engine_error', 'crashed');
    expect(afterFault(second, crash, 1_600, DEFAULT_BACKOFF, 0)).toEqual(second);
  });

  test('a missing login is tried again at a slow pace, slower each time', () => {
    const login = fault('engine_auth', 'log in first');
    let health = afterFault(WELL, login, 0, DEFAULT_BACKOFF, 0.999, 'turn');
    const waits: number[] = [];
    for (let round = 0; round < 6; round += 1) {
      waits.push(Math.round((health.untilMs - health.faultMs) / 1_000));
      health = afterFault(health, login, health.untilMs, DEFAULT_BACKOFF, 0.999, 'turn');
    }
    expect(waits).toEqual([30, 60, 120, 240, 300, 300]);
  });

  test('one overloaded turn stops nobody, many in a row or a time that was named park', () => {
    const busy = fault('engine_unavailable', 'overloaded');
    let health = afterFault(WELL, busy, 0, DEFAULT_BACKOFF, 0, 'turn');
    expect(health.at).toBe('backing_off');
    for (let turn = 0; turn < 4; turn += 1) {
      health = afterFault(health, busy, 10 + turn, DEFAULT_BACKOFF, 0, 'turn');
    }
    expect(health.at).toBe('parked');
    const named = fault('engine_unavailable', 'overloaded', { retryAfterMs: 5_000 });
    expect(afterFault(WELL, named, 0, DEFAULT_BACKOFF, 0, 'turn')).toMatchObject({
      at: 'parked',
      untilMs: 5_000,
    });
  });

  test('a far reset is told as it is, tried after half an hour, and not believed beyond a week', () => {
    const weekly = fault('engine_limit', 'used up', { retryAfterMs: 6 * 86_400_000 });
    expect(afterFault(WELL, weekly, 0, DEFAULT_BACKOFF, 0, 'turn')).toMatchObject({
      at: 'parked',
      untilMs: 30 * 60_000,
      endsMs: 6 * 86_400_000,
    });
    const absurd = fault('engine_limit', 'used up', { retryAfterMs: 1e12 });
    expect(afterFault(WELL, absurd, 0, DEFAULT_BACKOFF, 0, 'turn').endsMs).toBeLessThan(60_000);
  });

  test('whatever an engine says about its reset, there is an end to the wait', () => {
    const said = fc.oneof(fc.double(), fc.constantFrom(Number.NaN, Infinity, -1, 1e300));
    const codes = fc.constantFrom('engine_auth', 'engine_limit', 'engine_unavailable' as const);
    fc.assert(
      fc.property(said, codes, fc.integer({ min: 1, max: 50 }), (retryAfterMs, code, rounds) => {
        let health: EngineHealth = WELL;
        let nowMs = 1_000;
        for (let round = 0; round < rounds; round += 1) {
          const next = afterFault(
            health,
            fault(code, 'no', { retryAfterMs }),
            nowMs,
            DEFAULT_BACKOFF,
            0.5,
            'turn',
          );
          expect(next.untilMs - nowMs).toBeGreaterThanOrEqual(50);
          expect(next.untilMs - nowMs).toBeLessThanOrEqual(30 * 60_000);
          health = next;
          nowMs = next.untilMs;
        }
      }),
    );
  });
});

describe('clocks', () => {
  const turn = { startedMs: 1_000, heardMs: undefined, endsByMs: 301_000 };

  test('before the first sign of life the first-byte clock runs, then the idle clock', () => {
    expect(runsOutMs(turn, DEFAULT_CLOCKS)).toBe(121_000);
    expect(runsOutMs({ ...turn, heardMs: 100_000 }, DEFAULT_CLOCKS)).toBe(220_000);
    expect(runsOutMs({ ...turn, heardMs: 290_000 }, DEFAULT_CLOCKS)).toBe(301_000);
  });

  test('a time that is up says which clock it was', () => {
    expect(timeIsUp(turn, DEFAULT_CLOCKS, 120_999)).toBeUndefined();
    expect(timeIsUp(turn, DEFAULT_CLOCKS, 121_000)?.message).toContain('silent for 120 s');
    const lively = { ...turn, heardMs: 300_999 };
    expect(timeIsUp(lively, DEFAULT_CLOCKS, 301_000)?.message).toContain('no answer within 300 s');
  });
});

test('an alarm keeps to the earliest deadline with a single timer', async () => {
  const clock = new FakeClock();
  const rings: number[] = [];
  const startMs = clock.monotonicMs();
  const alarm = new Alarm(clock, clock.after, (nowMs) => rings.push(nowMs - startMs));
  alarm.by(startMs + 500);
  alarm.by(startMs + 100);
  alarm.by(startMs + 900);
  expect(clock.pending).toBe(1);
  await clock.advance(2_000);
  expect(rings).toEqual([100]);
  alarm.by(startMs + 2_500);
  alarm.off();
  expect(clock.pending).toBe(0);
});

test('the guess when a full line has room stays within reason', () => {
  expect(roomInMs(1_024, 4, 0)).toBe(100);
  expect(roomInMs(100, 4, 1_000)).toBe(12_500);
  expect(roomInMs(100_000, 1, 60_000)).toBe(30_000);
});
