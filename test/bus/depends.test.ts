import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mayDepend } from '../../src/bus/depends.js';
import { parseQuestion } from '../../src/bus/index.js';

const KEY = 'depends_on';

test('a question that depends on others is seen as one, however JSON spells the word', () => {
  const spelling = fc.array(fc.boolean(), { minLength: KEY.length, maxLength: KEY.length });
  fc.assert(
    fc.property(spelling, fc.boolean(), (escaped, upper) => {
      const key = [...KEY].map((letter, at) => (escaped[at] ? spelledOut(letter, upper) : letter));
      const message = `{"type":"query","question":"why?","${key.join('')}":[1]}`;
      expect(parseQuestion(message, null)).toMatchObject({ dependsOn: [1] });
      expect(mayDepend(message)).toBe(true);
    }),
  );
});

test('a question that depends on nothing costs no second look', () => {
  expect(mayDepend('{"type":"query","question":"why does it depend on that?"}')).toBe(false);
  expect(mayDepend(7)).toBe(false);
});

function spelledOut(letter: string, upper: boolean): string {
  const digits = letter.charCodeAt(0).toString(16).padStart(4, '0');
  return `\\u${upper ? digits.toUpperCase() : digits}`;
}
