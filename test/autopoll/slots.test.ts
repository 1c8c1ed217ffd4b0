import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { mostInFlight, Slots } from '../../clients/autopoll/slots.js';

describe('slots', () => {
  test('an engine whose turns do not end leaves the others theirs', () => {
    const slots = new Slots(2);
    slots.take('stuck');
    slots.take('stuck');
    expect(slots.offer()).toEqual({ limit: 2, full: ['stuck'] });
    slots.take('');
    expect(slots.offer()).toEqual({ limit: 1, full: ['stuck'] });
    slots.leave('stuck');
    expect(slots.offer()).toEqual({ limit: 1, full: [] });
  });

  test('a slot that nobody took cannot be given back', () => {
    const slots = new Slots(1);
    slots.leave('');
    slots.take('');
    expect(slots.offer()).toEqual({ limit: 1, full: [''] });
    expect(slots.engines).toBe(1);
  });

  test('whatever is claimed as offered, no engine and not all together get more than their slots', () => {
    const Step = fc.record({
      engine: fc.constantFrom('', 'a', 'b', 'c', 'd', 'e'),
      ends: fc.nat(3),
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.array(Step), (perEngine, steps) => {
        const slots = new Slots(perEngine);
        const inFlight: string[] = [];
        for (const { engine, ends } of steps) {
          const { limit, full } = slots.offer();
          for (let count = 0; count < limit && !full.includes(engine); count += 1) {
            slots.take(engine);
            inFlight.push(engine);
          }
          for (const name of new Set(inFlight)) {
            expect(inFlight.filter((each) => each === name).length).toBeLessThanOrEqual(perEngine);
          }
          expect(inFlight.length).toBeLessThanOrEqual(mostInFlight(perEngine));
          for (const ended of inFlight.splice(0, ends)) slots.leave(ended);
          expect(slots.engines).toBe(new Set(inFlight).size);
        }
      }),
    );
  });
});
