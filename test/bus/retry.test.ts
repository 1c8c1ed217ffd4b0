import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DEFAULT_RETRY, planRetry } from '../../src/bus/index.js';
import { ERROR_CODES, type ErrorCode } from '../../src/errors.js';

const code = fc.constantFrom(...(Object.keys(ERROR_CODES) as ErrorCode[]), 'a_code_of_tomorrow');
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const attempt = fc.integer({ min: 1, max: 10_000 });
const retryAfterMs = fc.option(fc.integer({ min: 0, max: 86_400_000 }), { nil: undefined });

describe('after a failed attempt', () => {
  test.each(['bad_request', 'context_denied', 'context_missing', 'not_found', 'conflict'])(
    '%s is the fault of the question: it is answered with the error at once',
    (fault) => {
      expect(planRetry({ code: fault }, 1, 0)).toEqual({ step: 'answer_error', dead: false });
    },
  );

  test.each(['engine_limit', 'engine_auth', 'engine_unavailable', 'busy', 'shutting_down'])(
    '%s is no fault of the question: it waits, and the attempt does not count',
    (fault) => {
      expect(planRetry({ code: fault }, 100, 0).step).toBe('park');
    },
  );

  test.each(['timeout', 'engine_error', 'internal', 'a_code_of_tomorrow'])(
    '%s is tried again until the attempts are used up',
    (fault) => {
      expect(planRetry({ code: fault }, 1, 0).step).toBe('retry');
      expect(planRetry({ code: fault }, 2, 0).step).toBe('retry');
      expect(planRetry({ code: fault }, 3, 0)).toEqual({ step: 'answer_error', dead: true });
    },
  );

  test('waits grow twofold from half a second, spread over their upper half, up to a minute', () => {
    const waits = (chance: number) =>
      [1, 2, 3, 4, 50].map((count) => {
        const policy = { ...DEFAULT_RETRY, maxAttempts: 100 };
        const plan = planRetry({ code: 'timeout' }, count, chance, policy);
        return plan.step === 'retry' && plan.delayMs;
      });
    expect(waits(0)).toEqual([250, 500, 1000, 2000, 30_000]);
    expect(waits(0.999999)).toEqual([500, 1000, 2000, 4000, 60_000]);
  });

  test('no try comes before the time the engine named, and one comes within a quarter of an hour', () => {
    fc.assert(
      fc.property(code, attempt, random, retryAfterMs, (fault, count, chance, afterMs) => {
        const plan = planRetry({ code: fault, retryAfterMs: afterMs }, count, chance);
        if (plan.step === 'answer_error') return;
        const namedMs = Math.min(afterMs ?? 0, 900_000);
        expect(plan.delayMs).toBeGreaterThanOrEqual(namedMs);
        expect(plan.delayMs).toBeLessThanOrEqual(Math.max(DEFAULT_RETRY.maxDelayMs, namedMs));
        expect(Number.isFinite(plan.delayMs)).toBe(true);
      }),
    );
  });

  test('no further attempt begins once the failed ones took their time, and none is given up before', () => {
    const spentMs = fc.nat(7_200_000);
    fc.assert(
      fc.property(code, random, spentMs, (fault, chance, spent) => {
        const policy = { ...DEFAULT_RETRY, maxAttempts: 100 };
        const plan = planRetry({ code: fault, spentMs: spent }, 1, chance, policy);
        const fresh = planRetry({ code: fault }, 1, chance, policy);
        if (plan.step === 'retry') expect(spent + plan.delayMs).toBeLessThan(3_600_000);
        if (spent < 3_599_000 || fresh.step !== 'retry') expect(plan).toEqual(fresh);
        else if (spent >= 3_600_000) expect(plan).toEqual({ step: 'answer_error', dead: true });
      }),
    );
  });

  test('a park is no attempt: however long a question waits for an engine, it is not given up', () => {
    const failure = { code: 'engine_limit', retryAfterMs: 3_600_000, spentMs: 1e12 };
    expect(planRetry(failure, 100, 0).step).toBe('park');
  });

  test('what may succeed when sent again is never given up before its attempts are used up', () => {
    fc.assert(
      fc.property(code, random, (fault, chance) => {
        fc.pre(ERROR_CODES[fault as ErrorCode]?.retryable ?? true);
        expect(planRetry({ code: fault }, 1, chance).step).not.toBe('answer_error');
      }),
    );
  });

  test('nothing is tried for ever', () => {
    fc.assert(
      fc.property(code, random, (fault, chance) => {
        expect(planRetry({ code: fault }, DEFAULT_RETRY.maxAttempts, chance).step).not.toBe(
          'retry',
        );
      }),
    );
  });
});
