/**
 * The lines an answer comes from. What a model cites is only a claim: lines are given on when they
 * exist and share words with what is said of them. When nothing it cites stands, or it cites
 * nothing, its own words are looked for in the document, and given when the hit is beyond doubt.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type DocumentIndex, languageOf } from '../extract/index.js';
import { type Citation, parseCitations } from './citations.js';
import { bestOf, type Found, isCertain, isHeld, passagesFor, Statement, SURE } from './evidence.js';
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

/** "It does not say who the master is" is near every line about the master, and stands in none. */
const SURE_OF_DENIAL = 0.9;
/** In another language than the document's, less than this in common cannot be compared. */
const LEAST_IN_COMMON = 0.3;

export interface Document {
  /** How sources name it. */
  readonly name: string;
  readonly index: DocumentIndex;
  readonly lines: Lines;
}

/** @returns `NAME:from-to` for each run of lines, in the order of the answer, none named twice */
export async function sourcesOf(
  document: Document,
  answer: string,
  question: string,
): Promise<readonly string[]> {
  const citations = parseCitations(answer, shownName(document.name));
  const check = new Check(document, answer, sentencesOf(answer, citations));
  const cited = await check.cited(citations);
  const ranges = cited.length > 0 ? cited : await check.located(question);
  return withoutOverlaps(ranges)
    .slice(0, MAX_SOURCES)
    .map(({ from, to }) => `${document.name}:${from}-${to}`);
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
  readonly #leastInCommon: number;
  #searches = 0;

  constructor(document: Document, answer: string, sentences: readonly Sentence[]) {
    this.#document = document;
    this.#leastInCommon = languageOf(answer) === document.index.language ? 0 : LEAST_IN_COMMON;
    this.#sentences = sentences;
  }

  /** The cited lines that hold what they are cited for. */
  async cited(citations: readonly Citation[]): Promise<Range[]> {
    const ranges: Range[] = [];
    for (const citation of citations) {
      if (!this.#exists(citation)) continue;
      const range = await this.#held(citation);
      if (range !== undefined) ranges.push(range);
    }
    return ranges;
  }

  /** Lines that certainly hold sentences of the answer. */
  async located(question: string): Promise<Range[]> {
    const ranges: Range[] = [];
    for (const sentence of this.#sentences.filter(saysSomething).slice(0, MAX_SEARCHES)) {
      await nextTurn();
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

  async #held(citation: Citation): Promise<Range | undefined> {
    const claims: Claim[] = [];
    for (const sentence of statementsOf(citation, this.#sentences).slice(0, MAX_COMPARED)) {
      const claim = await this.#claim(sentence);
      if (this.#isComparable(claim.statement)) claims.push(claim);
    }
    if (citation.to - citation.from >= MAX_LINES) return narrowed(citation, claims);
    const text = this.#document.lines.text(citation.from, citation.to, MAX_COMPARED_BYTES);
    if (text === undefined) return citation;
    if (text.trim() === '') return undefined;
    const isShown = claims.some(({ statement, found }) =>
      isHeld(statement.supportIn(text), bestOf(found)?.support),
    );
    return claims.length === 0 || isShown ? citation : undefined;
  }

  /** Whether a statement has enough words in common with the document to be looked for there. */
  #isComparable({ knownShare }: Statement): boolean {
    return knownShare > this.#leastInCommon;
  }

  async #claim(sentence: Sentence): Promise<Claim> {
    const known = this.#claims.get(sentence);
    if (known !== undefined) return known;
    const { index } = this.#document;
    const statement = new Statement(index, saysSomething(sentence) ? sentence.text : '');
    let found: readonly Found[] = [];
    if (this.#isComparable(statement) && this.#searches < MAX_SEARCHES) {
      this.#searches++;
      await nextTurn();
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
