/** The check of an answer costs little, whatever a model answers and a document holds. */
import { expect, test } from 'vitest';
import { Lines } from '../../../src/engines/grounding/lines.js';
import { MAX_READ, sourcesOf } from '../../../src/engines/grounding/sources.js';
import { finish, indexOf } from '../extract/support.js';

/** Made-up words; the same for the same numbers. */
const words = (count: number, from: number) =>
  Array.from({ length: count }, (_, n) => `w${((n + from) * 7919) % 4001}x`).join(' ');

const LONG_LINES = `${Array.from({ length: 100 }, (_, n) => words(230, n * 230)).join('\n')}\n`;
const SENTENCES = Array.from({ length: 60 }, (_, n) => `${words(12, n * 31)}.`).join(' ');

/** A check of an answer, with what it reads of the document and how often others get their turn. */
function checked(answer: string) {
  const bytes = Buffer.from(LONG_LINES);
  const lines = finish(Lines.of(bytes));
  const cost = { read: 0, reads: 0, pauses: 0 };
  const document = {
    name: 'notes.md',
    index: indexOf(bytes),
    lines: {
      count: lines.count,
      text: (from: number, to: number, maxBytes: number) => {
        const text = lines.text(from, to, maxBytes);
        cost.read += text?.length ?? 0;
        cost.reads += 1;
        return text;
      },
    },
  };
  const work = sourcesOf(document, answer, '');
  while (work.next().done !== true) cost.pauses += 1;
  return cost;
}

test('cited lines are read once each, however often and for whatever they are cited', () => {
  const cited = '\n- notes.md:1-25'.repeat(64);
  const { reads, read, pauses } = checked(SENTENCES + cited);
  expect(reads).toBe(1);
  // Others have their turn at least once for each 4 KiB that is taken apart.
  expect(pauses).toBeGreaterThanOrEqual(Math.floor(read / 4096));
});

test('no answer has more read of a document than there is room for', () => {
  const cited = Array.from({ length: 64 }, (_, n) => `\n- notes.md:${1 + n}-${25 + n}`).join('');
  const { read, reads } = checked(SENTENCES + cited);
  expect(reads).toBeGreaterThan(1);
  // The last piece may begin within the room and end beyond it.
  expect(read).toBeLessThan(MAX_READ + 65_536);
});
