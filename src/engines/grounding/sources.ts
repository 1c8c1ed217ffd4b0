/**
 * The lines an answer comes from. What a model cites is only a claim: lines are given on when they
 * exist and share words with what is said of them. When nothing it cites stands, or it cites
 * nothing, its own words are looked for in the document, and given when the hit is beyond doubt.
 *
 * Always true: the work for one answer is bounded, whatever the answer and the document hold: at
 * most MAX_READ of cited lines are read, each run once, twice MAX_SEARCHES searches are made, and
 * MAX_CITATIONS × MAX_COMPARED comparisons. Between two yields there is a piece of lines, a search
 * or a comparison.
 */
import { type DocumentIndex, languageOf } from '../extract/index.js';
import { type Citation, parseCitations } from './citations.js';
import {
  bestOf,
  type Found,
  isCertain,
  isHeld,
  passagesFor,
  Statement,
  SURE,
  termsIn,
} from './evidence.js';
import type { Lines } from './lines.js';
import { shownName } from './numbered.js';
import { MAX_LINES, type Range, withoutOverlaps } from './ranges.js';
import { isDenial, type Sentence, saysSomething, sentencesOf, statementsOf } from './sentences.js';

/** Sources given for one answer. */
const MAX_SOURCES = 8;
/** Sentences of an answer whose place in the document is looked for. */
const MAX_SEARCHES = 16;
/** Sentences compared with the lines of a citation that stands for none in particular. */
const MAX_COMPARED = 48;
/** Lines longer than this are not compared: a file of one endless line has only that one to cite. */
const MAX_COMPARED_BYTES = 64 * 1024;

/**
 * Cited lines that are read for one answer, in UTF-16 units: eight sources of the greatest length.
 * Citations that are left when it is used up are dropped.
 */
export const MAX_READ = 8 * MAX_COMPARED_BYTES;
/** Of a longer question, in UTF-16 units, the first and the last half help to find an answer. */
const MAX_QUESTION = 2000;

/** "It does not say who the master is" is near every line about the master, and stands in none. */
const SURE_OF_DENIAL = 0.9;
/** In another language than the document's, less than this in common cannot be compared. */
const LEAST_IN_COMMON = 0.3;

interface Document {
  /** How sources name it. */
  readonly name: string;
  readonly index: DocumentIndex;
  readonly lines: Pick<Lines, 'count' | 'text'>;
}

/**
 * Yields where the caller may pause.
 *
 * @returns `NAME:from-to` for each run of lines, in the order of the answer, none named twice
 */
export function* sourcesOf(
  document: Document,
  answer: string,
  question: string,
): Generator<undefined, readonly string[]> {
  const citations = parseCitations(answer, shownName(document.name));
  yield undefined;
  const check = new Check(document, answer, sentencesOf(answer, citations));
  yield undefined;
  const cited = yield* check.cited(citations);
  const ranges = cited.length > 0 ? cited : yield* check.located(shortened(question));
  return withoutOverlaps(ranges)
    .slice(0, MAX_SOURCES)
    .map(({ from, to }) => `${document.name}:${from}-${to}`);
}

function shortened(question: string): string {
  if (question.length <= MAX_QUESTION) return question;
  return `${question.slice(0, MAX_QUESTION / 2)} ${question.slice(-MAX_QUESTION / 2)}`;
}

interface Claim {
  readonly statement: Statement;
  /** Passages of the document that fit it; none when too many were looked for already. */
  readonly found: readonly Found[];
}

class Check {
  readonly #document: Document;
  readonly #sentences: readonly Sentence[];
  readonly #claims = new Map<Sentence, Claim>();
  /** The terms of cited runs of lines; undefined for blank ones. */
  readonly #read = new Map<string, ReadonlySet<number> | undefined>();
  readonly #leastInCommon: number;
  #searches = 0;
  #room = MAX_READ;

  constructor(document: Document, answer: string, sentences: readonly Sentence[]) {
    this.#document = document;
    this.#leastInCommon = languageOf(answer) === document.index.language ? 0 : LEAST_IN_COMMON;
    this.#sentences = sentences;
  }

  /** The cited lines that hold what they are cited for. */
  *cited(citations: readonly Citation[]): Generator<undefined, Range[]> {
    const ranges: Range[] = [];
    for (const citation of citations) {
      if (!this.#exists(citation)) continue;
      const range = yield* this.#held(citation);
      if (range !== undefined) ranges.push(range);
    }
    return ranges;
  }

  /** Lines that certainly hold sentences of the answer. */
  *located(question: string): Generator<undefined, Range[]> {
    const ranges: Range[] = [];
    let looked = 0;
    for (const sentence of this.#sentences) {
      yield undefined;
      if (!saysSomething(sentence)) continue;
      if (looked++ === MAX_SEARCHES) break;
      const { index } = this.#document;
      const statement = new Statement(index, sentence.text);
      const least = isDenial(sentence) ? SURE_OF_DENIAL : SURE;
      if (statement.knownShare < least) continue;
      const best = bestOf(passagesFor(index, `${question}\n${sentence.text}`, statement));
      if (best !== undefined && isCertain(best.support, least)) ranges.push(best);
    }
    return ranges;
  }

  #exists({ from, to }: Range): boolean {
    return 1 <= from && from <= to && to <= this.#document.lines.count;
  }

  *#held(citation: Citation): Generator<undefined, Range | undefined> {
    const claims: Claim[] = [];
    for (const sentence of statementsOf(citation, this.#sentences).slice(0, MAX_COMPARED)) {
      const claim = yield* this.#claim(sentence);
      if (this.#isComparable(claim.statement)) claims.push(claim);
    }
    if (citation.to - citation.from >= MAX_LINES) return narrowed(citation, claims);
    const lines = yield* this.#linesOf(citation);
    if (lines === 'endless') return citation;
    if (lines === undefined) return undefined;
    for (const { statement, found } of claims) {
      yield undefined;
      if (isHeld(statement.supportIn(lines), bestOf(found)?.support)) return citation;
    }
    return claims.length === 0 ? citation : undefined;
  }

  /** The terms of cited lines; undefined when they are blank or too much was read already. */
  *#linesOf({
    from,
    to,
  }: Range): Generator<undefined, ReadonlySet<number> | 'endless' | undefined> {
    const key = `${from}-${to}`;
    if (this.#read.has(key)) return this.#read.get(key);
    if (this.#room === 0) return undefined;
    const { index, lines } = this.#document;
    const text = lines.text(from, to, MAX_COMPARED_BYTES);
    if (text === undefined) return 'endless';
    const isRead = text.length <= this.#room && text.trim() !== '';
    this.#room = Math.max(0, this.#room - text.length);
    const terms = isRead ? yield* termsIn(text, index) : undefined;
    this.#read.set(key, terms);
    return terms;
  }

  /** Whether a statement has enough words in common with the document to be looked for there. */
  #isComparable({ knownShare }: Statement): boolean {
    return knownShare > this.#leastInCommon;
  }

  *#claim(sentence: Sentence): Generator<undefined, Claim> {
    const known = this.#claims.get(sentence);
    if (known !== undefined) return known;
    yield undefined;
    const { index } = this.#document;
    const statement = new Statement(index, saysSomething(sentence) ? sentence.text : '');
    let found: readonly Found[] = [];
    if (this.#isComparable(statement) && this.#searches < MAX_SEARCHES) {
      this.#searches++;
      yield undefined;
      found = passagesFor(index, sentence.text, statement);
    }
    const claim = { statement, found };
    this.#claims.set(sentence, claim);
    return claim;
  }
}

/** Of a citation too long to be of use, the passage that holds what it stands for. */
function narrowed({ from, to }: Range, claims: readonly Claim[]): Range | undefined {
  for (const { found } of claims) {
    const inside = bestOf(found.filter((each) => from <= each.from && each.to <= to));
    if (inside !== undefined && isHeld(inside.support, bestOf(found)?.support)) return inside;
  }
  return undefined;
}
