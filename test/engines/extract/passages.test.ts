import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAX_BYTES, MAX_LINES } from '../../../src/engines/extract/passages.js';
import { markdown, passagesOf } from './support.js';

/** Each passage as `kind from-to`, with what it belongs to. */
function shape(text: string): string[] {
  return passagesOf(text).map(
    ({ kind, fromLine, toLine, heading, parent }) =>
      `${kind} ${fromLine}-${toLine} under ${heading} of ${parent}`,
  );
}

describe('the pieces of a document', () => {
  test('headings carry what stands below them', () => {
    expect(shape('# A\n\ntext a\n\n## B\ntext b\n\n# C\ntext c\n')).toEqual([
      'heading 1-1 under -1 of -1',
      'text 3-3 under 0 of -1',
      'heading 5-5 under 0 of -1',
      'text 6-6 under 2 of -1',
      'heading 8-8 under -1 of -1',
      'text 9-9 under 4 of -1',
    ]);
  });

  test('an underlined title, a bold line and a short first line are headings too', () => {
    const long = 'A line of prose that is long enough to be the body of a plain text section.';
    const text = `Title\n=====\n\n**Bold part**\n\nx\n\nOpening hours\n${long}\n`;
    expect(shape(text).filter((each) => each.startsWith('heading')).length).toBe(3);
  });

  test('a paragraph is cited by all of its lines', () => {
    expect(shape('one two\nthree four\n\nfive\n')).toEqual([
      'text 1-2 under -1 of -1',
      'text 4-4 under -1 of -1',
    ]);
  });

  test('list items belong to their introduction and to the item around them', () => {
    expect(shape('Steps:\n\n- one\n  more\n  - inner\n- two\n')).toEqual([
      'text 1-1 under -1 of -1',
      'item 3-4 under -1 of 0',
      'item 5-5 under -1 of 1',
      'item 6-6 under -1 of 0',
    ]);
  });

  test('each table row stands on its own line and belongs to its header', () => {
    for (const text of [
      '| a | b |\n|---|:-:|\n| 1 | 2 |\n| 3 | 4 |',
      'a | b\n--- | ---\n1 | 2\n3 | 4',
    ]) {
      expect(shape(text)).toEqual([
        'header 1-1 under -1 of -1',
        'row 3-3 under -1 of 0',
        'row 4-4 under -1 of 0',
      ]);
    }
  });

  test('code is cut at blank lines and nothing in it is Markdown', () => {
    expect(shape('```sh\n# not a heading\n- x\n\nlast\n```\nafter')).toEqual([
      'code 2-3 under -1 of -1',
      'code 5-5 under -1 of -1',
      'text 7-7 under -1 of -1',
    ]);
  });

  test('lines of a form or a settings file stand alone', () => {
    expect(shape('Date: today\nOwner: me and\nmy brother\nkey = 1')).toEqual([
      'text 1-1 under -1 of -1',
      'text 2-3 under -1 of -1',
      'text 4-4 under -1 of -1',
    ]);
  });

  test('a byte order mark and carriage returns leave no trace', () => {
    expect(shape('\ufeff# A\r\n\r\ntext\r\n')).toEqual([
      'heading 1-1 under -1 of -1',
      'text 3-3 under 0 of -1',
    ]);
  });

  test('a line of any length is cut after sentences, and every piece cites that line', () => {
    const sentence = 'This sentence is repeated many times over. ';
    const pieces = passagesOf(`first\n${sentence.repeat(500)}\nlast`).filter(
      (p) => p.fromLine === 2,
    );
    expect(pieces.length).toBeGreaterThan(10);
    for (const piece of pieces) {
      expect((piece.end - piece.start) % sentence.length).toBe(0);
      expect(piece.toLine).toBe(2);
    }
  });

  test('a long line is never cut inside a character', () => {
    const bytes = Buffer.from('💧é漢'.repeat(1000));
    for (const { start, end } of passagesOf(bytes)) {
      expect(bytes.toString('utf8', start, end)).not.toContain('\ufffd');
    }
  });
});

test('whatever the document, passages are small, in order and point upwards', () => {
  fc.assert(
    fc.property(markdown, (text) => {
      const bytes = Buffer.from(text);
      const lines = text.split('\n').length;
      let lastEnd = 0;
      let lastLine = 0;
      passagesOf(bytes).forEach((passage, index) => {
        const { fromLine, toLine, start, end, heading, parent } = passage;
        expect(start).toBeGreaterThanOrEqual(lastEnd);
        expect(end).toBeGreaterThan(start);
        expect(end - start).toBeLessThanOrEqual(MAX_BYTES);
        expect(fromLine).toBeGreaterThanOrEqual(Math.max(1, lastLine));
        expect(toLine - fromLine).toBeLessThan(MAX_LINES);
        expect(toLine).toBeLessThanOrEqual(lines);
        expect(heading).toBeLessThan(index);
        expect(parent).toBeLessThan(index);
        lastEnd = end;
        lastLine = toLine;
      });
    }),
    { numRuns: 400 },
  );
});

test('every word of a document is in some passage', () => {
  fc.assert(
    fc.property(markdown, (text) => {
      const bytes = Buffer.from(text);
      const kept = passagesOf(bytes).map(({ start, end }) => bytes.toString('utf8', start, end));
      const words = (some: string) => some.match(/[a-z]{3,}/g) ?? [];
      // The info string of a fence ("js") is the only text that is left out.
      const lost = words(text.replace(/^\s*(?:`{3,}|~{3,}).*$/gm, '')).length;
      expect(words(kept.join('\n')).length).toBeGreaterThanOrEqual(lost);
    }),
    { numRuns: 400 },
  );
});
