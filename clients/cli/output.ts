/** What commands print: data for programs on standard output, text for people beside it. */
import { styleText } from 'node:util';
import { printable, printableLine } from '../../src/text.js';

export { duration, printable, printableLine, shellWord } from '../../src/text.js';

type Style = Parameters<typeof styleText>[0];

/** JSON leaves these as they are, and a terminal obeys them. */
const C1 = /[\u007f-\u009f]/g;

export function printJson(value: unknown): void {
  const json = JSON.stringify(value).replace(
    C1,
    (char) => `\\u00${char.charCodeAt(0).toString(16)}`,
  );
  process.stdout.write(`${json}\n`);
}

export function printText(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Colour only for a terminal that wants it (`NO_COLOR`, `TERM=dumb` and the like). */
export function paint(style: Style, text: string): string {
  const { stdout } = process;
  return stdout.isTTY && stdout.hasColors() ? styleText(style, text) : text;
}

export function printSources(sources: readonly string[]): void {
  if (sources.length > 0) printText(`\n${sourcesText(sources)}`);
}

export function sourcesText(sources: readonly string[]): string {
  const lines = sources.map((source) => `  ${paint('cyan', printable(source))}`);
  return [paint('bold', 'Sources'), ...lines].join('\n');
}

/** The one line a program waits for: it goes out when everything it names can be used. */
export function announceReady(fields: Readonly<Record<string, unknown>>): void {
  printJson({ event: 'ready', ...fields });
  // A supervisor that went away in this moment is noticed elsewhere.
  if (process.connected) process.send?.('ready', undefined, undefined, () => undefined);
}

/** Of a terminal that does not say how wide it is. */
const USUAL_COLUMNS = 80;

/**
 * As much of a line as so many columns hold, or less: what may be wide counts as two. To know it
 * better takes a table of all characters, and its loading a good part of a command's time.
 */
function beginningOf(line: string, columns: number): string {
  let [used, end] = [0, 0];
  for (const character of line) {
    used += character < '\u1100' ? 1 : 2;
    if (used > columns) break;
    end += character.length;
  }
  return line.slice(0, end);
}

/** One line on a terminal that says how far a wait has come, and leaves no trace. */
export class StatusLine {
  readonly #stream = process.stderr;
  #shown = '';

  show(text: string): void {
    if (!this.#stream.isTTY || text === this.#shown) return;
    const columns = (this.#stream.columns || USUAL_COLUMNS) - 1;
    this.#stream.write(`\r\u001b[2K${beginningOf(printableLine(text), columns)}`);
    this.#shown = text;
  }

  clear(): void {
    if (this.#shown !== '') this.#stream.write('\r\u001b[2K');
    this.#shown = '';
  }
}

/** Columns under their headings; numbers to the right. */
export function table(headings: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const cells = rows.map((row) => row.map((cell) => printableLine(String(cell ?? ''))));
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...cells.map((row) => row[column]?.length ?? 0)),
  );
  const isNumber = (column: number) => rows.every((row) => typeof row[column] === 'number');
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) =>
        isNumber(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return [paint('bold', line(headings)), ...cells.map(line)].join('\n');
}
