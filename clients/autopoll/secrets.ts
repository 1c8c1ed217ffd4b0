/** Keeps secrets out of the answers that are written to the bus. */
import { type Answer, isSuspect, redact } from '../../src/bus/index.js';

/** A cheap look: when it is false, `withoutSecrets` would change nothing. */
export function mayHoldSecret(answer: Answer): boolean {
  return (
    isSuspect(answer.answer) ||
    (answer.error !== undefined && isSuspect(answer.error.message)) ||
    namesIn(answer).some(isSuspect)
  );
}

/** Sources that are more than a plain citation; `LONG-FILE-NAME.md:31-31` is no secret. */
function namesIn(answer: Answer): string[] {
  return answer.sources.filter((source) => !/^[\w./ -]{1,255}\.\w{1,8}:\d+-\d+$/.test(source));
}

export async function withoutSecrets(answer: Answer): Promise<Answer> {
  return {
    ...answer,
    answer: await clean(answer.answer),
    sources: await Promise.all(answer.sources.map(clean)),
    ...(answer.error && {
      error: { ...answer.error, message: await clean(answer.error.message) },
    }),
  };
}

/** A row holds a twentieth of it; what lies beyond is blank, so that its length stays what it was. */
const MAX_CHARS = 1_000_000;

async function clean(text: string): Promise<string> {
  if (text.length <= MAX_CHARS) return redact(text);
  return (await redact(text.slice(0, MAX_CHARS))).padEnd(text.length);
}
