/** The blocks of Markdown as lines of a page. */
import type { MarkedToken, Token, Tokens } from 'marked';
import { type Page, painted, type Style, spansOf, wrap } from './spans.js';
import { tableLines } from './table.js';

/** However deep the nesting, so much is left for the text. */
const MIN_COLUMNS = 20;
const CODE_INDENT = '  ';

/** @param isTight blocks follow each other without an empty line between them */
export function blockLines(tokens: readonly Token[], page: Page, isTight = false): string[] {
  const blocks = tokens.map((token) => linesOfOne(token as MarkedToken, page));
  const shown = blocks.filter((lines) => lines.length > 0);
  return shown.flatMap((lines, index) => (index === 0 || isTight ? lines : ['', ...lines]));
}

function linesOfOne(token: MarkedToken, page: Page): string[] {
  switch (token.type) {
    case 'space':
    case 'checkbox':
      return [];
    case 'heading':
      return flowing(token.tokens, page, token.depth === 1 ? ['bold', 'underline'] : ['bold']);
    case 'paragraph':
      return flowing(token.tokens, page);
    case 'text':
      return flowing(token.tokens ?? [token], page);
    case 'code':
      return token.text.split('\n').map((line) => codeLine(line, page));
    case 'blockquote':
      return prefixed(blockLines(token.tokens, inner(page, 2)), page.paint(['dim'], '│ '));
    case 'list':
      return listLines(token, page);
    case 'table':
      return tableLines(token, page);
    case 'hr':
      return [page.paint(['dim'], '─'.repeat(page.columns))];
    default:
      return token.raw.replace(/\n+$/, '').split('\n');
  }
}

export function codeLine(line: string, page: Page): string {
  return line === '' ? '' : CODE_INDENT + page.paint(['cyan'], line);
}

function flowing(tokens: readonly Token[], page: Page, styles: readonly Style[] = []): string[] {
  return wrap(spansOf(tokens, styles), page.columns).map((line) => painted(line, page));
}

function listLines({ ordered, start, items, loose }: Tokens.List, page: Page): string[] {
  return items.flatMap((item, index) => {
    const bullet = item.task ? (item.checked ? '☑' : '☐') : '•';
    const marker = ordered ? `${Number(start) + index}. ` : `${bullet} `;
    const text = blockLines(item.tokens, inner(page, marker.length), !item.loose);
    const [first = '', ...rest] = text;
    const lines = [
      page.paint(['dim'], marker) + first,
      ...prefixed(rest, ' '.repeat(marker.length)),
    ];
    return index > 0 && loose ? ['', ...lines] : lines;
  });
}

function prefixed(lines: readonly string[], prefix: string): string[] {
  return lines.map((line) => (prefix + line).trimEnd());
}

function inner(page: Page, columns: number): Page {
  return { ...page, columns: Math.max(MIN_COLUMNS, page.columns - columns) };
}
