/** Tables of Markdown: columns side by side where they fit, else one line for each cell. */
import type { Tokens } from 'marked';
import { type Page, painted, type Span, spansOf, widthOf, wrap } from './spans.js';

const SEPARATOR = ' │ ';
/** Narrower columns than these are no use to a reader. */
const MIN_COLUMN = 6;

type Align = Tokens.Table['align'][number];

export function tableLines({ header, rows, align }: Tokens.Table, page: Page): string[] {
  const heads = header.map(({ tokens }) => spansOf(tokens, ['bold']));
  const cells = rows.map((row) => row.map(({ tokens }) => spansOf(tokens)));
  const wanted = heads.map((head, column) =>
    Math.max(1, ...[head, ...cells.map((row) => row[column] ?? [])].map(longestLine)),
  );
  const widths = fitted(wanted, page.columns - SEPARATOR.length * (wanted.length - 1));
  if (widths === undefined) return records(heads, cells, page);
  const rule = page.paint(['dim'], widths.map((width) => '─'.repeat(width)).join('─┼─'));
  const lines = (row: readonly Span[][]) => rowLines(row, widths, align, page);
  return [...lines(heads), rule, ...cells.flatMap(lines)];
}

function longestLine(cell: readonly Span[]): number {
  const lines = cell.some(({ text }) => text === '\n')
    ? wrap(cell, Number.POSITIVE_INFINITY)
    : [cell];
  return Math.max(0, ...lines.map(widthOf));
}

/** Columns as wide as they want to be, the widest ones cut alike; undefined when that is too narrow. */
export function fitted(wanted: readonly number[], columns: number): number[] | undefined {
  let left = columns;
  const ascending = [...wanted].sort((one, other) => one - other);
  for (const [index, width] of ascending.entries()) {
    const share = Math.floor(left / (ascending.length - index));
    if (width <= share) left -= width;
    else return share < MIN_COLUMN ? undefined : wanted.map((each) => Math.min(each, share));
  }
  return [...wanted];
}

function rowLines(
  row: readonly Span[][],
  widths: readonly number[],
  align: readonly Align[],
  page: Page,
): string[] {
  const columns = widths.map((width, column) => wrap(row[column] ?? [], width));
  const height = Math.max(1, ...columns.map((lines) => lines.length));
  const bar = page.paint(['dim'], SEPARATOR);
  return Array.from({ length: height }, (_, index) =>
    columns
      .map((lines, column) =>
        aligned(lines[index] ?? [], widths[column] ?? 0, align[column] ?? null, page),
      )
      .join(bar)
      .trimEnd(),
  );
}

function aligned(line: readonly Span[], width: number, align: Align, page: Page): string {
  const room = Math.max(0, width - widthOf(line));
  const before = align === 'right' ? room : align === 'center' ? Math.floor(room / 2) : 0;
  return `${' '.repeat(before)}${painted(line, page)}${' '.repeat(room - before)}`;
}

function records(heads: readonly Span[][], cells: readonly Span[][][], page: Page): string[] {
  return cells.flatMap((row, index) => [
    ...(index === 0 ? [] : ['']),
    ...row.flatMap((cell, column) => {
      const colon: Span = { text: ': ', styles: ['bold'] };
      return wrap([...(heads[column] ?? []), colon, ...cell], page.columns).map((line) =>
        painted(line, page),
      );
    }),
  ]);
}
