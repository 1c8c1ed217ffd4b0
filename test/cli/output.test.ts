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
  // An override would show what follows it backwards.
  expect(printable('photo_\u202egnp.exe\u2069')).toBe('photo_gnp.exe');
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

test('a cell stays in its line and in its column', () => {
  const rows = [['one\nfake line\ttab\r\nend\u2028', 1]];
  expect(table(['name', 'n'], rows).split('\n')).toHaveLength(2);
  expect(table(['name', 'n'], rows).split('\n')[1]).toBe('one fake line tab end   1');
});

test('whatever a report says, in names and in texts, moves no cursor and makes up no line', () => {
  const nasty = fc.string({ unit: 'binary' });
  fc.assert(
    fc.property(nasty, nasty, (name, text) => {
      const shown = linesOf({ [`x${name}`]: text, parks: [{ name, message: text }], list: [text] });
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
      expect(shown).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029]/);
      expect(shown.split('\n')).toHaveLength(4);
    }),
  );
  expect(linesOf({ db: 'x\u001b[31m\u009b31m\nfake.db' })).toBe('db  x[31m31m fake.db');
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
