/** Text that comes in pieces which may be cut in the middle of a character. */
export class WholeCharacters {
  /** First half of a character whose second half is in the next piece. */
  #half = '';

  /** @returns what can be shown now, well-formed, possibly nothing */
  push(piece: string): string {
    const text = this.#half + piece;
    const end = text.charCodeAt(text.length - 1);
    const isCut = end >= 0xd800 && end <= 0xdbff;
    this.#half = isCut ? text.slice(-1) : '';
    return (isCut ? text.slice(0, -1) : text).toWellFormed();
  }

  /** @returns what is left when nothing follows, well-formed */
  end(): string {
    const rest = this.#half.toWellFormed();
    this.#half = '';
    return rest;
  }
}
