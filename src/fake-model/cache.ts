/** The prompt cache of a provider, as far as its counts of tokens show it. */
import { createHash } from 'node:crypto';
import { type PromptPart, tokensOf, type Usage } from './dialect.js';

const MAX_PREFIXES = 4_096;

/**
 * Remembers the marked beginnings of prompts. Like a provider's cache it reads the longest one it
 * knows and writes up to the last mark; unlike it, no beginning is too short and none expires.
 */
export class PromptCache {
  readonly #known = new Map<string, true>();

  measure(prompt: readonly PromptPart[]): Usage {
    const hash = createHash('sha1');
    let chars = 0;
    let read = 0;
    let marked = 0;
    for (const { text, mark } of prompt) {
      hash.update(`${text.length}:${text}`);
      chars += text.length;
      if (!mark) continue;
      marked = chars;
      if (!this.#remember(hash.copy().digest('base64'))) read = chars;
    }
    return {
      fresh: tokensOf(chars - marked),
      cacheRead: tokensOf(read),
      cacheWrite: tokensOf(marked - read),
    };
  }

  /** @returns whether it is new */
  #remember(prefix: string): boolean {
    const isNew = !this.#known.delete(prefix);
    this.#known.set(prefix, true);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MAX_PREFIXES) break;
      this.#known.delete(oldest);
    }
    return isNew;
  }
}
