/** Answers that are handed over together, as jobs of the writer. */
import type { Answered, Completed } from '../bus.js';

/** So long is a transaction at most before the writer looks at the clock, in characters of answers. */
const MAX_CHARS = 1_000_000;

/**
 * @param write writes some in one job; its rejection means that none of them is written
 * @returns a result for each; one that cannot be written keeps no other from it
 */
export async function completeTogether(
  answered: readonly Answered[],
  write: (some: readonly Answered[]) => Promise<readonly Completed[]>,
): Promise<readonly Completed[]> {
  const alone = (one: Answered) => write([one]).catch((error: Error) => [error]);
  const written = jobsOf(answered).map((some) =>
    write(some).catch(async (error: Error) =>
      some.length === 1 ? [error] : (await Promise.all(some.map(alone))).flat(),
    ),
  );
  return written.length === 1
    ? (written[0] as Promise<Completed[]>)
    : (await Promise.all(written)).flat();
}

function jobsOf(answered: readonly Answered[]): readonly (readonly Answered[])[] {
  const jobs: Answered[][] = [];
  let chars = Number.POSITIVE_INFINITY;
  for (const each of answered) {
    if (chars > MAX_CHARS) {
      jobs.push([]);
      chars = 0;
    }
    jobs.at(-1)?.push(each);
    chars += each.answer.answer.length;
  }
  return jobs;
}
