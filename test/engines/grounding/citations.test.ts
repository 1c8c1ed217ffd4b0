import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAX_CITATIONS, parseCitations } from '../../../src/engines/grounding/citations.js';

const NAME = 'notes/Team-Plan.md';

function read(answer: string, name = NAME): string[] {
  return parseCitations(answer, name).map(({ from, to }) => `${from}-${to}`);
}

describe('a citation is read', () => {
  test.each([
    ['as it is asked for', 'The port is 9999 (notes/Team-Plan.md:12-14).', ['12-14']],
    ['of one line', 'notes/Team-Plan.md:12', ['12-12']],
    ['without the directory', 'Team-Plan.md:12-14', ['12-14']],
    ['in another case', 'NOTES/team-plan.MD:12-14', ['12-14']],
    ['from the current directory', './notes/Team-Plan.md:12-14', ['12-14']],
    ['with an absolute path', '/home/ada/notes/Team-Plan.md:12-14', ['12-14']],
    ['with backslashes', 'C:\\docs\\notes\\Team-Plan.md:12-14', ['12-14']],
    ['as a URL', 'file:///srv/notes/Team-Plan.md#L12-L14', ['12-14']],
    ['as a GitHub anchor', 'Team-Plan.md#L12-L14', ['12-14']],
    ['as a GitHub anchor with columns', 'Team-Plan.md#L12C3-L14C9', ['12-14']],
    ['with an L', 'Team-Plan.md:L12-14', ['12-14']],
    ['with a column', 'Team-Plan.md:12:5', ['12-12']],
    ['in backticks', '`Team-Plan.md:12-14`', ['12-14']],
    ['behind a name in backticks', '`Team-Plan.md`:12-14', ['12-14']],
    ['behind a bold name', '**Team-Plan.md**: 12-14', ['12-14']],
    ['in brackets', '[Team-Plan.md:12-14]', ['12-14']],
    ['as a link', '[the plan](notes/Team-Plan.md#L12)', ['12-12']],
    ['with an en dash', 'Team-Plan.md:12–14', ['12-14']],
    ['with blanks', 'Team-Plan.md: 12 - 14', ['12-14']],
    ['in words', 'see Team-Plan.md, lines 12 to 14', ['12-14']],
    ['in words and brackets', 'Team-Plan.md (line 12)', ['12-12']],
    ['in German words', 'Team-Plan.md, Zeilen 12 bis 14', ['12-14']],
    ['as a list', 'Team-Plan.md:1-3, 7-9; 12 and 15-16', ['1-3', '7-9', '12-12', '15-16']],
    ['of several places', 'Team-Plan.md:1-3, Team-Plan.md:7-9', ['1-3', '7-9']],
    ['behind a dash', 'The port is 9999—Team-Plan.md:12', ['12-12']],
  ])('%s', (_, answer, expected) => {
    expect(read(answer)).toEqual(expected);
  });

  test('of a file whose path has spaces', () => {
    expect(read('see my notes/The plan.md:3-4', 'my notes/The plan.md')).toEqual(['3-4']);
  });
});

describe('no citation is seen in', () => {
  test.each([
    ['another file', 'Other.md:12-14'],
    ['a file whose name ends alike', 'Old-Team-Plan.md:12-14'],
    ['a file of that name elsewhere', 'archive/Team-Plan.md:12-14'],
    ['the name alone', 'Team-Plan.md says so.'],
    ['a count behind a colon', 'In Team-Plan.md: 30 seconds.'],
    ['a numbered list below a colon', 'From Team-Plan.md:\n3. Third'],
    ['a number no file has lines for', 'Team-Plan.md:123456789'],
  ])('%s', (_, answer) => {
    expect(read(answer)).toEqual([]);
  });

  test('a count that follows a citation', () => {
    expect(read('Team-Plan.md:3, 20 people')).toEqual(['3-3']);
  });
});

const line = fc.integer({ min: 1, max: 9_999_999 });
const form = fc.constantFrom(
  (a: number, b: number) => `Team-Plan.md:${a}-${b}`,
  (a: number, b: number) => `[\`notes/Team-Plan.md\`:L${a}-L${b}]`,
  (a: number, b: number) => `(team-plan.md#L${a}-L${b})`,
  (a: number, b: number) => `Team-Plan.md, lines ${a}–${b}.`,
);

test('whatever stands around citations, all of them are read, in order', () => {
  const prose = fc.lorem({ maxCount: 12 });
  fc.assert(
    fc.property(fc.array(fc.tuple(prose, form, line, line), { maxLength: 12 }), (pieces) => {
      const answer = pieces.map(([text, write, a, b]) => `${text} ${write(a, b)} `).join('\n');
      expect(read(answer)).toEqual(pieces.map(([, , a, b]) => `${a}-${b}`));
    }),
  );
});

test('any text at all gives citations that stand in it, in order and apart', () => {
  const piece = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.constantFrom('Team-Plan.md', ':', '#L', '12', '-', ', ', ' and ', '`', '/', '\\', 'İ', 'ẞ'),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
      const answer = pieces.join('');
      let last = 0;
      for (const { from, to, start, end } of parseCitations(answer, NAME)) {
        expect(start).toBeGreaterThanOrEqual(last);
        expect(end).toBeGreaterThan(start);
        expect(answer.slice(start, end)).toMatch(new RegExp(`${to}`));
        expect(Number.isSafeInteger(from) && Number.isSafeInteger(to)).toBe(true);
        last = end;
      }
      expect(last).toBeLessThanOrEqual(answer.length);
    }),
  );
});

/** Square work on any of these takes minutes, and the runner ends a test long before. */
test.each([
  ['names', 'Team-Plan.md'],
  ['names with lines', 'Team-Plan.md:1-2, 3-4'],
  ['lists', ', 3-4'],
  ['paths', '/notes'],
  ['paths with names', '/notes/Team-Plan.md:1'],
  ['digits', '1'],
  ['closing marks', '`'],
  ['dots', '.'],
  ['blanks', ' '],
])('an endless answer of %s is read in one go', (_, unit) => {
  const answer = `Team-Plan.md:1${unit.repeat(2_000_000 / unit.length)}x`;
  expect(parseCitations(answer, NAME).length).toBeLessThanOrEqual(MAX_CITATIONS);
  expect(parseCitations(answer, 'a').length).toBeLessThanOrEqual(MAX_CITATIONS);
});
