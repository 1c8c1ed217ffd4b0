import fc from 'fast-check';
import stringWidth from 'string-width';
import { expect, test } from 'vitest';
import { MarkdownStream } from '../../clients/cli/markdown/index.js';

interface Shape {
  readonly columns?: number;
  /** Shows the styles as words around the text. */
  readonly styled?: boolean;
}

function open({ columns = 60, styled = false }: Shape = {}): MarkdownStream {
  return new MarkdownStream(() => ({
    columns,
    paint: (styles, text) => (styled ? `<${styles.join(' ')}:${text}>` : text),
  }));
}

function rendered(text: string, shape: Shape = {}): string {
  const stream = open(shape);
  return stream.push(text) + stream.end();
}

const DOCUMENT = `# Title *it*

A paragraph with **bold**, \`code\`,
and [a link](http://x.org) &amp; more.
- one
- two with words that go on behind the edge of the page
  1. inner
- [x] done

> quoted
>> twice

\`\`\`js
const a = 1;

b();
\`\`\`
7. seven

| name | n |
|:-----|--:|
| a    | 1 |
| 中文 | 22 |

---
<div>
`;

test('every kind of block is laid out for the page', () => {
  expect(rendered(DOCUMENT, { columns: 40 })).toBe(`Title it

A paragraph with bold, code, and a link
(http://x.org) & more.

• one
• two with words that go on behind the
  edge of the page
  1. inner
☑ done

│ quoted
│
│ │ twice

  const a = 1;

  b();

7. seven

name │  n
─────┼───
a    │  1
中文 │ 22

────────────────────────────────────────

<div>
`);
});

test('styles say what is what', () => {
  const text = '# T\n\n**b** *i **bi*** ~~s~~ `c` [l](u) ![p](v) <http://z>\n\n```\nx\n```\n';
  expect(rendered(text, { styled: true, columns: 200 })).toBe(
    `${[
      '<bold underline:T>',
      '',
      '<bold:b> <italic:i ><italic bold:bi> <strikethrough:s> <cyan:c> ' +
        '<underline:l><dim: (u)> <underline:p><dim: (v)> <underline:http://z>',
      '',
      '  <cyan:x>',
    ].join('\n')}\n`,
  );
});

test('a link says where it leads, whatever its text claims', () => {
  expect(rendered('[http://bank.example](http://thief.example)')).toBe(
    'http://bank.example (http://thief.example)\n',
  );
});

test('a table that does not fit is cut where it is widest, and then told cell by cell', () => {
  const row = `| id | ${'word '.repeat(8)}| end |\n`;
  const table = `| a | b | c |\n|---|---|---|\n${row}`;
  expect(rendered(table, { columns: 40 })).toBe(
    [
      `a  │ b${' '.repeat(28)} │ c`,
      `───┼${'─'.repeat(31)}┼────`,
      'id │ word word word word word word │ end',
      '   │ word word                     │',
      '',
    ].join('\n'),
  );
  const wide = `|${'head|'.repeat(9)}\n|${'-|'.repeat(9)}\n|${'the cell|'.repeat(9)}\n`;
  expect(rendered(wide, { columns: 40 })).toBe('head: the cell\n'.repeat(9));
});

test('what is being written is shown block by block, and code line by line', () => {
  const stream = open();
  expect(stream.push('# Ti')).toBe('');
  expect(stream.push('tle\n')).toBe('');
  expect(stream.pending).toBe('# Title');
  expect(stream.push('\nA para')).toBe('Title\n');
  expect(stream.push('graph\n\n```\none')).toBe('\nA paragraph\n\n');
  expect(stream.push('\ntw')).toBe('  one\n');
  expect(stream.pending).toBe('tw');
  expect(stream.push('o\n```\n- a\n\n')).toBe('  two\n\n');
  expect(stream.push('  still a\n\nb')).toBe('');
  expect(stream.push('\n')).toBe('• a\n\n  still a\n\n');
  expect(stream.end()).toBe('b\n');
});

test('an answer without an end to its code is shown to its end', () => {
  expect(rendered('```\nx = [\n')).toBe('  x = [\n');
  expect(rendered('~~~\n```\n**x**')).toBe('  ```\n  **x**\n');
});

const PIECES = [
  ...['#', '# ', '- ', '* ', '1. ', '> ', '```', '~~~', '|', '|-|', '\n', '\n\n', '    ', '---'],
  ...['*', '**', '_', '`', '[', '](', ')', '![', '<', '<br>', '&amp;', '&#27;', '&#x9b;', '\\'],
  ...['word', 'a b c', '中文', '👩‍👩‍👧', 'é', '\u001b[31m', '\u009b', '\u0007', '\r\n', '\t'],
  ...['http://x', 'a@b.c', '[ ] ', '\u2028', '\ud83d', '\u202e', '\u001b]8;;http://x\u0007'],
];
const hostile = fc
  .array(fc.oneof(fc.constantFrom(...PIECES), fc.string({ unit: 'binary' })), { maxLength: 60 })
  .map((pieces) => pieces.join(''));

test('no text can steer the terminal, not even one that spells its escapes', () => {
  fc.assert(
    fc.property(hostile, (text) => {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
      expect(rendered(text)).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
    }),
    { numRuns: 1000 },
  );
  expect(rendered('&#27;[2J &#x1b;]0;x&#7; [a](x&#27;b)')).toBe('[2J ]0;x a (x&#27;b)\n');
});

test('how a text comes in pieces makes no difference', () => {
  fc.assert(
    fc.property(hostile, fc.array(fc.nat(20)), (text, cuts) => {
      const whole = text.replaceAll('\r\n', '\n');
      const stream = open();
      let [shown, from] = ['', 0];
      for (const cut of cuts) {
        shown += stream.push(whole.slice(from, from + cut));
        from += cut;
      }
      shown += stream.push(whole.slice(from)) + stream.end();
      expect(shown).toBe(rendered(whole));
    }),
    { numRuns: 500 },
  );
});

test('a paragraph loses no word, and no line of it is wider than the page', () => {
  const word = fc.oneof(
    fc.constantFrom(
      'the',
      'quick',
      'браун',
      '中文字符',
      'ｆｏｘ',
      '👩‍👩‍👧',
      'a'.repeat(90),
      'カ'.repeat(50),
    ),
    fc.stringMatching(/^[a-z]{1,12}$/),
  );
  fc.assert(
    fc.property(
      fc.array(word, { minLength: 1 }),
      fc.integer({ min: 20, max: 100 }),
      (words, columns) => {
        const shown = rendered(words.join(' '), { columns });
        expect(shown.replace(/\s/g, '')).toBe(words.join(''));
        for (const line of shown.split('\n'))
          expect(stringWidth(line)).toBeLessThanOrEqual(columns);
      },
    ),
    { numRuns: 500, examples: [[['a'.repeat(19), 'カ'.repeat(50)], 20]] },
  );
});

test('no table is wider than the page, and its columns stand in line', () => {
  const cell = fc.array(fc.constantFrom('a', 'words', '中文', '`c`', '**b**', 'x'.repeat(30)), {
    minLength: 1,
    maxLength: 6,
  });
  const table = fc
    .integer({ min: 1, max: 8 })
    .chain((width) =>
      fc.array(fc.array(cell, { minLength: width, maxLength: width }), { minLength: 1 }),
    );
  fc.assert(
    fc.property(table, fc.integer({ min: 20, max: 100 }), ([head = [], ...rows], columns) => {
      const line = (row: string[][]) => `|${row.map((words) => words.join(' ')).join('|')}|`;
      const text = [line(head), `|${'-|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
      const lines = rendered(text, { columns }).trimEnd().split('\n');
      const bars = lines.map((shown) =>
        [...shown.matchAll(/[│┼]/g)].map(({ index }) => stringWidth(shown.slice(0, index))),
      );
      for (const shown of lines) expect(stringWidth(shown)).toBeLessThanOrEqual(columns);
      for (const each of bars) expect(bars[0]?.slice(0, each.length)).toEqual(each);
    }),
  );
});

const MEGABYTES_4 = 4 * 1024 * 1024;

function repeated(text: string, chars = MEGABYTES_4): string {
  return text.repeat(Math.ceil(chars / text.length)).slice(0, chars);
}

/** Each makes the time of a Markdown lexer grow with the square of the text, or worse. */
const PATHOLOGICAL = [
  ...['[', '![', '[a](', '[a][', '*a ', '**a', '*_', '__a', 'a_', '`', '` ', '<', '<a ', '\\', '!'],
  ...['a.b@', 'http://', '&#', '~~a ', '***a**b*', '](', '>', '> ', '- ', '1. ', '* ', '|', '|\n'],
  ...['- a\n', '> a\n', ' - a\n  - b\n', 'a|b\n-|-\n', 'a\n===\n', '[a]: b\n', '<div>\n', '```\n'],
  ...['word ', 'a', '\n', ' ', '\t', 'a\n\n', '    a\n', '\u0301'],
];

test.each(PATHOLOGICAL)('4 MB of %j are shown, in time that grows with them', (unit) => {
  const text = repeated(unit);
  const shown = rendered(text);
  const rest = (some: string) => some.replace(/\s/g, '').length;
  // Beyond some size nothing is interpreted: most of it is there as it came.
  if (!/^[\s`]+$/.test(unit)) expect(rest(shown)).toBeGreaterThan(rest(text) * 0.9);
});

test.each([
  ['quotations in quotations', `${'>'.repeat(100)} a`],
  ['lists in lists', `${'- '.repeat(100)}a`],
  [
    'lists that go in and in',
    Array.from({ length: 60 }, (_, n) => `${'  '.repeat(n)}- a`).join('\n'),
  ],
  [
    'a table of a thousand columns',
    `${'|a'.repeat(1000)}|\n${'|-'.repeat(1000)}|\n${'|b|\n'.repeat(5).trimEnd()}`,
  ],
  ['a long list with many marks', repeated('- **a** *b* `c`\n', 16_000).trimEnd()],
  ['a list of a thousand lines', repeated('- a\n', 4_000).trimEnd()],
  ['a paragraph beyond 16 Ki characters', repeated('*word* or more\n', 20_000).trimEnd()],
  ['a line beyond 16 Ki characters', `*a* ${repeated('b ', 20_000).trimEnd()}`],
])('%s: shown as it came', (_what, text) => {
  expect(rendered(text)).toBe(`${text}\n`);
  const after = `${text}\n\n**next**\n`;
  expect(rendered(after)).toBe(`${text}\n\nnext\n`);
});

test('beyond 256 Ki characters an answer is shown as it came', () => {
  const paragraph = `${'some words '.repeat(10)}\n\n`;
  const shown = rendered(`*a*\n\n${repeated(paragraph, 256 * 1024)}\n\n*b*\n`);
  expect(shown.startsWith('a\n')).toBe(true);
  expect(shown.endsWith('\n*b*\n')).toBe(true);
});
