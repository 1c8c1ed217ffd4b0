/**
 * Whether the Markdown lexer is good for a block. Its time grows with the square of some texts and
 * faster with the depth of lists, and on nested quotations it runs out of stack. Below these limits
 * the worst block that we could find takes it some 50 ms; what is beyond them is shown as it came.
 */

export const MAX_BLOCK_CHARS = 16 * 1024;
const MAX_LINES = 512;
/** Characters that may mean something. */
const MAX_MARKS = 1024;
/** Lines, times the most bars in one. */
const MAX_CELLS = 4096;
/** Columns that the markers of lists and quotations in front of a line take. */
const MAX_MARKER_COLUMNS = 32;

const MARK = /[*_~`[\]<&@!\\]/g;
const MARKERS = /^(?:[ \t]|>|[-*+](?=[ \t]|$)|\d{1,9}[.)](?=[ \t]|$))*/;

export function isTame(lines: readonly string[]): boolean {
  if (lines.length > MAX_LINES) return false;
  let [chars, marks, bars] = [0, 0, 0];
  for (const line of lines) {
    chars += line.length + 1;
    marks += count(line, MARK);
    bars = Math.max(bars, count(line, /\|/g));
    if (markerColumns(line) > MAX_MARKER_COLUMNS) return false;
  }
  return chars <= MAX_BLOCK_CHARS && marks <= MAX_MARKS && lines.length * bars <= MAX_CELLS;
}

function count(line: string, what: RegExp): number {
  return line.match(what)?.length ?? 0;
}

function markerColumns(line: string): number {
  const markers = MARKERS.exec(line)?.[0] ?? '';
  // What is only indented nests nothing.
  return /\S/.test(markers) ? markers.length : 0;
}
