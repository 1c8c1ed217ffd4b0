/** Makes the answer a person reads from the passages found. */
import type { DocumentIndex, PassageTable } from './document.js';
import type { Expectation } from './expectations.js';
import type { Question } from './question.js';
import { type Hit, isSameSection } from './search.js';

export interface Answer {
  /** Pieces of the answer in reading order; joined they are the answer. */
  readonly parts: readonly string[];
  readonly sources: readonly string[];
}

/** A run of passages that is cited as one. */
interface Excerpt {
  first: number;
  last: number;
}

const MAX_EXCERPTS = 3;
const MAX_CITED_LINES = 25;
/** Lines of an excerpt that took in the hits beside it. */
const MAX_JOINED_LINES = 12;
/** Passages shown of what a heading or "…:" introduces. */
const MAX_INTRODUCED = 12;
/** A further excerpt is given when it scored at least this share of the best one. */
const WORTH_GIVING = 0.6;

export function compose(
  index: DocumentIndex,
  question: Question,
  hits: readonly Hit[],
  name: string,
): Answer {
  const { passages } = index;
  const excerpts = choose(passages, hits, question.expects);
  if (excerpts.length === 0) {
    return { parts: [`${name} says nothing about this.`], sources: [] };
  }
  return {
    parts: excerpts.map((excerpt, at) => (at === 0 ? '' : '\n\n') + render(passages, excerpt)),
    sources: excerpts.map(
      ({ first, last }) => `${name}:${passages.fromLine(first)}-${passages.toLine(last)}`,
    ),
  };
}

function choose(
  passages: PassageTable,
  hits: readonly Hit[],
  expects: readonly Expectation[],
): Excerpt[] {
  const chosen: Excerpt[] = [];
  const best = hits[0]?.score ?? 0;
  for (const { passage, score } of hits) {
    if (score < best * WORTH_GIVING) break;
    if (chosen.some((excerpt) => holds(excerpt, passage) || joins(passages, excerpt, passage))) {
      continue;
    }
    for (const excerpt of widen(passages, passage, expects)) {
      const fresh = withoutGiven(passages, excerpt, passage, chosen);
      if (chosen.length < MAX_EXCERPTS && fresh !== undefined) chosen.push(fresh);
    }
  }
  const kept = chosen.filter((excerpt) => !isBareHeading(passages, excerpt, expects));
  return withoutRepeats(passages, kept);
}

/**
 * The excerpt when no line of it is given already, else the passage it was made for when that one
 * is new and says something alone.
 */
function withoutGiven(
  passages: PassageTable,
  excerpt: Excerpt,
  passage: number,
  chosen: readonly Excerpt[],
): Excerpt | undefined {
  const isNew = (each: Excerpt) => !chosen.some((other) => sharesLine(passages, each, other));
  if (isNew(excerpt)) return excerpt;
  const alone = { first: passage, last: passage };
  return lastIntroduced(passages, passage) === passage && isNew(alone) ? alone : undefined;
}

/** Pieces of one long line share it without sharing a passage. */
function sharesLine(passages: PassageTable, one: Excerpt, other: Excerpt): boolean {
  return (
    passages.fromLine(one.first) <= passages.toLine(other.last) &&
    passages.fromLine(other.first) <= passages.toLine(one.last)
  );
}

/** A document may say the same in several places; the answer says it once. */
function withoutRepeats(passages: PassageTable, excerpts: readonly Excerpt[]): Excerpt[] {
  const texts = excerpts.map((excerpt) => render(passages, excerpt).trim());
  return excerpts.filter((_, at) => texts.indexOf(texts[at] ?? '') === at);
}

function holds({ first, last }: Excerpt, passage: number): boolean {
  return first <= passage && passage <= last;
}

/** Lets an excerpt of prose take in a further hit of the same paragraph: they read on as one. */
function joins(passages: PassageTable, excerpt: Excerpt, passage: number): boolean {
  const { first, last } = excerpt;
  if (passage !== first - 1 && passage !== last + 1) return false;
  if (!isSameSection(passages, first, passage)) return false;
  if ([first, last, passage].some((each) => passages.kind(each) !== 'text')) return false;
  const joined = { first: Math.min(first, passage), last: Math.max(last, passage) };
  if (!readsOn(passages, Math.min(last, passage))) return false;
  if (citedLines(passages, joined) > MAX_JOINED_LINES) return false;
  excerpt.first = joined.first;
  excerpt.last = joined.last;
  return true;
}

/** Whether no blank line stands between a passage and the next one. */
function readsOn(passages: PassageTable, passage: number): boolean {
  return passages.fromLine(passage + 1) <= passages.toLine(passage) + 1;
}

/**
 * What is given for a passage: itself with what it introduces. When it lacks what the question asks
 * for, a date after "when", and a heading above or the passage beside has it, that comes too.
 */
function widen(
  passages: PassageTable,
  passage: number,
  expects: readonly Expectation[],
): Excerpt[] {
  const alone = { first: passage, last: lastIntroduced(passages, passage) };
  if (alone.last > passage || passages.kind(passage) === 'heading') return [alone];
  if (expects.length === 0 || fits(passages, passage, expects)) return [alone];
  for (let at = passages.heading(passage); at >= 0; at = passages.heading(at)) {
    if (fits(passages, at, expects)) return [alone, { first: at, last: at }];
  }
  for (const beside of [passage + 1, passage - 1]) {
    if (!isSameSection(passages, passage, beside) || !fits(passages, beside, expects)) continue;
    const both = { first: Math.min(passage, beside), last: Math.max(passage, beside) };
    if (!readsOn(passages, both.first)) continue;
    if (citedLines(passages, both) <= MAX_CITED_LINES) return [both];
  }
  return [alone];
}

/** A heading with nothing of its own below it tells nothing, unless it is what was asked for. */
function isBareHeading(
  passages: PassageTable,
  { first, last }: Excerpt,
  expects: readonly Expectation[],
): boolean {
  return passages.kind(first) === 'heading' && first === last && !fits(passages, first, expects);
}

/** A heading or an introduction says little alone: what it introduces comes with it. */
function lastIntroduced(passages: PassageTable, first: number): number {
  const above = passages.kind(first) === 'heading' ? 'heading' : 'parent';
  let last = first;
  while (
    last - first < MAX_INTRODUCED &&
    last + 1 < passages.length &&
    passages[above](last + 1) === first &&
    citedLines(passages, { first, last: last + 1 }) <= MAX_CITED_LINES
  ) {
    last++;
  }
  return last;
}

/** Whether a passage has the shape the question asks for, a reason after "why". */
function fits(passages: PassageTable, passage: number, expects: readonly Expectation[]): boolean {
  const text = passages.text(passage);
  return expects.some(({ answer }) => answer.test(text));
}

function citedLines(passages: PassageTable, { first, last }: Excerpt): number {
  return passages.toLine(last) - passages.fromLine(first) + 1;
}

function render(passages: PassageTable, { first, last }: Excerpt): string {
  const shown: string[] = [];
  for (let at = first; at <= last; at++) shown.push(renderPassage(passages, at));
  return shown.filter((text) => text !== '').join('\n');
}

function renderPassage(passages: PassageTable, at: number): string {
  const text = passages.text(at);
  switch (passages.kind(at)) {
    case 'code':
      return text;
    case 'header':
      return cells(text).join(', ');
    case 'row':
      return renderRow(passages, at, text);
    default:
      return plain(text);
  }
}

/** `| A | 1 | 2 |` below `| name | x | y |` reads `A: x 1, y 2`. */
function renderRow(passages: PassageTable, at: number, text: string): string {
  const parent = passages.parent(at);
  const names =
    parent >= 0 && passages.kind(parent) === 'header' ? cells(passages.text(parent)) : [];
  const [head = '', ...rest] = cells(text);
  const named = rest.map((cell, column) => {
    const label = names[column + 1] ?? '';
    return rest.length === 1 || label === '' ? cell : `${label} ${cell}`;
  });
  return named.length === 0 ? head : `${head}: ${named.filter((cell) => cell !== '').join(', ')}`;
}

function cells(row: string): string[] {
  return row
    .trim()
    .replace(/^\|/, '')
    .replace(/\|$/, '')
    .split(/(?<!\\)\|/)
    .map((cell) => plain(cell));
}

/** Prose without its Markdown marks; wrapped lines joined, words left as they are. */
function plain(text: string): string {
  return text
    .split('\n')
    .map((line) =>
      line
        .replace(/^\s{0,3}(?:>\s?)+/, '')
        .trim()
        .replace(/^#{1,6}\s+/, '')
        .replace(/\s#+$/, '')
        .replace(/^(?:[-*+•‣◦]|\d{1,4}[.)])\s+/, '')
        .replace(/^\[[ xX]\]\s+/, ''),
    )
    .join(' ')
    .replace(/\*\*([^*]+)\*\*/g, '$1')
    .replace(/(?<![\p{L}\p{N}_])__([^_]+)__(?![\p{L}\p{N}_])/gu, '$1')
    .replace(/!?\[([^\][]*)\]\([^()\s]*\)/g, '$1')
    .replace(/<br\s*\/?>/gi, ' ')
    .trim();
}
