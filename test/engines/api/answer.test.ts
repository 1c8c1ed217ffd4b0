import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Draft } from '../../../src/engines/api/answer.js';

function draft(pieces: readonly string[], stop: string | null = 'end_turn') {
  const emitted: string[] = [];
  const made = new Draft((text) => emitted.push(text));
  for (const text of pieces) made.add({ type: 'text', text });
  if (stop !== null) made.add({ type: 'stop', reason: stop });
  return { emitted, finish: () => made.finish() };
}

test('what was emitted, joined, is the answer, each piece well-formed', () => {
  const pieces = fc.array(fc.string({ unit: 'binary' }).map((text) => text.slice(0, 7)));
  fc.assert(
    fc.property(pieces, (pieces) => {
      const { emitted, finish } = draft(['begin', ...pieces]);
      const { text } = finish();
      expect(emitted.join('')).toBe(text);
      expect(text).toBe(`begin${pieces.join('')}`.toWellFormed());
      expect(emitted.every((piece) => piece !== '' && piece.isWellFormed())).toBe(true);
    }),
  );
});

test('a character cut in two pieces arrives in one', () => {
  const { emitted, finish } = draft(['a\ud83d', '\ude00b']);
  expect(finish().text).toBe('a😀b');
  expect(emitted).toEqual(['a', '😀b']);
});

test('an answer without a stop is never complete', () => {
  expect(draft(['all of it'], null).finish).toThrow(/broke off/);
});

test.each(['', ' \n'])('an answer of %j is none', (text) => {
  expect(draft([text]).finish).toThrow(expect.objectContaining({ code: 'engine_error' }));
});

test('a refusal without a word is not worth asking again', () => {
  expect(draft([], 'refusal').finish).toThrow(expect.objectContaining({ code: 'bad_request' }));
  expect(draft(['I will not.'], 'refusal').finish()).toMatchObject({ stopReason: 'refusal' });
});
