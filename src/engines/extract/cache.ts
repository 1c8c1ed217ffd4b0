/**
 * Indexes of the context files asked about lately, bounded by the memory they hold. A file has at
 * most one index here, that of its newest bytes; questions that need the same one share its build.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock.js';
import type { ContextFile } from '../../context/index.js';
import { buildIndex, type DocumentIndex } from './document.js';
import { Slices } from './slices.js';

interface Kept {
  readonly identity: string;
  readonly index: DocumentIndex;
}

interface Build {
  readonly index: Promise<DocumentIndex>;
  readonly abort: AbortController;
  waiting: number;
}

export class IndexCache {
  readonly #kept: LRUCache<string, Kept>;
  readonly #builds = new Map<string, Build>();
  readonly #slices: Slices;

  constructor(maxBytes: number, clock: Clock) {
    this.#slices = new Slices(clock);
    this.#kept = new LRUCache({
      maxSize: maxBytes,
      sizeCalculation: ({ index }) => index.byteLength,
    });
  }

  /** The index of exactly these bytes, when it is here. */
  get(file: ContextFile): DocumentIndex | undefined {
    const kept = this.#kept.get(file.path);
    return kept?.identity === file.identity ? kept.index : undefined;
  }

  /**
   * Builds the index, or joins whoever builds it already. An aborted caller gets the signal's
   * reason; the build stops when nobody waits for it any more.
   * @throws what `file.read` throws
   */
  async build(file: ContextFile, signal: AbortSignal): Promise<DocumentIndex> {
    signal.throwIfAborted();
    const build = this.#builds.get(file.identity) ?? this.#begin(file);
    build.waiting++;
    let leave: () => void = () => {};
    const left = new Promise<never>((_, reject) => {
      leave = () => reject(signal.reason);
      signal.addEventListener('abort', leave, { once: true });
    });
    try {
      return await Promise.race([build.index, left]);
    } finally {
      signal.removeEventListener('abort', leave);
      if (--build.waiting === 0) build.abort.abort();
    }
  }

  clear(): void {
    this.#kept.clear();
  }

  #begin(file: ContextFile): Build {
    const abort = new AbortController();
    const index = this.#read(file, abort.signal);
    const build: Build = { index, abort, waiting: 0 };
    this.#builds.set(file.identity, build);
    const forget = () => {
      if (this.#builds.get(file.identity) === build) this.#builds.delete(file.identity);
    };
    abort.signal.addEventListener('abort', forget, { once: true });
    index.then(forget, forget);
    return build;
  }

  async #read(file: ContextFile, signal: AbortSignal): Promise<DocumentIndex> {
    const bytes = await file.read();
    const index = await this.#slices.run(buildIndex(bytes), signal);
    this.#kept.set(file.path, { identity: file.identity, index });
    return index;
  }
}
