/** What of a large document a model is shown for one question. */
import { type DocumentIndex, type PassageTable, rank, understand } from '../extract/index.js';
import { numbered } from './numbered.js';

/** A run of passages shown together. */
interface Excerpt {
  readonly first: number;
  readonly last: number;
}

const MAX_EXCERPTS = 16;
const MAX_LINES = 25;
const MAX_BYTES = 2400;

/**
 * The passages that match a question, with what stands around them and their headings, each line
 * behind its number, in the order of the document and in at most `maxBytes` of UTF-8. Undefined
 * when nothing matches.
 */
export function excerptsFor(
  index: DocumentIndex,
  question: string,
  maxBytes: number,
): string | undefined {
  const { passages } = index;
  const chosen: Excerpt[] = [];
  let room = maxBytes;
  for (const { passage } of rank(index, understand(question, index.language)).hits) {
    if (chosen.length === MAX_EXCERPTS) break;
    if (chosen.some((each) => holds(each, passage))) continue;
    const alone = { first: passage, last: passage };
    for (const excerpt of [widened(passages, alone, chosen), alone]) {
      const size = Buffer.byteLength(rendered(passages, excerpt, new Set())) + GAP.length + 2;
      if (size > room) continue;
      room -= size;
      chosen.push(excerpt);
      break;
    }
  }
  if (chosen.length === 0) return undefined;
  chosen.sort((a, b) => a.first - b.first);
  const shown = new Set<number>();
  return chosen.map((excerpt) => rendered(passages, excerpt, shown)).join(`\n${GAP}\n`);
}

/** Stands for lines that are left out. */
const GAP = '...';

/** Takes in what stands around an excerpt in its section, as far as there is room. */
function widened(passages: PassageTable, from: Excerpt, taken: readonly Excerpt[]): Excerpt {
  const section = sectionOf(passages, from.first);
  const isFree = (at: number) =>
    at >= 0 &&
    at < passages.length &&
    sectionOf(passages, at) === section &&
    !taken.some((each) => holds(each, at));
  let excerpt = from;
  for (let grew = true; grew; ) {
    grew = false;
    const after = { first: excerpt.first, last: excerpt.last + 1 };
    if (isFree(after.last) && isShort(passages, after)) {
      excerpt = after;
      grew = true;
    }
    const before = { first: excerpt.first - 1, last: excerpt.last };
    if (isFree(before.first) && isShort(passages, before)) {
      excerpt = before;
      grew = true;
    }
  }
  return excerpt;
}

/** The heading a passage stands below; a heading opens a section of its own. */
function sectionOf(passages: PassageTable, passage: number): number {
  return passages.kind(passage) === 'heading' ? passage : passages.heading(passage);
}

function isShort(passages: PassageTable, { first, last }: Excerpt): boolean {
  return (
    passages.toLine(last) - passages.fromLine(first) < MAX_LINES &&
    passages.bytesOf(first, last) <= MAX_BYTES
  );
}

function holds({ first, last }: Excerpt, passage: number): boolean {
  return first <= passage && passage <= last;
}

/** An excerpt below its headings; those in `shown` stand above already. */
function rendered(passages: PassageTable, { first, last }: Excerpt, shown: Set<number>): string {
  const parts: string[] = [];
  for (let at = passages.heading(first); at >= 0; at = passages.heading(at)) {
    if (shown.has(at)) break;
    shown.add(at);
    parts.unshift(numbered(passages.text(at), passages.fromLine(at)));
  }
  if (passages.kind(first) === 'heading') shown.add(first);
  parts.push(numbered(passages.text(first, last), passages.fromLine(first)));
  return parts.join('\n');
}
