/** What is known by request id, against a plain list of what should be. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Query, QueryOutcome } from '../../src/bridge/index.js';
import { RequestIds } from '../../src/bridge/request-ids.js';
import { fault } from '../../src/errors.js';

const LIMITS = { maxEntries: 5, maxChars: 2_000, ttlMs: 100 };
const IDS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

const reply = (answer: string): QueryOutcome => ({
  ok: true,
  reply: { answer, sources: [], model: 'm', engine: 'e', session: 's', elapsedMs: 0, queuedMs: 0 },
});
const cancelled: QueryOutcome = { ok: false, error: fault('cancelled', 'no more') };

interface Stored {
  readonly id: string;
  readonly atMs: number;
  readonly chars: number;
  readonly query: Query;
  readonly outcome: QueryOutcome;
}

test('an id leads to its running query, then to its reply until that is old or crowded out', () => {
  const id = fc.constantFrom(...IDS);
  const step = fc.oneof(
    fc.record({ do: fc.constant('ask' as const), id }),
    fc.record({ do: fc.constant('answer' as const), id, chars: fc.constantFrom(1, 300, 3_000) }),
    fc.record({ do: fc.constantFrom('cancel' as const, 'forget' as const), id }),
    fc.record({ do: fc.constant('wait' as const), ms: fc.nat({ max: 60 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let nowMs = 0;
      const clock = { monotonicMs: () => nowMs, wallUs: () => 0 };
      const known = new RequestIds<{ query: Query }>(LIMITS, clock);
      const running = new Map<string, { query: Query }>();
      let stored: Stored[] = [];
      const chars = () => stored.reduce((sum, entry) => sum + entry.chars, 0);
      for (const now of steps) {
        stored = stored.filter(({ atMs }) => nowMs - atMs < LIMITS.ttlMs);
        if (now.do === 'wait') {
          nowMs += now.ms;
          continue;
        }
        const flight = running.get(now.id);
        if (now.do === 'ask') {
          if (known.find(now.id) !== undefined) continue;
          const begun = { query: { question: now.id } };
          known.began(now.id, begun);
          running.set(now.id, begun);
        } else if (flight !== undefined) {
          running.delete(now.id);
          if (now.do === 'forget') known.forget(now.id, flight);
          const outcome = now.do === 'answer' ? reply('x'.repeat(now.chars)) : cancelled;
          known.ended(now.id, flight, outcome);
          if (now.do !== 'answer' || now.chars > LIMITS.maxChars) continue;
          const size = 256 + 1 + now.chars;
          stored.push({ id: now.id, atMs: nowMs, chars: size, query: flight.query, outcome });
          while (stored.length > LIMITS.maxEntries || chars() > LIMITS.maxChars) stored.shift();
        }
      }
      stored = stored.filter(({ atMs }) => nowMs - atMs < LIMITS.ttlMs);
      for (const one of IDS) {
        const found = known.find(one);
        const expected = stored.find((entry) => entry.id === one);
        expect(found?.flight).toBe(running.get(one));
        expect(found?.stored?.outcome).toBe(expected?.outcome);
        expect(found?.stored?.query).toBe(expected?.query);
      }
      expect(known.stored).toBeLessThanOrEqual(LIMITS.maxEntries);
    }),
    { numRuns: 1_000 },
  );
});

test('a query forgotten while it ran leaves alone what was asked with its id since', () => {
  const known = new RequestIds<{ query: Query }>(LIMITS, { monotonicMs: () => 0, wallUs: () => 0 });
  const first = { query: { question: 'Why?' } };
  const second = { query: { question: 'Who?' } };
  known.began('r', first);
  known.forget('r', first);
  known.began('r', second);
  known.ended('r', first, reply('because'));
  expect(known.find('r')).toMatchObject({ flight: second, stored: undefined });
});
