/** How much of a statement stands in a piece of the document, told by the words they share. */
import {
  type DocumentIndex,
  rank,
  rarity,
  rawTokens,
  type Sought,
  termHashes,
  understand,
  weigh,
} from '../extract/index.js';
import type { Range } from './ranges.js';

interface Support {
  /** Of what the statement's words are worth that the document knows, the share met: 0 to 1. */
  readonly ofKnown: number;
  /** The same of all its words. */
  readonly ofAll: number;
  /** Whether a word is met that stands in hardly any other place. */
  readonly isTelling: boolean;
}

export interface Found extends Range {
  readonly support: Support;
}

/** Below this share of the statement's words, lines do not hold it. */
const LEAST = 0.2;
/** From this share on, lines hold it for certain. */
export const SURE = 0.6;
/** A word is telling when it is worth this share of one that stands in a single passage. */
const TELLING = 0.6;
/** Hits looked at for one statement. */
const MAX_HITS = 8;

/** A citation of whatever file, as models make them up: no part of what is said. */
const ANY_CITATION =
  /[\p{L}\p{N}_./\\-]{1,128}\.\p{L}{1,5}[`*)\]]{0,3}[:#]L?\d{1,7}(?:[-–]L?\d{1,7})?/gu;

/** UTF-16 units that are read between two pauses. */
const UNITS_PER_PAUSE = 4096;

/** The terms of a text, to compare statements with; yields where the caller may pause. */
export function* termsIn(
  text: string,
  { language }: DocumentIndex,
): Generator<undefined, ReadonlySet<number>> {
  const terms = new Set<number>();
  for (let at = 0; at < text.length; ) {
    const end = pieceEnd(text, at);
    for (const raw of rawTokens(text.slice(at, end))) {
      for (const term of termHashes(raw, language)) terms.add(term);
    }
    at = end;
    yield undefined;
  }
  return terms;
}

/** Where a piece of text that begins at `start` ends: behind a blank when it has one. */
function pieceEnd(text: string, start: number): number {
  const end = start + UNITS_PER_PAUSE;
  if (end >= text.length) return text.length;
  const piece = text.slice(start, end);
  const blank = Math.max(piece.lastIndexOf(' '), piece.lastIndexOf('\n'));
  return blank === -1 ? end : start + blank + 1;
}

/** A statement, ready to be compared with pieces of one document. */
export class Statement {
  readonly #index: DocumentIndex;
  readonly #sought: readonly Sought[];
  /** What its words are worth, and those of them that stand in the document. */
  readonly #total: number;
  readonly #known: number;

  constructor(index: DocumentIndex, text: string) {
    const said = text.replace(ANY_CITATION, ' ');
    const { sought, total } = weigh(index, understand(said, index.language).wanted);
    this.#index = index;
    this.#sought = sought;
    this.#total = total;
    this.#known = sought.reduce((sum, { worth }) => sum + worth, 0);
  }

  /** What share of it is in words of the document, from 0 to 1. */
  get knownShare(): number {
    return shareOf(this.#known, this.#total);
  }

  supportIn(terms: ReadonlySet<number>): Support {
    let met = 0;
    let strongest = 0;
    for (const { variants, worth } of this.#sought) {
      const weight = variants.reduce(
        (w, each) => (terms.has(each.term) ? Math.max(w, each.weight) : w),
        0,
      );
      met += weight * worth;
      strongest = Math.max(strongest, weight * worth);
    }
    return {
      ofKnown: shareOf(met, this.#known),
      ofAll: shareOf(met, this.#total),
      isTelling: strongest >= TELLING * rarity(1, this.#index.passages.length),
    };
  }
}

function shareOf(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

/** The passages that fit a text, in the order of the search, with how well they hold `statement`. */
export function passagesFor(index: DocumentIndex, text: string, statement: Statement): Found[] {
  const { passages } = index;
  const { hits } = rank(index, understand(text, index.language));
  return hits.slice(0, MAX_HITS).map(({ passage }) => ({
    from: passages.fromLine(passage),
    to: passages.toLine(passage),
    support: statement.supportIn(termsOf(index, passage)),
  }));
}

function termsOf({ passages, terms }: DocumentIndex, passage: number): ReadonlySet<number> {
  const found = new Set<number>();
  const end = passages.termsEnd(passage);
  for (let at = passages.termsStart(passage); at < end; at++) found.add(terms.at(at));
  return found;
}

/** The one that holds most of the statement; the better hit when two do. */
export function bestOf(found: readonly Found[]): Found | undefined {
  return found.reduce<Found | undefined>(
    (best, each) => (best === undefined || each.support.ofAll > best.support.ofAll ? each : best),
    undefined,
  );
}

/**
 * Whether lines hold a statement, given the best passage for it: when another place of the
 * document certainly holds it, lines with less than half of that were cited by mistake.
 */
export function isHeld(support: Support, best: Support | undefined): boolean {
  const isElsewhere = best !== undefined && best.ofAll >= SURE;
  return support.ofKnown >= Math.max(LEAST, isElsewhere ? best.ofKnown / 2 : 0);
}

/** Whether lines that nobody cited are shown for a statement; `least` is the share they need. */
export function isCertain({ ofAll, isTelling }: Support, least: number): boolean {
  return ofAll >= least && isTelling;
}
