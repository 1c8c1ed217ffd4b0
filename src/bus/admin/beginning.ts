/** The text of a question from the beginning of its message, for lists. */

/** So much of a message is read, in characters. */
const BEGINNING_CHARS = 2000;

/** SQL for the beginning of a message; null when it is gone or no text. */
export const beginningOf = (message: string) =>
  `CASE WHEN typeof(${message}) = 'text' THEN substr(${message}, 1, ${BEGINNING_CHARS}) END`;

/** The message may have been cut off anywhere. */
export function questionIn(beginning: string): string {
  const [, text] = /"question"\s*:\s*"((?:[^"\\]|\\.)*)/.exec(beginning) ?? [];
  if (text === undefined) return beginning;
  try {
    return JSON.parse(`"${text}"`) as string;
  } catch {
    return text;
  }
}
