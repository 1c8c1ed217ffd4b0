import fc from 'fast-check';
import { expect, test } from 'vitest';
import { describePark, Parking } from '../../clients/autopoll/parking.js';
import type { Park } from '../../src/bus/index.js';
import { TestClock } from '../support/temp-bus.js';

const LIMIT = { code: 'engine_limit', retryAfterMs: 60_000 };

function lot() {
  const clock = new TestClock();
  const changes: [string, Park | undefined][] = [];
  const parking = new Parking({ clock, changed: (...change) => void changes.push(change) });
  return { clock, parking, changes };
}

test('a limit closes its engine until the time it named, and no other', () => {
  const { clock, parking } = lot();
  expect(parking.closed).toBeUndefined();
  expect(parking.admits('slow', 1)).toBe(true);
  parking.refused('slow', LIMIT, 60_000);
  expect(parking.closed).toEqual(['slow']);
  expect(parking.nextProbeMs).toBe(60_000);
  expect(parking.admits('slow', 2)).toBe(false);
  expect(parking.admits('', 3)).toBe(true);
  clock.advance(60_000);
  expect(parking.closed).toEqual([]);
});

test('when the time has come one question goes first, and the rest when the engine has worked on it', () => {
  const { clock, parking, changes } = lot();
  parking.refused('slow', LIMIT, 60_000);
  clock.advance(60_000);
  expect(parking.admits('slow', 1)).toBe(true);
  expect(parking.admits('slow', 2)).toBe(false);
  expect(parking.closed).toEqual(['slow']);
  parking.worked('slow', 1);
  expect(parking.closed).toBeUndefined();
  expect(parking.admits('slow', 2)).toBe(true);
  expect(changes.map(([engine, park]) => [engine, park?.code])).toEqual([
    ['slow', 'engine_limit'],
    ['slow', undefined],
  ]);
});

test('a question asked before the engine was parked opens it no more', () => {
  const { parking } = lot();
  parking.admits('slow', 1);
  parking.refused('slow', LIMIT, 60_000);
  parking.worked('slow', 1);
  expect(parking.closed).toEqual(['slow']);
});

test('a question that is not admitted stays away until the engine is tried, and while it is', () => {
  const { clock, parking } = lot();
  parking.refused('slow', LIMIT, 60_000.5);
  expect(parking.waitMs('slow')).toBe(60_001);
  clock.advance(61_000);
  parking.admits('slow', 1);
  expect(parking.waitMs('slow')).toBe(1_000);
});

test('when the first question ends without a word of the engine, the next one tries', () => {
  const { clock, parking } = lot();
  parking.refused('slow', LIMIT, 60_000);
  clock.advance(60_000);
  parking.admits('slow', 1);
  parking.left('slow', 1);
  expect(parking.admits('slow', 2)).toBe(true);
});

test('what an earlier process knew holds, for a quarter of an hour at most', () => {
  const { clock, parking } = lot();
  const sinceUs = clock.wallUs() - 1_000_000;
  const named = (ms: number) => clock.wallUs() + ms * 1000;
  const parks = [
    { engine: 'soon', code: 'engine_limit', sinceUs, untilUs: named(30_000) },
    { engine: 'late', code: 'engine_limit', sinceUs, untilUs: named(86_400_000) },
    { engine: 'past', code: 'engine_limit', sinceUs, untilUs: named(-5_000) },
    { engine: 'login', code: 'engine_auth', sinceUs, untilUs: undefined },
  ];
  parking.restore(parks);
  expect(parking.closed).toEqual(['soon', 'late']);
  expect(parking.nextProbeMs).toBe(30_000);
  clock.advance(15 * 60_000);
  expect(parking.closed).toEqual([]);
});

test('an engine that nothing waits for is parked no longer, a minute after its time', () => {
  const { clock, parking, changes } = lot();
  for (const engine of ['idle', 'wanted', 'tried']) parking.refused(engine, LIMIT, 60_000);
  parking.refused('later', LIMIT, 120_000);
  const waiting = new Map([['wanted', 3]]);
  clock.advance(119_999);
  parking.admits('tried', 1);
  parking.forget(waiting);
  expect(parking.engines).toEqual(['idle', 'wanted', 'tried', 'later']);
  clock.advance(1);
  parking.forget(waiting);
  expect(parking.engines).toEqual(['wanted', 'tried', 'later']);
  expect(changes.at(-1)).toEqual(['idle', undefined]);
});

test('however many engines are made up, 256 are parked, and the latest are known', () => {
  const { clock, parking, changes } = lot();
  const sinceUs = clock.wallUs();
  const untilUs = sinceUs + 60_000_000;
  parking.restore(
    Array.from({ length: 300 }, (_, index) => ({
      ...{ engine: `old ${index}`, code: 'engine_limit', untilUs },
      sinceUs: sinceUs - index,
    })),
  );
  expect(parking.engines).toHaveLength(256);
  expect(parking.engines.at(-1)).toBe('old 0');
  expect(changes.map(([engine]) => engine)).toContain('old 299');
  for (let index = 0; index < 1_000; index += 1) parking.refused(`new ${index}`, LIMIT, 60_000);
  expect(parking.engines).toEqual(Array.from({ length: 256 }, (_, index) => `new ${744 + index}`));
  const noted = new Set<string>();
  for (const [engine, park] of changes) {
    if (park) noted.add(engine);
    else noted.delete(engine);
  }
  expect([...noted].sort()).toEqual([...parking.engines].sort());
});

test('people read until when, how many wait, and what to put right', () => {
  const untilUs = Date.UTC(2026, 10, 20, 14, 5) * 1000;
  expect(describePark({ code: 'engine_limit', untilUs }, 37)).toBe(
    'usage limit until 2026-11-20T14:05:00Z, 37 questions wait',
  );
  expect(describePark({ code: 'engine_auth', untilUs: undefined }, 1)).toBe(
    'login refused until it is put right, 1 question waits',
  );
});

test('an overload closes an engine only when it says until when', () => {
  const { parking } = lot();
  parking.refused('busy', { code: 'engine_unavailable' }, 15_000);
  parking.refused('busy', { code: 'busy', retryAfterMs: 1_000 }, 1_000);
  expect(parking.closed).toBeUndefined();
  parking.refused('busy', { code: 'engine_unavailable', retryAfterMs: 1_000 }, 1_000);
  expect(parking.closed).toEqual(['busy']);
});

type Step =
  | { readonly do: 'claim'; readonly question: number }
  | { readonly do: 'refuse' | 'work' | 'leave'; readonly question: number; readonly ms: number }
  | { readonly do: 'wait'; readonly ms: number };

const steps = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('claim' as const), question: fc.nat(5) }),
    fc.record({
      do: fc.constantFrom('refuse' as const, 'work' as const, 'leave' as const),
      question: fc.nat(5),
      ms: fc.nat(100_000),
    }),
    fc.record({ do: fc.constant('wait' as const), ms: fc.nat(100_000) }),
  ),
  { maxLength: 60 },
) as fc.Arbitrary<Step[]>;

test('whatever happens: a parked engine is tried by one question at a time, and is never closed for good', () => {
  fc.assert(
    fc.property(steps, (play) => {
      const { clock, parking } = lot();
      let probe: number | undefined;
      let isParked = false;
      for (const step of play) {
        if (step.do === 'wait') clock.advance(step.ms);
        else if (step.do === 'claim') {
          const isAsked = parking.admits('slow', step.question);
          if (isParked && isAsked) {
            expect(probe).toBeUndefined();
            probe = step.question;
          }
          expect(isAsked || isParked).toBe(true);
        } else if (step.do === 'refuse') {
          parking.refused('slow', LIMIT, step.ms);
          isParked = true;
          probe = undefined;
        } else {
          if (step.do === 'work') parking.worked('slow', step.question);
          else parking.left('slow', step.question);
          if (probe === step.question) {
            isParked = isParked && step.do !== 'work';
            probe = undefined;
          }
        }
        expect(parking.closed === undefined).toBe(!isParked);
      }
      if (probe !== undefined) parking.left('slow', probe);
      clock.advance(15 * 60_000);
      expect(parking.admits('slow', 9)).toBe(true);
    }),
  );
});
