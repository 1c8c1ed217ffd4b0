import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createGrounder, type Grounding } from '../../../src/engines/grounding/index.js';
import { contextFile, markdown, parseSource } from '../extract/support.js';

const HANDBOOK = `# Harbour handbook

The harbour master is Ada Quist. She decides who may enter at night.

## Tariffs

| vessel | per night |
|---|---|
| dinghy | 4 crowns |
| trawler | 55 crowns |

## Lighthouse

The lamp burns from dusk to dawn. A spare lamp stands in the boat shed.
It is swapped every 90 days, since salt eats the contacts.

## Storms

Above force 8 the gate is closed and no boat leaves.
`;

async function groundingOf(text: string | Buffer, name = 'handbook.md'): Promise<Grounding> {
  return createGrounder({ maxContextBytes: 100_000 }).ground(await contextFile(text, name));
}

describe('what a model cites', () => {
  test.each([
    ['lines that hold the statement', 'Ada Quist is the harbour master (handbook.md:3).', ['3-3']],
    ['lines named after the sentence', 'A trawler pays 55 crowns. [handbook.md:10]', ['10-10']],
    [
      'a list at the end',
      'The lamp is swapped every 90 days.\nA dinghy pays 4 crowns.\n\nSources:\n- handbook.md:15\n- handbook.md:9',
      ['15-15', '9-9'],
    ],
    [
      'places in one sentence',
      'A dinghy pays 4 crowns (handbook.md:9) and above force 8 the gate is closed (handbook.md:19).',
      ['9-9', '19-19'],
    ],
    [
      'the same lines twice',
      'Ada Quist (handbook.md:3-3). The master is Ada (handbook.md:3).',
      ['3-3'],
    ],
    [
      'lines for a statement in another language',
      'Die Lampe wird alle drei Monate getauscht (handbook.md:15).',
      ['15-15'],
    ],
  ])('is given on: %s', async (_, answer, expected) => {
    const { sourcesOf } = await groundingOf(HANDBOOK);
    expect(await sourcesOf(answer)).toEqual(expected.map((lines) => `handbook.md:${lines}`));
  });

  test.each([
    ['lines the file does not have', 'handbook.md:3-300'],
    ['line zero', 'handbook.md:0-3'],
    ['a run that ends before it begins', 'handbook.md:9-3'],
    ['blank lines', 'handbook.md:4-4'],
    ['lines about something else', 'handbook.md:19-19'],
    ['another file', 'almanac.md:3-3'],
  ])('is replaced by the lines that hold the answer when it names %s', async (_, wrong) => {
    const { sourcesOf } = await groundingOf(HANDBOOK);
    expect(await sourcesOf(`The harbour master is Ada Quist (${wrong}).`)).toEqual([
      'handbook.md:3-3',
    ]);
  });

  test('is dropped when it is wrong beside one that is right', async () => {
    const { sourcesOf } = await groundingOf(HANDBOOK);
    expect(await sourcesOf('A trawler pays 55 crowns (handbook.md:10, 19, 500).')).toEqual([
      'handbook.md:10-10',
    ]);
  });

  test('is dropped when its lines have nothing of a statement that stands nowhere', async () => {
    const { sourcesOf } = await groundingOf(HANDBOOK);
    const invented = 'The trawler of captain Olaf carried golden anchors to Lisbon';
    expect(await sourcesOf(`${invented} (handbook.md:19).`)).toEqual([]);
  });

  test('is narrowed to the passage that holds the statement when it is half the file', async () => {
    const filler = Array.from({ length: 40 }, (_, n) => `Entry ${n} of the log is empty.`);
    const { sourcesOf } = await groundingOf(`${HANDBOOK}\n${filler.join('\n\n')}\n`);
    expect(await sourcesOf('Ada Quist is the harbour master (handbook.md:1-60).')).toEqual([
      'handbook.md:3-3',
    ]);
  });

  test('is given as the file is named, however the model spelled it', async () => {
    const { sourcesOf } = await groundingOf(HANDBOOK);
    expect(await sourcesOf('Ada Quist is the master: `./HANDBOOK.md#L3`')).toEqual([
      'handbook.md:3-3',
    ]);
  });

  test('is given on for at most eight places', async () => {
    const text = Array.from({ length: 40 }, (_, n) => `Berth ${n} is for ship${n}.`).join('\n\n');
    const { sourcesOf } = await groundingOf(text);
    const answer = Array.from({ length: 40 }, (_, n) => `ship${n} (handbook.md:${2 * n + 1}).`);
    expect(await sourcesOf(answer.join('\n'))).toHaveLength(8);
  });
});

describe('an answer that cites nothing', () => {
  test.each([
    ['a sentence', 'A spare lamp stands in the boat shed.', 'Where is the spare lamp?', 15],
    ['a number', '55 crowns', 'What does a trawler pay?', 10],
    ['a name', 'Ada Quist', 'Who is the master?', 3],
  ])('has the lines where its own words stand: %s', async (_, answer, question, line) => {
    const { sourcesOf } = await groundingOf(HANDBOOK);
    const sources = await sourcesOf(answer, question);
    expect(sources).toHaveLength(1);
    const { from, to } = parseSource(sources[0] ?? '');
    expect(from <= line && line <= to).toBe(true);
  });

  test.each([
    ['nothing', ''],
    ['only a mark', '…'],
    ['yes', 'Yes.'],
    ['that the document is silent', 'The handbook does not say who the harbour master is.'],
    ['that it is not mentioned', "The harbour master isn't mentioned."],
    ['that it is silent, in German', 'Das Handbuch enthält keine Angabe zum harbour master.'],
    ['something else', 'Photosynthesis turns light into sugar.'],
    ['something that only shares a word', 'Boats in general are expensive to maintain and insure.'],
  ])('has no source when it says %s', async (_, answer) => {
    const { sourcesOf } = await groundingOf(HANDBOOK);
    expect(await sourcesOf(answer, 'Who is the harbour master?')).toEqual([]);
  });

  test('has no source without a document', async () => {
    const { sourcesOf } = await createGrounder({ maxContextBytes: 1000 }).ground(undefined);
    expect(await sourcesOf('Ada Quist (handbook.md:3-3)')).toEqual([]);
  });
});

test('any answer about any document has sources that exist, apart and short', async () => {
  const name = fc.constantFrom(
    'd.md:1-3',
    ' d.md:2',
    ' (d.md:1-40, 5-9)',
    ' d.md#L9-L4',
    '. ',
    '\n',
  );
  const answer = fc.array(fc.oneof(name, fc.lorem({ maxCount: 9 }), fc.string()), {
    maxLength: 20,
  });
  await fc.assert(
    fc.asyncProperty(markdown, answer, async (text, pieces) => {
      const file = {
        name: 'd.md',
        path: '/d.md',
        identity: '1',
        sizeBytes: text.length,
        read: async () => Buffer.from(text),
      };
      const { sourcesOf } = await createGrounder({ maxContextBytes: 1e6 }).ground(file);
      const count = Buffer.from(text).toString().replace(/\n$/, '').split('\n').length;
      const sources = (await sourcesOf(pieces.join(''))).map(parseSource);
      expect(sources.length).toBeLessThanOrEqual(8);
      for (const { from, to } of sources) {
        expect(from >= 1 && from <= to && to <= count && to - from < 25).toBe(true);
      }
    }),
    { numRuns: 60 },
  );
});

/** Square work on any of these takes minutes, and the runner ends a test long before. */
test.each([
  ['citations', 'handbook.md:1-3, 4-9 and the lamp burns. '],
  ['negations', 'not '],
  ['sentences', 'The lamp burns. '],
  ['dots', '.'],
  ['one word', 'a'],
])('an answer of megabytes of %s is checked in one go', async (_, unit) => {
  const { sourcesOf } = await groundingOf(HANDBOOK);
  const sources = await sourcesOf(unit.repeat(4_000_000 / unit.length), 'lamp');
  expect(sources.length).toBeLessThanOrEqual(8);
});

describe('on a real handover file', () => {
  const fixtures = join(import.meta.dirname, '../../fixtures');
  const bytes = readFileSync(join(fixtures, 'SESSION-RESUME.md'));
  const lines = bytes.toString().split('\n');
  const questions: { question: string; line: number }[] = JSON.parse(
    readFileSync(join(fixtures, 'questions.json'), 'utf8'),
  );

  test('the right line cited stays, and another one is found out', async () => {
    const { sourcesOf } = await groundingOf(bytes, 'RESUME.md');
    for (const { question, line } of questions) {
      const said = (lines[line - 1] ?? '').replace(/[|*`#]/g, ' ');
      expect(await sourcesOf(`${said} (RESUME.md:${line})`, question)).toEqual([
        `RESUME.md:${line}-${line}`,
      ]);
      const wrong = ((line + 49) % 100) + 1;
      const [found = ''] = await sourcesOf(`${said} (RESUME.md:${wrong})`, question);
      const { from, to } = parseSource(found);
      expect(from <= line && line <= to, `${question} ${found}`).toBe(true);
    }
  });

  test('the passages of a question hold its answer', async () => {
    const file = await contextFile(bytes, 'RESUME.md');
    const { userText } = await createGrounder({ maxContextBytes: 4000 }).ground(file);
    for (const { question, line } of questions) {
      expect(await userText(question)).toContain(`\n${line}| ${lines[line - 1]}\n`);
    }
  });
});
