/** The last bytes of a stream, however much of it there was. */
export class Tail {
  readonly #maxBytes: number;
  #kept = Buffer.alloc(0);
  #wasCut = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  push(chunk: Buffer): void {
    const all = this.#kept.length === 0 ? chunk : Buffer.concat([this.#kept, chunk]);
    if (all.length > this.#maxBytes) this.#wasCut = true;
    // A copy: a slice would keep the whole of a large chunk in memory.
    this.#kept = Buffer.from(all.subarray(Math.max(0, all.length - this.#maxBytes)));
  }

  /** What was kept, from the beginning of a line where there is one. */
  text(): string {
    const text = this.#kept.toString('utf8');
    const lineEnd = this.#wasCut ? text.indexOf('\n') : -1;
    return lineEnd === -1 || lineEnd === text.length - 1 ? text : text.slice(lineEnd + 1);
  }
}
