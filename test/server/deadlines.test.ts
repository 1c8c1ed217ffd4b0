import { describe, expect, test } from 'vitest';
import { Deadlines, type Facts } from '../../src/server/deadlines.js';
import { connectionBudget, DEFAULT_LIMITS } from '../../src/server/limits.js';

const calm: Facts = {
  trusted: true,
  greeted: true,
  reading: true,
  partialLine: undefined,
  waitingBytes: 0,
  writes: 0,
  unsentBytes: 0,
};

/** Feeds the same deadlines with facts second by second; the first verdict and its second. */
function run(seconds: number, facts: (second: number) => Partial<Facts>) {
  const deadlines = new Deadlines(0);
  for (let second = 0; second <= seconds; second += 1) {
    const late = deadlines.check(second * 1000, DEFAULT_LIMITS, { ...calm, ...facts(second) });
    if (late !== undefined) return { late, second };
  }
  return undefined;
}

describe('the clocks of a connection', () => {
  test('leave a greeted one idle for a day', () => {
    expect(run(86_400, () => ({}))).toBeUndefined();
  });

  test('give 30 s for the first valid line, and 5 s for a token', () => {
    expect(run(60, () => ({ greeted: false }))).toEqual({ late: 'first_line', second: 31 });
    expect(run(60, () => ({ trusted: false, greeted: false }))).toEqual({
      late: 'token',
      second: 6,
    });
  });

  test('give 30 s for the rest of one line, however many lines go before', () => {
    expect(run(300, (second) => ({ partialLine: second }))).toBeUndefined();
    expect(run(300, (second) => ({ partialLine: Math.min(second, 100) }))).toEqual({
      late: 'partial_line',
      second: 131,
    });
  });

  test('do not blame the client for a line that we do not read', () => {
    expect(run(300, () => ({ partialLine: 1, reading: false }))).toBeUndefined();
  });

  test('drop a reader that takes nothing for 30 s, and keep a slow one', () => {
    const waitingBytes = 1000;
    expect(run(300, () => ({ waitingBytes }))).toEqual({ late: 'write', second: 31 });
    expect(run(300, (second) => ({ waitingBytes, unsentBytes: 9000 - second }))).toBeUndefined();
    expect(run(300, (second) => ({ waitingBytes, writes: second }))).toBeUndefined();
    const pausesFor20s = (second: number) => ({ waitingBytes: second % 20 === 0 ? 0 : 1 });
    expect(run(300, pausesFor20s)).toBeUndefined();
  });

  test('end the wait for the other half after ours is closed', () => {
    const deadlines = new Deadlines(0);
    deadlines.ended(10_000);
    expect(deadlines.check(12_000, DEFAULT_LIMITS, calm)).toBeUndefined();
    expect(deadlines.check(12_001, DEFAULT_LIMITS, calm)).toBe('linger');
  });
});

describe('the budget of connections', () => {
  test('keeps 256 files back from the hard limit', () => {
    expect(connectionBudget(1024, 20_000)).toBe(1024);
    expect(connectionBudget(1024, 1024)).toBe(768);
    expect(connectionBudget(1024, Number.POSITIVE_INFINITY)).toBe(1024);
  });

  test('leaves most of a small limit to everything else', () => {
    expect(connectionBudget(1024, 64)).toBe(16);
    expect(connectionBudget(1024, 1)).toBe(1);
  });
});
