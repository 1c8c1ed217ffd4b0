/** Keeps the key of an engine out of what its server says, should it repeat it: pure. */

export const MASK = '[key]';

/** Shorter ones (`ollama`, `none`) are no secrets, but words an answer may well need. */
const MIN_SECRET_CHARS = 16;

/** Text that is there as a whole. */
export function maskKey(text: string, key: string | undefined): string {
  return key === undefined || key === '' ? text : text.replaceAll(key, MASK);
}

/**
 * Text that is shown while it comes. What may be the beginning of the key waits for what follows;
 * all else passes at once.
 */
export class KeyMask {
  readonly #secret: string | undefined;
  #held = '';

  constructor(key: string | undefined) {
    this.#secret = key !== undefined && key.length >= MIN_SECRET_CHARS ? key : undefined;
  }

  /** @returns what may be shown now, possibly nothing */
  push(text: string): string {
    if (this.#secret === undefined) return text;
    const masked = maskKey(this.#held + text, this.#secret);
    const end = masked.length - begun(masked, this.#secret);
    this.#held = masked.slice(end);
    return masked.slice(0, end);
  }

  /** @returns what was held back, and is not the key */
  end(): string {
    const rest = this.#held;
    this.#held = '';
    return rest;
  }

  /** A text of its own. */
  whole(text: string): string {
    return maskKey(text, this.#secret);
  }
}

/** How many of the last characters may be the first of the key. */
function begun(text: string, key: string): number {
  const first = key.charAt(0);
  let at = text.indexOf(first, Math.max(0, text.length - key.length + 1));
  while (at !== -1 && !key.startsWith(text.slice(at))) at = text.indexOf(first, at + 1);
  return at === -1 ? 0 : text.length - at;
}
