/**
 * Bytes from an untrusted peer, cut into lines.
 *
 * Why not a stream of lines: the owner must be able to stop between any two lines (back-pressure,
 * the last line of a connection), so lines are pulled. What is always true:
 *  - never more than `maxLineBytes` of an unfinished line are held, besides the pushed chunks;
 *  - the work is linear in the bytes: each is searched, checked and decoded once or twice;
 *  - an over-long line is reported once, its bytes are dropped up to its newline, and the line
 *    after it is read as usual.
 */
import { isUtf8 } from 'node:buffer';

export const DEFAULT_MAX_LINE_BYTES = 1024 * 1024;

/** `line` counts from 1 and includes blank lines, which are skipped. */
export type FramedLine =
  | { readonly kind: 'text'; readonly line: number; readonly text: string }
  | { readonly kind: 'invalid_utf8'; readonly line: number }
  | { readonly kind: 'too_long'; readonly line: number };

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const NOTHING = Buffer.alloc(0);

export class LineFramer {
  /** Longest accepted line in bytes, its `\n` not counted. May be changed between two lines. */
  maxLineBytes: number;

  readonly #waiting: Buffer[] = [];
  #chunk: Buffer = NOTHING;
  /** Everything in `#chunk` before this offset is used up. */
  #at = 0;
  /** Just after the last newline of `#chunk`; what follows is the start of a line. */
  #linesEnd = 0;
  /** Lines of `#chunk` that start before this offset are cut one by one: not all are UTF-8. */
  #cutSinglyUntil = 0;

  /** Decoded whole lines, each with its newline, and the place of the next one. */
  #text = '';
  #textAt = 0;

  /** Start of a line whose newline has not come. Grows by doubling, so the copying stays linear. */
  #carry: Buffer = NOTHING;
  #carryBytes = 0;
  #skipping = false;
  #line = 0;

  constructor(maxLineBytes: number = DEFAULT_MAX_LINE_BYTES) {
    this.maxLineBytes = maxLineBytes;
  }

  /** Number of the newest line that ended, from 1. */
  get line(): number {
    return this.#line;
  }

  /** Whether a line has begun and its newline has not come. */
  get partial(): boolean {
    return this.#carryBytes > 0 || this.#skipping;
  }

  push(chunk: Buffer): void {
    this.#waiting.push(chunk);
  }

  /** The peer sends no more: an unterminated last line counts as a line. */
  end(): void {
    this.#waiting.push(Buffer.of(NEWLINE));
  }

  /** The next line that is not blank, or undefined until more bytes come. */
  next(): FramedLine | undefined {
    for (;;) {
      if (this.#textAt < this.#text.length) {
        const found = this.#cutText();
        if (found !== undefined) return found;
      } else if (this.#at < this.#chunk.length) {
        const found = this.#advance();
        if (found !== undefined) return found;
      } else {
        const chunk = this.#waiting.shift();
        if (chunk === undefined) return undefined;
        this.#chunk = chunk;
        this.#at = 0;
        this.#linesEnd = chunk.lastIndexOf(NEWLINE) + 1;
        this.#cutSinglyUntil = 0;
      }
    }
  }

  #cutText(): FramedLine | undefined {
    const text = this.#text;
    const start = this.#textAt;
    const end = text.indexOf('\n', start);
    this.#textAt = end + 1;
    this.#line += 1;
    const line = text.slice(start, text.charCodeAt(end - 1) === CARRIAGE_RETURN ? end - 1 : end);
    if (this.#textAt === text.length) {
      this.#text = '';
      this.#textAt = 0;
    }
    return isBlank(line) ? undefined : { kind: 'text', line: this.#line, text: line };
  }

  /** Takes one step through the chunk: a skip, a region of lines, a single line, or the rest. */
  #advance(): FramedLine | undefined {
    const chunk = this.#chunk;
    const end = this.#linesEnd;
    if (end <= this.#at) return this.#keepRest();
    if (this.#skipping) {
      this.#at = chunk.indexOf(NEWLINE, this.#at) + 1;
      this.#skipping = false;
      this.#line += 1;
      return undefined;
    }
    const surelyShort = this.#carryBytes + end - this.#at <= this.maxLineBytes;
    if (surelyShort && this.#at >= this.#cutSinglyUntil) {
      const bytes = this.#join(end);
      if (isUtf8(bytes)) {
        this.#at = end;
        this.#dropCarry();
        this.#text = bytes.toString('utf8');
        return undefined;
      }
      this.#cutSinglyUntil = end;
    }
    return this.#cutBytes();
  }

  #cutBytes(): FramedLine | undefined {
    const newline = this.#chunk.indexOf(NEWLINE, this.#at);
    const fits = this.#carryBytes + newline - this.#at <= this.maxLineBytes;
    const bytes = fits ? this.#join(newline) : NOTHING;
    this.#at = newline + 1;
    this.#dropCarry();
    this.#line += 1;
    if (!fits) return { kind: 'too_long', line: this.#line };
    if (!isUtf8(bytes)) return { kind: 'invalid_utf8', line: this.#line };
    const endsWithReturn = bytes.length > 0 && bytes[bytes.length - 1] === CARRIAGE_RETURN;
    const text = bytes.toString('utf8', 0, endsWithReturn ? bytes.length - 1 : bytes.length);
    return isBlank(text) ? undefined : { kind: 'text', line: this.#line, text };
  }

  /** No newline is left in the chunk: what remains is the start of a line. */
  #keepRest(): FramedLine | undefined {
    const rest = this.#chunk.subarray(this.#at);
    this.#at = this.#chunk.length;
    if (this.#skipping) return undefined;
    const total = this.#carryBytes + rest.length;
    if (total > this.maxLineBytes) {
      this.#dropCarry();
      this.#skipping = true;
      return { kind: 'too_long', line: this.#line + 1 };
    }
    if (this.#carry.length < total) {
      const size = Math.min(Math.max(total, 2 * this.#carry.length), this.maxLineBytes);
      const grown = Buffer.allocUnsafe(size);
      this.#carry.copy(grown, 0, 0, this.#carryBytes);
      this.#carry = grown;
    }
    rest.copy(this.#carry, this.#carryBytes);
    this.#carryBytes = total;
    return undefined;
  }

  #join(end: number): Buffer {
    const head = this.#chunk.subarray(this.#at, end);
    if (this.#carryBytes === 0) return head;
    return Buffer.concat([this.#carry.subarray(0, this.#carryBytes), head]);
  }

  #dropCarry(): void {
    this.#carry = NOTHING;
    this.#carryBytes = 0;
  }
}

const SPACE = 0x20;

function isBlank(text: string): boolean {
  if (text === '') return true;
  return text.charCodeAt(0) <= SPACE && text.trim() === '';
}
