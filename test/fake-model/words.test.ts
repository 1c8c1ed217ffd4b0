import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { takeBehaviour } from '../../src/fake-model/behaviour.js';
import { parseWords, WordError } from '../../src/fake-model/index.js';
import { brokenEncoding, brokenJson, countOfPieces, pieces } from '../../src/fake-model/pieces.js';

describe('words', () => {
  test.each([
    ['', {}],
    ['delay=500 gap=20 deltas=3', { delayMs: 500, gapMs: 20, deltas: 3 }],
    ['status=429 reset=60', { status: 429, resetS: 60 }],
    ['529 no-retry', { status: 529, noRetry: true }],
    ['half-silence', { ending: 'half-silence' }],
    ['echo', { answer: 'echo' }],
    ['huge=100', { answer: { hugeBytes: 100 } }],
    ['tool=Read', { answer: { tool: 'Read', input: {} } }],
    ['tool=Read:{"a":[1]}', { answer: { tool: 'Read', input: { a: [1] } } }],
    ['cite=FILE.md:3-5', { cite: 'FILE.md:3-5' }],
    [
      'delay=1 text=Come back: status=401 ',
      { delayMs: 1, answer: { text: 'Come back: status=401' } },
    ],
  ])('%s', (words, behaviour) => {
    expect(parseWords(words)).toEqual(behaviour);
  });

  test.each([
    'stal',
    'delay=soon',
    'delay=-1',
    'delay=99999999999',
    'status=700',
    '600',
    'huge=1e9',
    'tool=Read:{',
    'constructor',
    'constructor=1',
    '__proto__=1',
  ])('%s is refused by its name', (words) => {
    expect(() => parseWords(words)).toThrow(WordError);
    expect(() => parseWords(words)).toThrow(words);
  });

  test('an unknown word is answered with those there are', () => {
    expect(() => parseWords('stal')).toThrow(/stall.*text=/);
  });

  test('more words than anyone needs are refused', () => {
    expect(() => parseWords('echo '.repeat(10_000))).toThrow(WordError);
    expect(() => takeBehaviour('[[fake:echo]]'.repeat(1_000))).toThrow(WordError);
  });

  test('any text is read or refused', () => {
    const word = fc.constantFrom('[[fake:', ']]', 'stall', 'delay=1', 'text=', '\n', ' ');
    const text = fc.array(fc.oneof(word, fc.string({ unit: 'binary' }))).map((all) => all.join(''));
    fc.assert(
      fc.property(text, (given) => {
        try {
          expect(given.length).toBeGreaterThanOrEqual(takeBehaviour(given).rest.length);
        } catch (error) {
          expect(error).toBeInstanceOf(WordError);
        }
      }),
    );
  });

  test('they are taken out of a text, and the last ones count', () => {
    expect(takeBehaviour('Is [[fake: echo delay=1]]it [[fake:empty]] warm?')).toEqual({
      behaviour: { answer: 'empty', delayMs: 1 },
      rest: 'Is it  warm?',
    });
    expect(takeBehaviour('[[fake: no end')).toEqual({ behaviour: {}, rest: '[[fake: no end' });
  });
});

describe('pieces', () => {
  test('they make up the text, and none is empty or cuts a character', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }),
        fc.integer({ min: 0, max: 50 }),
        (text, count) => {
          const all = pieces(text, count);
          expect(all.join('')).toBe(text);
          expect(all.every((piece) => piece !== '' && piece.isWellFormed())).toBe(true);
          expect(all.length).toBeLessThanOrEqual(Math.max(1, count));
        },
      ),
    );
  });

  test('a long text has few, and none is huge', () => {
    expect(countOfPieces('')).toBe(0);
    expect(countOfPieces('x'.repeat(100))).toBe(5);
    expect(countOfPieces('x'.repeat(100_000))).toBe(200);
    expect(countOfPieces('x'.repeat(64 * 1024 * 1000))).toBe(1000);
  });
});

describe('damage', () => {
  const json = JSON.stringify({ type: 'delta', text: 'Grüße' });

  test('broken encoding is no UTF-8, inside JSON that is whole', () => {
    const bytes = brokenEncoding(json);
    expect(() => new TextDecoder('utf-8', { fatal: true }).decode(bytes)).toThrow();
    expect(JSON.parse(bytes.toString())).toEqual({
      type: 'delta',
      text: expect.stringMatching(/^\ufffd+.*Grüße$/),
    });
  });

  test('broken JSON is the first half of it', () => {
    expect(() => JSON.parse(brokenJson(json).toString())).toThrow();
    expect(json.startsWith(brokenJson(json).toString())).toBe(true);
  });
});
