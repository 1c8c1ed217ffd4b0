import { expect, test } from 'vitest';
import { sharedByKey } from '../../src/context/shared.js';

test('a burst costs two runs, and nobody gets work that began before they asked', async () => {
  let begun = 0;
  const gates: (() => void)[] = [];
  const shared = sharedByKey(
    () => new Promise<number>((done) => gates.push(done.bind(null, ++begun))),
  );
  const first = shared('a');
  const burst = Array.from({ length: 100 }, () => shared('a'));
  expect(begun).toBe(1);
  gates[0]?.();
  expect(await first).toBe(1);
  await Promise.resolve();
  expect(begun).toBe(2);
  gates[1]?.();
  expect(new Set(await Promise.all(burst))).toEqual(new Set([2]));
});

test('a failure reaches those who shared it and nobody after', async () => {
  const outcomes = [Promise.reject(new Error('broken')), Promise.resolve('fine')];
  const shared = sharedByKey(() => outcomes.shift() ?? Promise.reject(new Error('too often')));
  const first = shared('a');
  const second = shared('a');
  await expect(first).rejects.toThrow('broken');
  expect(await second).toBe('fine');
});

test('different keys do not wait for each other', async () => {
  const shared = sharedByKey((key) =>
    key === 'stuck' ? new Promise<string>(() => {}) : Promise.resolve(key),
  );
  shared('stuck');
  expect(await shared('free')).toBe('free');
});
