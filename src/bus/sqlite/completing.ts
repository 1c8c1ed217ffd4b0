/** Answers that are handed over together, in portions that each fit into one job of the writer. */
import type { Answered, Completed } from '../bus.js';

/**
 * So much is written at most before the writer looks at the clock: more would hold the write lock for
 * longer than others should wait.
 */
const MAX_ANSWERS = 256;
const MAX_CHARS = 1_000_000;

/** @param write writes a portion; never rejects */
export async function completeInPortions(
  answered: readonly Answered[],
  write: (portion: readonly Answered[]) => Promise<Completed[]>,
): Promise<readonly Completed[]> {
  const portions = portionsOf(answered);
  const [only] = portions;
  if (portions.length === 1 && only !== undefined) return write(only);
  return (await Promise.all(portions.map(write))).flat();
}

function portionsOf(answered: readonly Answered[]): readonly (readonly Answered[])[] {
  const portions: Answered[][] = [];
  let portion: Answered[] | undefined;
  let chars = 0;
  for (const each of answered) {
    if (portion === undefined || chars > MAX_CHARS || portion.length === MAX_ANSWERS) {
      portion = [];
      portions.push(portion);
      chars = 0;
    }
    portion.push(each);
    chars += each.answer.answer.length;
  }
  return portions;
}
