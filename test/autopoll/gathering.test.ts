import { expect, test } from 'vitest';
import { Gathering } from '../../clients/autopoll/gathering.js';

/** Delivers one more item in each turn of the event loop, as long as there are some. */
function trickle(items: number, inFlight: number): Promise<readonly number[][]> {
  return new Promise((resolve) => {
    const delivered: number[][] = [];
    let left = inFlight;
    const gathering = new Gathering<number>({
      inFlight: () => left,
      deliver: (some) => delivered.push([...some]),
    });
    const next = (item: number) => {
      if (item === items) {
        // What came last is delivered some turns later.
        const settle = (turns: number) =>
          turns === 0 ? resolve(delivered) : void setImmediate(() => settle(turns - 1));
        settle(20);
        return;
      }
      left -= 1;
      gathering.add(item);
      setImmediate(() => next(item + 1));
    };
    next(0);
  });
}

test('a lone answer waits for nobody', async () => {
  expect(await trickle(1, 1)).toEqual([[0]]);
});

test('answers that follow each other go together, up to half of what is in flight', async () => {
  const delivered = await trickle(8, 8);
  expect(delivered.flat()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect(delivered[0]).toEqual([0, 1, 2, 3]);
});

test('a stream of answers without end is delivered all the same', async () => {
  const delivered = await trickle(100, 1_000_000);
  expect(delivered.flat()).toHaveLength(100);
  expect(delivered.length).toBeGreaterThan(9);
});
