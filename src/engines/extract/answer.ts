/** Makes the answer a person reads from the passages found. */
import type { DocumentIndex, PassageTable } from './document.js';
import type { Hit } from './search.js';

export interface Answer {
  /** Pieces of the answer in reading order; joined they are the answer. */
  readonly parts: readonly string[];
  readonly sources: readonly string[];
}

/** A run of passages that is cited as one. */
interface Excerpt {
  readonly first: number;
  readonly last: number;
}

const MAX_EXCERPTS = 3;
const MAX_CITED_LINES = 25;
/** Passages shown of what a heading or "…:" introduces. */
const MAX_INTRODUCED = 12;
/** A further excerpt is given when it scored at least this share of the best one. */
const WORTH_GIVING = 0.5;

export function compose(index: DocumentIndex, hits: readonly Hit[], name: string): Answer {
  const { passages } = index;
  const excerpts = choose(passages, hits);
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

function choose(passages: PassageTable, hits: readonly Hit[]): Excerpt[] {
  const chosen: Excerpt[] = [];
  const best = hits[0]?.score ?? 0;
  for (const { passage, score } of hits) {
    if (chosen.length === MAX_EXCERPTS || score < best * WORTH_GIVING) break;
    if (chosen.some(({ first, last }) => first <= passage && passage <= last)) continue;
    chosen.push(widen(passages, passage));
  }
  return chosen;
}

/** A heading or an introduction says little alone: what it introduces comes with it. */
function widen(passages: PassageTable, passage: number): Excerpt {
  let last = passage;
  const introduces = (at: number) =>
    passages.kind(passage) === 'heading'
      ? passages.heading(at) === passage
      : passages.parent(at) === passage;
  while (
    last - passage < MAX_INTRODUCED &&
    last + 1 < passages.length &&
    introduces(last + 1) &&
    passages.toLine(last + 1) - passages.fromLine(passage) < MAX_CITED_LINES
  ) {
    last++;
  }
  return { first: passage, last };
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
        .replace(/^#{1,6}\s+(.*?)\s*#*$/, '$1')
        .replace(/^(?:[-*+•‣◦]|\d{1,4}[.)])\s+/, '')
        .replace(/^\[[ xX]\]\s+/, ''),
    )
    .join(' ')
    .replace(/\*\*([^*]+)\*\*/g, '$1')
    .replace(/(?<![\p{L}\p{N}_])__([^_]+)__(?![\p{L}\p{N}_])/gu, '$1')
    .replace(/!?\[([^\]]*)\]\([^()\s]*\)/g, '$1')
    .replace(/<br\s*\/?>/gi, ' ')
    .trim();
}
