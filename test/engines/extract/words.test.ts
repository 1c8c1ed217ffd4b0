import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { detectLanguage } from '../../../src/engines/extract/language.js';
import { stem } from '../../../src/engines/extract/stem.js';
import { endsSentence, rawTokens, wordsOf } from '../../../src/engines/extract/tokens.js';

const words = (text: string) =>
  rawTokens(text).flatMap((raw) => (endsSentence(raw) ? [] : wordsOf(raw)));

describe('words', () => {
  test('a word of code is found whole and by its parts', () => {
    expect(words('gemma3_extract')).toEqual(
      expect.arrayContaining(['gemma3_extract', 'gemma3', 'gemma', 'extract']),
    );
    expect(words('web/auth')).toEqual(['web/auth', 'web', 'auth']);
    for (const whole of ['maxRetryCount', 'max_retry_count', 'max-retry-count']) {
      expect(words(whole)).toEqual(
        expect.arrayContaining([whole.toLowerCase(), 'max', 'retry', 'count', 'retry-count']),
      );
    }
    expect(words('HTTPServer')).toEqual(['httpserver', 'http', 'server']);
    expect(words('`read = 0`')).toEqual(['read', '0']);
    expect(words('--context-root DIR')).toEqual(['context-root', 'context', 'root', 'dir']);
  });

  test('a number is one word however it is grouped', () => {
    for (const text of ['50,000', '50.000', '50_000', '50’000', '50000']) {
      expect(words(text)).toEqual(['50000']);
    }
    expect(words('2.5 12:30')).toEqual(['2.5', '12:30']);
    expect(words('120s')).toContain('120');
    expect(words('2026-03-05')).toEqual(['2026-03-05', '2026', '3', '5']);
  });

  test('accents and case make no difference', () => {
    expect(words('Größe ÉTÉ Ærø')).toEqual(words('grösse été aerø'));
  });

  test('scripts without spaces are found by pairs of characters', () => {
    expect(words('東京都')).toEqual(['東京', '京都']);
    expect(words('水')).toEqual(['水']);
  });

  test('sentences end at their mark, not at a point inside a word', () => {
    const ends = (text: string) => rawTokens(text).filter(endsSentence).length;
    expect(ends('Version 1.2 of a.md is out. Is it? Yes!')).toBe(3);
    expect(ends('終わり。次')).toBe(1);
  });

  test('any text gives words of bounded length', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
        for (const word of words(text)) expect(word.length).toBeLessThanOrEqual(64 * 18);
      }),
    );
  });
});

describe('stems', () => {
  test('forms of one English word meet', () => {
    for (const forms of [
      'renew renewed renews renewing',
      'deploy deployment deployed',
      'keep kept keeps',
      'query queries',
      'id ids',
      'archive archived archives',
      'write wrote written',
    ]) {
      expect(new Set(forms.split(' ').map((word) => stem(word, 'en'))).size, forms).toBe(1);
    }
  });

  test('follow the published algorithm', () => {
    const known = {
      relational: 'relat',
      hopping: 'hop',
      troubles: 'troubl',
      happy: 'happi',
      electricity: 'electr',
      adjustable: 'adjust',
      controlling: 'control',
      probate: 'probat',
      generalizations: 'gener',
    };
    for (const [word, expected] of Object.entries(known)) expect(stem(word, 'en')).toBe(expected);
  });

  test('forms of German, French and Spanish words meet', () => {
    expect(stem('maschinen', 'de')).toBe(stem('maschine', 'de'));
    expect(stem('drucker', 'de')).toBe(stem('druckern', 'de'));
    expect(stem('reservation', 'fr')).toBe(stem('reservations', 'fr'));
    expect(stem('servidores', 'es')).toBe(stem('servidor', 'es'));
  });

  test('words with digits or of other scripts stay as they are', () => {
    for (const word of ['gemma3', '2026', 'сервера', 'web/auths'])
      expect(stem(word, 'en')).toBe(word);
  });
});

test('the language of a text is told by its small words', () => {
  expect(detectLanguage(words('the server is on a port and it listens'))).toBe('en');
  expect(detectLanguage(words('der Server ist auf einem Port und er lauscht'))).toBe('de');
  expect(detectLanguage(words('le serveur est sur un port et il écoute'))).toBe('fr');
  expect(detectLanguage(words('el servidor está en un puerto y escucha'))).toBe('es');
  expect(detectLanguage([])).toBe('en');
});
