import fc from 'fast-check';
import { expect, test } from 'vitest';
import { printable, table } from '../../clients/cli/output.js';
import { linesOf, rowsOf } from '../../clients/cli/report.js';

test('printable text has line ends and tabs, and no other control character', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const shown = printable(text);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
      expect(shown).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
      expect(printable(shown)).toBe(shown);
    }),
  );
  expect(printable('a\r\nb\tc\u001b[31md')).toBe('a\nb\tc[31md');
});

test('a table lines its columns up, numbers to the right', () => {
  expect(
    table(
      ['name', 'n'],
      [
        ['a', 1],
        ['bcdef', 20],
      ],
    ),
  ).toBe('name    n\na       1\nbcdef  20');
});

test('rows have a column for every field that any of them has', () => {
  expect(rowsOf([{ a: 1 }, { b: 'x' }]).split('\n')).toHaveLength(3);
  expect(rowsOf([])).toBe('');
});

test('a report is one line for each figure, however deep it lies', () => {
  const report = { up: 1.25, in: { open: 3 }, engines: [{ name: 'fake', turns: 2 }], list: [1] };
  expect(linesOf(report).split('\n')).toEqual([
    'up                  1.3',
    'in.open             3',
    'engines.fake.name   fake',
    'engines.fake.turns  2',
    'list                [1]',
  ]);
});
