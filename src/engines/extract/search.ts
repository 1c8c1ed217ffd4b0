/**
 * Finds the passages that answer a question. First BM25 over all passages, where words of the
 * headings and introductions above a passage count a little; then the best few are looked at
 * closely: which words stand together in one sentence, and whether the shape fits the question.
 */
import { contextSpan, type DocumentIndex, type PassageTable } from './document.js';
import type { PassageKind } from './passages.js';
import { SENTENCE_BREAK } from './postings.js';
import type { Question, Wanted } from './question.js';

export interface Hit {
  readonly passage: number;
  /** Only to compare hits of one search. */
  readonly score: number;
  /** What the words are worth that were met, of which `score` makes more or less. */
  readonly evidence: number;
  /** What the most telling of these words is worth. */
  readonly strongest: number;
}

/** Passages looked at closely. */
const SHORTLIST = 32;
/** Words of a question that are looked up: the rarest ones. */
const MAX_WANTED = 32;
/** Postings one search may visit; the rarest words come first, so the most telling are seen. */
const MAX_VISITS = 300_000;

/** BM25: how soon more of a word stops helping, how much long passages pay. */
const K1 = 1.2;
const B = 0.4;

/** How much a word counts that stands above the passage, or in the passage next to it. */
const ABOVE = 0.45;
const NEIGHBOUR = 0.15;
/** How much it adds that words stand in one sentence; that they stand in the question's order. */
const ONE_SENTENCE = 0.3;
const IN_ORDER = 0.25;
/** Terms between two words that stand next to each other; a word may be two terms. */
const NEAR = 4;
/** How well the beginning of a word stands for it. */
const BEGINNING_WEIGHT = 0.5;
/** Below this share of the question's weight a passage does not answer it. */
const LEAST_SHARE = 0.15;
/** When the best passage meets less than this share, it is given alone: the rest would be guesses. */
const SURE_SHARE = 0.25;
/** Words worth this share of the question are evidence enough, however common they are. */
const MOST = 0.5;
/** A word is telling when it is worth this share of one that stands in a single passage. */
const TELLING = 0.6;
/** How much a word adds that stands in the heading right above: the section is about it. */
const IN_HEADING = 0.5;
/** A question weighs at most as much as this many words found nowhere else. */
const LONG_QUESTION = 6;

const KIND_WEIGHT: Record<PassageKind, number> = {
  heading: 0.75,
  text: 1,
  item: 1,
  header: 0.7,
  row: 1.05,
  code: 0.8,
};

/** A word that is looked for. */
export interface Sought {
  readonly variants: Wanted['variants'];
  /** What the word is worth: rare words tell more. */
  readonly worth: number;
}

/** Best first. Empty when nothing in the document has to do with the question. */
export function search(index: DocumentIndex, question: Question): Hit[] {
  const { hits, whole } = rank(index, question);
  return isSure(hits[0], whole, index.passages.length) ? hits : hits.slice(0, 1);
}

/**
 * All passages that have to do with a question, best first, for a reader who judges them. `whole`
 * is what a passage would have as evidence that meets every word.
 */
export function rank(index: DocumentIndex, question: Question): { hits: Hit[]; whole: number } {
  const { sought, total } = weigh(index, question.wanted);
  const whole = Math.min(total, LONG_QUESTION * rarity(1, index.passages.length));
  if (sought.length === 0) return { hits: [], whole };
  const close = new CloseLook(index, sought, question);
  const hits = shortlist(index, sought)
    .map((passage) => close.look(passage))
    .filter((hit) => hit.score >= LEAST_SHARE * whole)
    .sort((a, b) => b.score - a.score || a.passage - b.passage);
  return { hits, whole };
}

/** Words that stand all over a document prove little, unless they are most of the question. */
function isSure(best: Hit | undefined, whole: number, size: number): boolean {
  if (best === undefined || best.evidence < SURE_SHARE * whole) return false;
  return best.evidence >= MOST * whole || best.strongest >= TELLING * rarity(1, size);
}

/** The words of a question that stand in the document, and what all of them are worth. */
export function weigh(
  index: DocumentIndex,
  wanted: readonly Wanted[],
): { sought: Sought[]; total: number } {
  const size = index.passages.length;
  const found: Sought[] = [];
  let total = 0;
  for (const { variants, beginning, importance } of wanted) {
    let worth = 0;
    const present: { term: number; weight: number }[] = [];
    const look = (term: number, weight: number) => {
      const frequency = index.body.frequency(term) || index.above.frequency(term);
      if (frequency === 0) return;
      present.push({ term, weight });
      worth = Math.max(worth, weight * rarity(frequency, size));
    };
    for (const { term, weight } of variants) look(term, weight);
    if (present[0]?.weight !== 1 && beginning !== undefined) look(beginning, BEGINNING_WEIGHT);
    total += importance * (present.length === 0 ? rarity(1, size) : worth);
    if (present.length > 0) found.push({ variants: present, worth: worth * importance });
  }
  if (found.length <= MAX_WANTED) return { sought: found, total };
  const least = found.map((each) => each.worth).sort((a, b) => b - a)[MAX_WANTED - 1] ?? 0;
  return { sought: found.filter((each) => each.worth >= least).slice(0, MAX_WANTED), total };
}

/** What a word tells that stands in `frequency` of `size` passages. */
export function rarity(frequency: number, size: number): number {
  return Math.log(1 + (size - frequency + 0.5) / (frequency + 0.5));
}

function shortlist(index: DocumentIndex, sought: readonly Sought[]): number[] {
  const { passages, meanTerms } = index;
  const scores = new Float64Array(passages.length);
  const touched: number[] = [];
  let visits = 0;
  const give = (passage: number, score: number) => {
    if (scores[passage] === 0) touched.push(passage);
    scores[passage] = (scores[passage] ?? 0) + score;
    visits++;
  };
  for (const { variants, worth } of [...sought].sort((a, b) => b.worth - a.worth)) {
    if (visits > MAX_VISITS) break;
    for (const { term, weight } of variants) {
      index.body.each(term, (passage, times) => {
        const length = passages.termsEnd(passage) - passages.termsStart(passage);
        const norm = K1 * (1 - B + (B * length) / meanTerms);
        give(passage, (weight * worth * times * (K1 + 1)) / (times + norm));
      });
      index.above.each(term, (passage) => give(passage, ABOVE * weight * worth));
    }
  }
  return best(touched, scores, SHORTLIST);
}

/** The `most` highest scored of `candidates`, in no order that matters. */
function best(candidates: number[], scores: Float64Array, most: number): number[] {
  if (candidates.length <= most) return candidates;
  const kept: number[] = [];
  const scoreOf = (passage: number | undefined) => scores[passage ?? -1] ?? -1;
  for (const passage of candidates) {
    if (kept.length === most && scoreOf(passage) <= scoreOf(kept[most - 1])) continue;
    let at = kept.length;
    while (at > 0 && scoreOf(passage) > scoreOf(kept[at - 1])) at--;
    kept.splice(at, 0, passage);
    if (kept.length > most) kept.pop();
  }
  return kept;
}

/** Scores single passages from all that is known of them. */
class CloseLook {
  readonly #index: DocumentIndex;
  readonly #sought: readonly Sought[];
  readonly #question: Question;
  readonly #meaning = new Map<number, { word: number; weight: number }>();
  /** How well each word is met in the passage looked at, and in its current sentence. */
  readonly #met: Float64Array;
  readonly #inSentence: Float64Array;
  #bestSentence = 0;
  #inOrder = 0;

  constructor(index: DocumentIndex, sought: readonly Sought[], question: Question) {
    this.#index = index;
    this.#sought = sought;
    this.#question = question;
    this.#met = new Float64Array(sought.length);
    this.#inSentence = new Float64Array(sought.length);
    sought.forEach(({ variants }, word) => {
      for (const { term, weight } of variants) {
        const known = this.#meaning.get(term);
        if (known === undefined || known.weight < weight) this.#meaning.set(term, { word, weight });
      }
    });
  }

  look(passage: number): Hit {
    const { passages } = this.#index;
    this.#met.fill(0);
    this.#readPassage(passage);
    for (const ancestor of passages.ancestors(passage)) {
      const { from, to } = contextSpan(passages, ancestor);
      this.#readAround(from, to, ABOVE);
    }
    for (const neighbour of [passage - 1, passage + 1]) {
      if (isSameSection(passages, passage, neighbour)) {
        this.#readAround(passages.termsStart(neighbour), passages.termsEnd(neighbour), NEIGHBOUR);
      }
    }
    const evidence = this.#worthOf(this.#met);
    const sum =
      evidence +
      ONE_SENTENCE * this.#bestSentence +
      IN_ORDER * this.#inOrder +
      IN_HEADING * this.#worthOfHeading(passages.heading(passage));
    const score = sum * KIND_WEIGHT[passages.kind(passage)] * this.#fit(passage);
    const strongest = this.#met.reduce(
      (most, met, word) => Math.max(most, met * this.#worth(word)),
      0,
    );
    return { passage, score, evidence, strongest };
  }

  #readPassage(passage: number): void {
    const { passages, terms } = this.#index;
    this.#bestSentence = 0;
    this.#inOrder = 0;
    this.#inSentence.fill(0);
    const end = passages.termsEnd(passage);
    let lastWord = -2;
    let lastAt = -1;
    for (let at = passages.termsStart(passage); at < end; at++) {
      const term = terms.at(at);
      if (term === SENTENCE_BREAK) {
        this.#endSentence();
        continue;
      }
      const meaning = this.#meaning.get(term);
      if (meaning === undefined) continue;
      const { word, weight } = meaning;
      this.#inSentence[word] = Math.max(this.#inSentence[word] ?? 0, weight);
      if (word === lastWord + 1 && at - lastAt <= NEAR) {
        this.#inOrder += Math.min(this.#worth(word), this.#worth(lastWord)) * weight;
      }
      lastWord = word;
      lastAt = at;
    }
    this.#endSentence();
  }

  #endSentence(): void {
    this.#bestSentence = Math.max(this.#bestSentence, this.#worthOf(this.#inSentence));
    for (let word = 0; word < this.#met.length; word++) {
      this.#met[word] = Math.max(this.#met[word] ?? 0, this.#inSentence[word] ?? 0);
    }
    this.#inSentence.fill(0);
  }

  #worthOfHeading(heading: number): number {
    if (heading <= 0) return 0;
    const { passages, terms } = this.#index;
    const found = new Set<number>();
    for (let at = passages.termsStart(heading); at < passages.termsEnd(heading); at++) {
      const meaning = this.#meaning.get(terms.at(at));
      if (meaning?.weight === 1) found.add(meaning.word);
    }
    let worth = 0;
    for (const word of found) worth += this.#worth(word);
    return worth;
  }

  #readAround(from: number, to: number, share: number): void {
    for (let at = from; at < to; at++) {
      const meaning = this.#meaning.get(this.#index.terms.at(at));
      if (meaning === undefined) continue;
      const { word, weight } = meaning;
      this.#met[word] = Math.max(this.#met[word] ?? 0, weight * share);
    }
  }

  #fit(passage: number): number {
    let fit = 1;
    if (this.#question.expects.length === 0) return fit;
    const text = this.#index.passages.text(passage);
    for (const { answer, lift } of this.#question.expects) if (answer.test(text)) fit += lift;
    return fit;
  }

  #worth(word: number): number {
    return this.#sought[word]?.worth ?? 0;
  }

  #worthOf(met: Float64Array): number {
    let sum = 0;
    for (let word = 0; word < met.length; word++) sum += (met[word] ?? 0) * this.#worth(word);
    return sum;
  }
}

/** Whether two passages stand under the same heading, neither being one. */
export function isSameSection(passages: PassageTable, one: number, other: number): boolean {
  return (
    other >= 0 &&
    other < passages.length &&
    passages.heading(one) === passages.heading(other) &&
    passages.kind(one) !== 'heading' &&
    passages.kind(other) !== 'heading'
  );
}
