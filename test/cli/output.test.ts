import fc from 'fast-check';
import { expect, test } from 'vitest';
import { duration, printable, table } from '../../clients/cli/output.js';
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

test('a column that nothing is in is left out, and times have their unit', () => {
  const rows = [{ name: 'a', age_ms: 61_000, pids: [], memory: null }];
  expect(
    rowsOf(rows)
      .split('\n')
      .map((line) => line.split(/ {2,}/)),
  ).toEqual([
    ['name', 'age'],
    ['a', '1 min 1 s'],
  ]);
});

test.each([
  [0, '0 ms'],
  [999.94, '999.9 ms'],
  [13_401, '13.4 s'],
  [60_000, '1 min 0 s'],
  [13_401_000, '3 h 43 min'],
  [90_000_000, '1 d 1 h'],
])('%d ms are shown as %s', (ms, text) => {
  expect(duration(ms)).toBe(text);
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
