import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Draft } from '../../../src/engines/api/answer.js';

const KEY = 'gw-gw-0123456789-key';

function draft(pieces: readonly string[], stop: string | null = 'end_turn', key?: string) {
  const emitted: string[] = [];
  const made = new Draft((text) => emitted.push(text), key);
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

test('the key is in no answer, wherever it was cut, and what was emitted is still the answer', () => {
  const text = fc.oneof(fc.constantFrom(KEY, 'gw-', 'gw-gw', KEY.slice(0, -1)), fc.string());
  fc.assert(
    fc.property(fc.array(text), fc.array(fc.nat()), (texts, places) => {
      const said = `Bearer ${KEY}${texts.join('')}`;
      const at = [0, ...places.map((place) => place % said.length), said.length];
      at.sort((a, b) => a - b);
      const pieces = at.slice(1).map((end, n) => said.slice(at[n], end));
      const { emitted, finish } = draft(pieces, 'end_turn', KEY);
      const answer = finish().text;
      expect(emitted.join('')).toBe(answer);
      expect(answer).toBe(said.replaceAll(KEY, '[key]'));
    }),
  );
});

test('only what may be the beginning of the key is held back', () => {
  const { emitted, finish } = draft(['The gateway', ' at gw', '-1', ' gw-gw-0'], 'end_turn', KEY);
  expect(emitted).toEqual(['The gateway', ' at ', 'gw-1', ' ']);
  expect(finish().text).toBe('The gateway at gw-1 gw-gw-0');
});

test('why an answer stopped is told without the key', () => {
  expect(draft(['a'], KEY, KEY).finish().stopReason).toBe('[key]');
});

test('a key too short to be a secret is a word like any other', () => {
  expect(draft(['Install ollama.'], 'end_turn', 'ollama').finish().text).toBe('Install ollama.');
});
