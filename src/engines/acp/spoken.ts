/**
 * What was asked in a session, so that none of it is taken for words of the agent: an error that
 * quotes a question must neither say what the question says nor show it to somebody else.
 */

/** Of earlier questions, in characters; the last question is kept whole. */
const KEPT_CHARS = 65_536;
const WORD = /[\p{L}\p{N}]+/gu;
/** As quoted text is written in JSON, in JSON within JSON, and in addresses: `\n`, `\\n`, `%20`. */
const ESCAPE = /\\+(?:u[\da-f]{4}|.)|%(?:25)*[\da-f]{2}/gisu;
const GAP = /…(?:[^\p{L}\p{N}]*…)+/gu;

export class Spoken {
  #squashed = '';

  add(question: string): void {
    const squashed = squash(question);
    const kept = Math.max(KEPT_CHARS, squashed.length);
    this.#squashed = `${this.#squashed} ${squashed}`.slice(-kept);
  }

  /** The text with `…` for each word that also stands in a question, however it is cut or spaced. */
  without(text: string): string {
    const isAsked = new Map<string, boolean>();
    const words = text.replace(ESCAPE, ' ').replace(WORD, (word) => {
      const key = word.toLowerCase();
      const known = isAsked.get(key) ?? this.#squashed.includes(key);
      isAsked.set(key, known);
      return known ? '…' : word;
    });
    return words.replace(GAP, '…');
  }
}

function squash(text: string): string {
  return (text.toLowerCase().match(WORD) ?? []).join('');
}
