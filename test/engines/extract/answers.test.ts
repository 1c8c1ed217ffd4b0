/**
 * How well the engine finds the line that answers. The shares are floors below what is reached
 * today, so that a change which makes answers worse is noticed.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ask, indexOf, markdown, parseSource } from './support.js';

const FIXTURES = join(import.meta.dirname, '..', '..', 'fixtures');
const DOCUMENTS = join(FIXTURES, 'documents');

interface Asked {
  readonly question: string;
  readonly line: number;
}

/** How many questions have their line within the cited ones, and within the first source alone. */
function hits(text: string, questions: readonly Asked[]): { any: number; first: number } {
  const index = indexOf(text);
  let any = 0;
  let first = 0;
  for (const { question, line } of questions) {
    const rank = ask(index, question).sources.findIndex((source) => {
      const { from, to } = parseSource(source);
      expect(to - from).toBeLessThan(25);
      return from <= line && line <= to;
    });
    if (rank >= 0) any++;
    if (rank === 0) first++;
  }
  return { any, first };
}

test('at least 18 of the 20 questions about the session resume cite the line that answers', () => {
  const text = readFileSync(join(FIXTURES, 'SESSION-RESUME.md'), 'utf8');
  const questions: Asked[] = JSON.parse(readFileSync(join(FIXTURES, 'questions.json'), 'utf8'));
  expect(questions.length).toBe(20);
  const { any, first } = hits(text, questions);
  expect(any).toBeGreaterThanOrEqual(18);
  expect(first).toBeGreaterThanOrEqual(17);
});

describe('documents of other kinds and languages', () => {
  const all: { file: string; question: string; answer: string }[] = JSON.parse(
    readFileSync(join(DOCUMENTS, 'questions.json'), 'utf8'),
  );

  test.each([...new Set(all.map(({ file }) => file))])(
    '%s: nearly every question cites its line',
    (file) => {
      const text = readFileSync(join(DOCUMENTS, file), 'utf8');
      const lines = text.split('\n');
      const questions = all
        .filter((each) => each.file === file)
        .map(({ question, answer }) => ({
          question,
          line: lines.findIndex((line) => line.includes(answer)) + 1,
        }));
      expect(questions.length).toBeGreaterThanOrEqual(15);
      for (const { line } of questions) expect(line).toBeGreaterThan(0);
      const { any, first } = hits(text, questions);
      expect(any / questions.length).toBeGreaterThanOrEqual(0.85);
      expect(first / questions.length).toBeGreaterThanOrEqual(0.78);
    },
  );
});

describe('an answer', () => {
  const table =
    '# Limits\n\n| plan | calls | price |\n|---|---|---|\n| free | 20 | none |\n| big | **900** | 5 EUR |\n';

  test('from a table row names the columns', () => {
    const answer = ask(indexOf(table), 'How many calls does the big plan have?');
    expect(answer.parts[0]).toBe('big: calls 900, price 5 EUR');
    expect(answer.sources[0]).toBe('doc.md:6-6');
  });

  test('keeps the words and drops the Markdown around them', () => {
    const index = indexOf(
      '- **Port**: the [bridge](http://x) listens on `9999`\n  of the loopback.\n',
    );
    expect(ask(index, 'Which port?').parts).toEqual([
      'Port: the bridge listens on `9999` of the loopback.',
    ]);
  });

  test('to a heading brings what stands below it', () => {
    const index = indexOf(
      '# Guide\n\n## Restarting\n\n1. Stop it.\n2. Start it.\n\n## Other\n\nx\n',
    );
    expect(ask(index, 'restarting').sources[0]).toBe('doc.md:3-6');
  });

  test('to "when" brings the date of the heading above', () => {
    const index = indexOf(
      '# Log\n\n## 2.0 (3 May 2025)\n\n- Footnotes are rendered.\n\n## 1.0 (1 May 2024)\n\n- First.\n',
    );
    const answer = ask(index, 'When did footnotes get rendered?');
    expect(answer.sources).toEqual(['doc.md:5-5', 'doc.md:3-3']);
    expect(answer.parts.join('')).toContain('3 May 2025');
  });

  test('is a plain sentence without sources when nothing fits', () => {
    const index = indexOf(table);
    for (const question of ['Who won the cup?', '???', ' . ', 'the of and', '😀', '\u0000']) {
      const { parts, sources } = ask(index, question);
      expect(parts.join('')).toBe('doc.md says nothing about this.');
      expect(sources).toEqual([]);
    }
  });

  test('finds text without spaces between words', () => {
    const index = indexOf('# 案内\n\n図書館は月曜日に休みます。\n\n駐車場は無料です。\n');
    expect(ask(index, '駐車場はいくらですか').sources[0]).toBe('doc.md:5-5');
  });
});

test('whatever the document and the question, sources name few lines that exist', () => {
  fc.assert(
    fc.property(markdown, fc.string({ maxLength: 60 }), fc.nat(), (text, noise, pick) => {
      const words = text.match(/[a-z]{3,}/g) ?? ['nothing'];
      const question = `${words[pick % words.length]} ${noise}`;
      const { parts, sources } = ask(indexOf(text), question);
      expect(parts.join('')).not.toBe('');
      expect(sources.length).toBeLessThanOrEqual(3);
      for (const source of sources) {
        const { name, from, to } = parseSource(source);
        expect(name).toBe('doc.md');
        expect(from).toBeGreaterThanOrEqual(1);
        expect(to).toBeGreaterThanOrEqual(from);
        expect(to - from).toBeLessThan(25);
        expect(to).toBeLessThanOrEqual(text.split('\n').length);
      }
    }),
    { numRuns: 400 },
  );
});
