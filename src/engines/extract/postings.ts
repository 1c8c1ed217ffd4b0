/**
 * Inverted index over 32-bit term hashes, all in typed arrays: its size is known to the byte, it
 * gives the garbage collector nothing to walk, and a hostile file of a million different words
 * costs no more than any other file of its size.
 */

const BLOCK_BITS = 15;
const BLOCK = 1 << BLOCK_BITS;

/** Uint32 array that grows block by block: no growth ever copies more than one block. */
export class Numbers {
  readonly #blocks: Uint32Array[] = [new Uint32Array(64)];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  get byteLength(): number {
    const first = this.#blocks[0]?.byteLength ?? 0;
    return first + (this.#blocks.length - 1) * BLOCK * Uint32Array.BYTES_PER_ELEMENT;
  }

  push(value: number): void {
    const at = this.#length++;
    if (at >>> BLOCK_BITS === this.#blocks.length) this.#blocks.push(new Uint32Array(BLOCK));
    let block = this.#blocks[at >>> BLOCK_BITS] as Uint32Array;
    if ((at & (BLOCK - 1)) === block.length) {
      const grown = new Uint32Array(block.length * 2);
      grown.set(block);
      this.#blocks[0] = grown;
      block = grown;
    }
    block[at & (BLOCK - 1)] = value;
  }

  at(index: number): number {
    return this.#blocks[index >>> BLOCK_BITS]?.[index & (BLOCK - 1)] ?? 0;
  }
}

/** The term hash no word has: stands between the sentences of a passage. */
export const SENTENCE_BREAK = 0;

/** Letters a beginning has. */
const BEGINNING = 5;

const ENTRIES_PER_PAUSE = 8192;

export function hashTerm(term: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < term.length; at++) {
    hash = Math.imul(hash ^ term.charCodeAt(at), 0x01000193);
  }
  // The low bits choose the bucket: stir the high ones in.
  hash ^= hash >>> 15;
  return hash >>> 0 || 1;
}

/**
 * A term for how a word begins, by which "photos" still finds "photographs" and "Kündigungsfrist"
 * finds "Kündigung"; undefined when the word is too short for its beginning to tell anything.
 */
export function beginningOf(word: string): number | undefined {
  if (word.length < BEGINNING || !/^\p{L}+$/u.test(word)) return undefined;
  return hashTerm(`${word.slice(0, BEGINNING)}~`);
}

/** For each term, the passages it stands in, in order, once for each time it does. */
export class Postings {
  readonly #starts: Uint32Array;
  readonly #terms: Uint32Array;
  readonly #passages: Uint32Array;

  private constructor(starts: Uint32Array, terms: Uint32Array, passages: Uint32Array) {
    this.#starts = starts;
    this.#terms = terms;
    this.#passages = passages;
  }

  get byteLength(): number {
    return this.#starts.byteLength + this.#terms.byteLength + this.#passages.byteLength;
  }

  /**
   * Builds from entries in passage order; yields where the caller may pause.
   * `terms[i]` stands in passage `passages[i]`; sentence breaks are left out.
   */
  static *build(terms: Numbers, passages: Numbers): Generator<undefined, Postings> {
    const buckets = bucketCount(terms.length);
    const starts = new Uint32Array(buckets + 1);
    const mask = buckets - 1;
    for (let i = 0; i < terms.length; i++) {
      const term = terms.at(i);
      if (term !== SENTENCE_BREAK) count(starts, (term & mask) + 1);
      if (i % ENTRIES_PER_PAUSE === 0) yield undefined;
    }
    for (let b = 1; b <= buckets; b++) {
      starts[b] = (starts[b] ?? 0) + (starts[b - 1] ?? 0);
      if (b % ENTRIES_PER_PAUSE === 0) yield undefined;
    }
    const next = starts.slice(0, buckets);
    const size = starts[buckets] ?? 0;
    const outTerms = new Uint32Array(size);
    const outPassages = new Uint32Array(size);
    for (let i = 0; i < terms.length; i++) {
      const term = terms.at(i);
      if (term !== SENTENCE_BREAK) {
        const slot = count(next, term & mask);
        outTerms[slot] = term;
        outPassages[slot] = passages.at(i);
      }
      if (i % ENTRIES_PER_PAUSE === 0) yield undefined;
    }
    return new Postings(starts, outTerms, outPassages);
  }

  /** Calls `visit` for each passage `term` stands in, with how often it does. */
  each(term: number, visit: (passage: number, times: number) => void): void {
    const bucket = term & (this.#starts.length - 2);
    const end = this.#starts[bucket + 1] ?? 0;
    let passage = -1;
    let times = 0;
    for (let i = this.#starts[bucket] ?? 0; i < end; i++) {
      if (this.#terms[i] !== term) continue;
      const here = this.#passages[i] ?? 0;
      if (here === passage) {
        times++;
        continue;
      }
      if (times > 0) visit(passage, times);
      passage = here;
      times = 1;
    }
    if (times > 0) visit(passage, times);
  }

  /** In how many passages `term` stands. */
  frequency(term: number): number {
    let passages = 0;
    this.each(term, () => passages++);
    return passages;
  }
}

function count(counts: Uint32Array, at: number): number {
  const before = counts[at] ?? 0;
  counts[at] = before + 1;
  return before;
}

/** A power of two near the number of entries: about one distinct term for each bucket. */
function bucketCount(entries: number): number {
  let buckets = 64;
  while (buckets < entries / 4 && buckets < 1 << 20) buckets *= 2;
  return buckets;
}
