/**
 * The index of one context file: its passages, their words and where each word stands. Built by a
 * generator, so that the caller decides how long it works at a stretch.
 */
import { detectLanguage, type Language, STOP_WORDS } from './language.js';
import { cutPassages, type Passage, type PassageKind } from './passages.js';
import { beginningOf, hashTerm, Numbers, Postings, SENTENCE_BREAK } from './postings.js';
import { stem } from './stem.js';
import { endsSentence, rawTokens, wordsOf } from './tokens.js';

const KINDS: readonly PassageKind[] = ['heading', 'text', 'item', 'header', 'row', 'code'];

/** How much of a file decides its language, in bytes. */
const SAMPLE_BYTES = 8 * 1024;
/** Words of a heading or introduction that count for the passages below it. */
const MAX_CONTEXT_WORDS = 24;
/** Headings and introductions above a passage that count for it. */
const MAX_ANCESTORS = 6;
/** Distinct spellings whose terms are remembered while an index is built. */
const MAX_REMEMBERED = 4096;

export interface DocumentIndex {
  readonly language: Language;
  readonly passages: PassageTable;
  /** Term hashes of all passages, one after the other. */
  readonly terms: Numbers;
  /** Terms in the passages themselves. */
  readonly body: Postings;
  /** Terms in the headings and introductions above the passages. */
  readonly above: Postings;
  /** Mean number of terms in a passage. */
  readonly meanTerms: number;
  /** Memory the index holds, file bytes included. */
  readonly byteLength: number;
}

export function* buildIndex(bytes: Buffer): Generator<undefined, DocumentIndex> {
  const language = languageOf(bytes.toString('utf8', 0, SAMPLE_BYTES));
  const table = new PassageTable(bytes);
  const terms = new Numbers();
  const owners = new Numbers();
  const termsOf = remembering((raw) => termHashes(raw, language));
  for (const passage of cutPassages(bytes)) {
    if (passage === undefined) {
      yield undefined;
      continue;
    }
    const index = table.add(passage, terms.length);
    for (const raw of rawTokens(table.text(index))) {
      for (const term of termsOf(raw)) {
        terms.push(term);
        owners.push(index);
      }
    }
    yield undefined;
  }
  table.close(terms.length);
  const body = yield* Postings.build(terms, owners);
  const above = yield* indexAbove(table, terms);
  return {
    language,
    passages: table,
    terms,
    body,
    above,
    meanTerms: Math.max(1, terms.length / Math.max(1, table.length)),
    byteLength: table.byteLength + terms.byteLength + body.byteLength + above.byteLength,
  };
}

function* indexAbove(table: PassageTable, terms: Numbers): Generator<undefined, Postings> {
  const above = new Numbers();
  const owners = new Numbers();
  for (let index = 0; index < table.length; index++) {
    for (const ancestor of table.ancestors(index)) {
      const { from, to } = contextSpan(table, ancestor);
      for (let at = from; at < to; at++) {
        above.push(terms.at(at));
        owners.push(index);
      }
    }
    yield undefined;
  }
  return yield* Postings.build(above, owners);
}

/** The terms of a heading or introduction that count for what stands below: its last ones. */
export function contextSpan(table: PassageTable, index: number): { from: number; to: number } {
  const to = table.termsEnd(index);
  return { from: Math.max(table.termsStart(index), to - MAX_CONTEXT_WORDS), to };
}

/** The term hashes a raw token stands for; none for a word too common to find anything by. */
export function termHashes(raw: string, language: Language): readonly number[] {
  if (endsSentence(raw)) return [SENTENCE_BREAK];
  const hashes: number[] = [];
  for (const word of wordsOf(raw)) {
    if (STOP_WORDS[language].has(word)) continue;
    hashes.push(hashTerm(stem(word, language)));
    const beginning = beginningOf(word);
    if (beginning !== undefined) hashes.push(beginning);
  }
  return hashes;
}

/** The language a text begins in. */
export function languageOf(text: string): Language {
  const sample = rawTokens(text.slice(0, SAMPLE_BYTES));
  return detectLanguage(sample.flatMap((raw) => (endsSentence(raw) ? [] : wordsOf(raw))));
}

function remembering(work: (raw: string) => readonly number[]): typeof work {
  const known = new Map<string, readonly number[]>();
  return (raw) => {
    let result = known.get(raw);
    if (result === undefined) {
      result = work(raw);
      if (known.size >= MAX_REMEMBERED) known.clear();
      known.set(raw, result);
    }
    return result;
  };
}

/** Passages of a file as columns of numbers; -1 is stored as the largest number. */
export class PassageTable {
  readonly #bytes: Buffer;
  readonly #columns = {
    kind: new Numbers(),
    fromLine: new Numbers(),
    toLine: new Numbers(),
    start: new Numbers(),
    end: new Numbers(),
    heading: new Numbers(),
    parent: new Numbers(),
    terms: new Numbers(),
  };

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get length(): number {
    return this.#columns.kind.length;
  }

  get byteLength(): number {
    let columns = 0;
    for (const column of Object.values(this.#columns)) columns += column.byteLength;
    return this.#bytes.length + columns;
  }

  add(passage: Passage, termsStart: number): number {
    const { kind, fromLine, toLine, start, end, heading, parent, terms } = this.#columns;
    kind.push(KINDS.indexOf(passage.kind));
    fromLine.push(passage.fromLine);
    toLine.push(passage.toLine);
    start.push(passage.start);
    end.push(passage.end);
    heading.push(passage.heading);
    parent.push(passage.parent);
    terms.push(termsStart);
    return this.length - 1;
  }

  close(termsEnd: number): void {
    this.#columns.terms.push(termsEnd);
  }

  kind(index: number): PassageKind {
    return KINDS[this.#columns.kind.at(index)] ?? 'text';
  }

  fromLine(index: number): number {
    return this.#columns.fromLine.at(index);
  }

  toLine(index: number): number {
    return this.#columns.toLine.at(index);
  }

  heading(index: number): number {
    return this.#columns.heading.at(index) | 0;
  }

  parent(index: number): number {
    return this.#columns.parent.at(index) | 0;
  }

  termsStart(index: number): number {
    return this.#columns.terms.at(index);
  }

  termsEnd(index: number): number {
    return this.#columns.terms.at(index + 1);
  }

  /** The text of a passage, or of a run of passages with all that stands between them. */
  text(index: number, last = index): string {
    const { start, end } = this.#columns;
    return this.#bytes.toString('utf8', start.at(index), end.at(last));
  }

  /** How long that text is, in bytes of the file. */
  bytesOf(index: number, last = index): number {
    const { start, end } = this.#columns;
    return end.at(last) - start.at(index);
  }

  /** Introductions and headings above a passage, nearest first. */
  ancestors(index: number): number[] {
    const found: number[] = [];
    for (
      let at = this.parent(index);
      at >= 0 && found.length < MAX_ANCESTORS;
      at = this.parent(at)
    ) {
      found.push(at);
    }
    for (
      let at = this.heading(index);
      at >= 0 && found.length < MAX_ANCESTORS;
      at = this.heading(at)
    ) {
      found.push(at);
    }
    return found;
  }
}
