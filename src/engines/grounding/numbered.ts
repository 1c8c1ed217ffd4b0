/**
 * Text as a model is shown it: each line behind its number. Every line of a document begins with
 * its number, so no line of a document can look like one of ours.
 */
import { createHash } from 'node:crypto';
import type { Lines } from './lines.js';

/**
 * What some programs and models take for the end of a line, and what nobody wants in a prompt: with
 * it a document could begin a line of its own that has no number.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
const UNPRINTABLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029]/g;

/** Lines that are numbered, and bytes that are hashed, between two pauses. */
const LINES_PER_PAUSE = 64;
const BYTES_PER_PAUSE = 256 * 1024;

/** `text`, cut at each "\n", with its lines numbered from `first` on. */
export function numbered(text: string, first: number): string {
  return text
    .split('\n')
    .map((line, at) => `${first + at}| ${line.replace(/\r$/, '').replace(UNPRINTABLE, ' ')}`)
    .join('\n');
}

/** All lines of a file, numbered; undefined when that takes more than `maxBytes` of UTF-8. */
export function* numberedWhole(
  lines: Lines,
  maxBytes: number,
): Generator<undefined, string | undefined> {
  const parts: string[] = [];
  let size = 0;
  for (let from = 1; from <= lines.count; from += LINES_PER_PAUSE) {
    const to = Math.min(lines.count, from + LINES_PER_PAUSE - 1);
    const text = lines.text(from, to, maxBytes - size);
    if (text === undefined) return undefined;
    const part = numbered(text, from);
    size += Buffer.byteLength(part) + 1;
    if (size > maxBytes) return undefined;
    parts.push(part);
    yield undefined;
  }
  return parts.join('\n');
}

/** A word that no document can hold, for it is made of all bytes of the document. */
export function* fingerprint(bytes: Buffer): Generator<undefined, string> {
  const hash = createHash('sha256');
  for (let at = 0; at < bytes.length; at += BYTES_PER_PAUSE) {
    hash.update(bytes.subarray(at, at + BYTES_PER_PAUSE));
    yield undefined;
  }
  return hash.digest('hex').slice(0, 16);
}

/** A file name as a prompt shows it, and as a citation is expected to spell it. */
export function shownName(name: string): string {
  return name.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}`]/gu, '?');
}
