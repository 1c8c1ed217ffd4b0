/**
 * The lines of a file, by number: as a model is shown them and as a citation names them. A line
 * ends at "\n" only, as everywhere in warmline.
 */

/** The start of every this many lines is remembered; those between are looked for. */
const STEP = 256;
/** Bytes and lines looked at between two pauses. */
const BYTES_PER_PAUSE = 64 * 1024;

export class Lines {
  readonly #bytes: Buffer;
  /** Offsets of the lines 1, 1 + STEP, 1 + 2 × STEP, … */
  readonly #starts: readonly number[];
  /** How many lines there are; a "\n" at the very end opens no further one. */
  readonly count: number;

  private constructor(bytes: Buffer, starts: readonly number[], count: number) {
    this.#bytes = bytes;
    this.#starts = starts;
    this.count = count;
  }

  /** Counts the lines; yields where the caller may pause. */
  static *of(bytes: Buffer): Generator<undefined, Lines> {
    const starts: number[] = [];
    let count = 0;
    let start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
    let pauseAt = BYTES_PER_PAUSE;
    while (start < bytes.length) {
      if (count % STEP === 0) starts.push(start);
      count++;
      start = lineEnd(bytes, start) + 1;
      if (start > pauseAt) {
        pauseAt = start + BYTES_PER_PAUSE;
        yield undefined;
      }
    }
    return new Lines(bytes, starts, count);
  }

  /**
   * The text of the lines `from` to `to`, counted from 1, both included; undefined when it is
   * longer than `maxBytes`.
   */
  text(from: number, to: number, maxBytes: number): string | undefined {
    const start = this.#startOf(from);
    let end = start - 1;
    for (let line = from; line <= to; line++) {
      end = lineEnd(this.#bytes, end + 1);
      if (end - start > maxBytes) return undefined;
    }
    return this.#bytes.toString('utf8', start, end);
  }

  #startOf(line: number): number {
    const step = Math.floor((line - 1) / STEP);
    let start = this.#starts[step] ?? this.#bytes.length;
    for (let at = step * STEP + 1; at < line; at++) start = lineEnd(this.#bytes, start) + 1;
    return start;
  }
}

function lineEnd(bytes: Buffer, start: number): number {
  const newline = bytes.indexOf(0x0a, start);
  return newline === -1 ? bytes.length : newline;
}
