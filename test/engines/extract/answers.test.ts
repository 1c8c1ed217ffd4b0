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
    const { sources } = ask(index, question);
    const cited = sources.map(parseSource).sort((a, b) => a.from - b.from);
    cited.forEach(({ from }, at) => {
      expect(from).toBeGreaterThan(cited[at - 1]?.to ?? 0);
    });
    const rank = sources.findIndex((source) => {
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

  test('gives what stands below a heading once, although the heading fits as well', () => {
    const index = indexOf(
      '# Post\n\nAll is sorted.\n\n## Stamps\n\nStamps are printed in blue ink.\n\n```\nnothing of it\n```\n\n## Other\n\nBoxes stand in the hall.\n',
    );
    expect(ask(index, 'How are stamps printed?').parts.join('').split('blue ink').length).toBe(2);
  });

  test('does not go on with the next paragraph', () => {
    const index = indexOf(
      '# Mill\n\n## Past\n\nThe wheel was cut from oak by a wright named Tobin.\n\nIn 1911 the mill got a turbine and a new roof.\n',
    );
    expect(ask(index, 'Who cut the wheel?').sources).toEqual(['doc.md:5-5']);
  });

  test('comes from the section whose heading names what is asked about', () => {
    const index = indexOf(
      '# Farm\n\n## Work\n\nThe boy stores hay and turnips in the loft.\n\n## Apples\n\nApples lie on straw. They go to the cellar below the house.\n\n## Cows\n\nCows are milked twice.\n\n## Tools\n\nOil is stored with the spades.\n',
    );
    expect(ask(index, 'Where are the apples stored?').sources[0]).toBe('doc.md:9-9');
  });

  test('is found below a name that joins the words of the question', () => {
    for (const name of [
      'PumpOilTooLow',
      'pump_oil_too_low',
      'pump-oil-too-low',
      'pump.oil.too.low',
    ]) {
      const index = indexOf(
        `# Alarms\n\n### FanStopped\n\nTurn the crank once.\n\n### ${name}\n\nRefill slowly from the can.\n`,
      );
      expect(ask(index, 'The pump oil is low, what now?').sources[0], name).toBe('doc.md:7-9');
    }
  });

  test('to a question of which only a word that is everywhere is met is one passage', () => {
    const boats = Array.from({ length: 12 }, (_, n) =>
      n % 2 === 0 ? `The ferry has deck ${n}.` : `Quay ${n} is closed.`,
    ).join('\n\n');
    expect(ask(indexOf(boats), 'What colour is the ferry?').sources.length).toBe(1);
    expect(ask(indexOf(boats), 'What colour is the tram?').sources).toEqual([]);
  });

  test('reaches the verb from the one who does it', () => {
    const index = indexOf('Rain fell.\n\nEleven people use it.\n\nIt is green.\n');
    expect(ask(index, 'How many users are there?').sources).toEqual(['doc.md:3-3']);
  });

  test('finds text without spaces between words', () => {
    const index = indexOf('# 案内\n\n図書館は月曜日に休みます。\n\n駐車場は無料です。\n');
    expect(ask(index, '駐車場はいくらですか').sources[0]).toBe('doc.md:5-5');
  });
});

test('whatever the document and the question, nothing is given twice', () => {
  fc.assert(
    fc.property(markdown, fc.nat(), fc.nat(), (text, one, other) => {
      const words = text.match(/[a-z]{3,}/g) ?? ['nothing'];
      const question = `${words[one % words.length]} ${words[other % words.length]}`;
      const { parts, sources } = ask(indexOf(text), question);
      const lines = sources.flatMap((source) => {
        const { from, to } = parseSource(source);
        return Array.from({ length: to - from + 1 }, (_, n) => from + n);
      });
      expect(new Set(lines).size).toBe(lines.length);
      const given = parts.map((part) => part.trim());
      expect(new Set(given).size).toBe(given.length);
    }),
    { numRuns: 400, examples: [['    code\n\n~~~\n    code', 0, 0]] },
  );
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
