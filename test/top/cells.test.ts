import fc from 'fast-check';
import { expect, test } from 'vitest';
import { age, cell, cellText, shorten, widthOf, wrap } from '../../clients/top/cells.js';

const text = fc
  .oneof(
    fc.string({ unit: 'grapheme' }),
    fc.string({ unit: 'binary' }),
    fc.constantFrom('漢字漢字漢字', 'a👩‍👩‍👧b', 'é́'.repeat(30)),
  )
  .map(cellText);
const width = fc.integer({ min: 0, max: 40 });

test('what is shortened fits, and what fits is not shortened', () => {
  fc.assert(
    fc.property(text, width, (given, most) => {
      const fitted = shorten(given, most);
      expect(widthOf(fitted)).toBeLessThanOrEqual(most);
      if (widthOf(given) <= most) expect(fitted).toBe(given);
    }),
  );
});

test('a cell is exactly as wide as it is to be', () => {
  fc.assert(
    fc.property(text, width, fc.constantFrom('left', 'right'), (given, wide, side) => {
      expect(widthOf(cell(given, wide, side as 'left'))).toBe(wide);
    }),
  );
});

test('a text that is wrapped loses nothing but spaces, and fits', () => {
  fc.assert(
    fc.property(text, fc.integer({ min: 2, max: 40 }), (given, wide) => {
      const lines = wrap(given, wide);
      expect(lines.join('').replaceAll(/\s/g, '')).toBe(given.replaceAll(/\s/g, ''));
      for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(Math.max(2, wide));
    }),
  );
});

test('an age is in whole seconds', () => {
  expect(age(0, 999_999)).toBe('0 s');
  expect(age(0, 1_999_999)).toBe('1 s');
  expect(age(0, 61_500_000)).toBe('1 min 1 s');
});

test('no age is ever negative, wherever the clock is set', () => {
  const us = fc.integer({ min: 0, max: 4e15 });
  fc.assert(
    fc.property(us, us, (sinceUs, nowUs) => {
      expect(age(sinceUs, nowUs)).toMatch(nowUs <= sinceUs ? /^0 s$/ : /^\d/);
    }),
  );
});
