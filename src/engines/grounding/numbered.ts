/**
 * Text as a model is shown it: each line behind its number. Every line of a document begins with
 * its number, so no line of a document can look like one of ours.
 */
import { createHash } from 'node:crypto';

/**
 * What some programs and models take for the end of a line, and what no program wants in a prompt.
 * A document could begin a line of its own with it that has no number.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
const UNPRINTABLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029]/g;

/** `text`, cut at each "\n", with its lines numbered from `first` on. */
export function numbered(text: string, first: number): string {
  return text
    .split('\n')
    .map((line, at) => `${first + at}| ${line.replace(/\r$/, '').replace(UNPRINTABLE, ' ')}`)
    .join('\n');
}

/** A name that no document can write into itself: it is made of the document's own bytes. */
export function markFor(kind: 'document' | 'outline' | 'passages', bytes: Buffer): string {
  return `${kind}-${createHash('sha256').update(kind).update(bytes).digest('hex').slice(0, 16)}`;
}

/** A file name on one line of a prompt. */
export function shownName(name: string): string {
  return name.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}`]/gu, '?');
}
