/** The words that people have for where a question stands. */
import type { ListedStatus } from '../../src/bus/index.js';

/** Which questions each word means; without the bus at hand, for a help text. */
export const STATUS_WORDS: Readonly<
  Record<ListedStatus | 'active' | 'completed', readonly ListedStatus[]>
> = {
  pending: ['pending'],
  processing: ['processing'],
  active: ['pending', 'processing'],
  complete: ['complete'],
  completed: ['complete'],
  failed: ['failed'],
  timeout: ['timeout'],
  cancelled: ['cancelled'],
  ignored: ['ignored'],
  expired: ['expired'],
  dead: ['dead'],
};

export function isStatusWord(word: string): word is keyof typeof STATUS_WORDS {
  return Object.hasOwn(STATUS_WORDS, word);
}
