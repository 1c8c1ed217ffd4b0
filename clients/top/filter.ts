/** What people type to see fewer questions. Pure. */
import { LISTED_STATUSES, type ListedStatus } from '../../src/bus/index.js';

/** Words that stand for several statuses. */
const GROUPS: Readonly<Record<string, readonly ListedStatus[]>> = {
  unfinished: ['pending', 'processing', 'expired'],
  errors: ['failed', 'timeout', 'cancelled', 'dead'],
};

export const FILTER_WORDS: readonly string[] = [...Object.keys(GROUPS), ...LISTED_STATUSES];

/** What the bus looks for. */
export interface QuestionFilter {
  readonly statuses?: readonly ListedStatus[];
  readonly conversation?: string;
}

interface Filter {
  readonly asked: QuestionFilter;
  /** What the beginning of a question has to have in it, in small letters. */
  readonly words: readonly string[];
}

/** Words with spaces between them: statuses, one conversation, and what is in the question. */
export function parseFilter(text: string): Filter {
  const given = text.toLowerCase().split(/\s+/).filter(Boolean);
  const conversation = given.findLast((word) => /^conv_[a-f0-9]{16}$/.test(word));
  const statuses = given.flatMap(statusesOf);
  return {
    asked: {
      ...(statuses.length > 0 ? { statuses } : {}),
      ...(conversation === undefined ? {} : { conversation }),
    },
    words: given.filter((word) => word !== conversation && statusesOf(word).length === 0),
  };
}

function statusesOf(word: string): readonly ListedStatus[] {
  return (
    (Object.hasOwn(GROUPS, word) && GROUPS[word]) || LISTED_STATUSES.filter((each) => each === word)
  );
}
