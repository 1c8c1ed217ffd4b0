/** Text in cells of a terminal: how wide it is there, and what of it fits. Pure. */
import stringWidth from 'string-width';
import { duration, printableLine } from '../../src/text.js';

export type Colour = 'red' | 'yellow' | 'green' | 'cyan';

/** A piece of a line in one style. */
export interface Span {
  readonly text: string;
  readonly colour?: Colour | undefined;
  readonly bold?: boolean | undefined;
  readonly dim?: boolean | undefined;
  readonly inverse?: boolean | undefined;
}

/** What stands in one row of the screen; harmless, and never wider than the screen. */
export type Line = readonly Span[];

const PLAIN = /^[\x20-\x7e]*$/;
const GRAPHEMES = new Intl.Segmenter();

/**
 * Text of others as it may stand in a cell: one line, nothing that steers the terminal, and nothing
 * about whose width terminals disagree (marks that change direction, join or choose a variant).
 */
export function cellText(text: string): string {
  const line = printableLine(text);
  return PLAIN.test(line)
    ? line
    : line.replace(/[\p{Cf}\p{Cn}\p{Co}\p{Cs}\p{Variation_Selector}]/gu, '');
}

export function widthOf(text: string): number {
  return PLAIN.test(text) ? text.length : stringWidth(text);
}

/** The beginning of a text that fits in so many cells, with an ellipsis where it was cut. */
export function shorten(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  if (width <= 0) return '';
  return `${begin(text, width - 1)}…`;
}

/** The same, made exactly so wide. */
export function cell(text: string, width: number, side: 'left' | 'right' = 'left'): string {
  const fitted = shorten(text, width);
  const space = ' '.repeat(Math.max(0, width - widthOf(fitted)));
  return side === 'left' ? fitted + space : space + fitted;
}

/** A text in lines that fit, broken at spaces where there are some. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let rest = text;
  while (widthOf(rest) > width) {
    // At least one character, however wide: each turn shortens what is left.
    const most = begin(rest, width) || String.fromCodePoint(rest.codePointAt(0) ?? 0);
    const space = most.lastIndexOf(' ');
    const line = space > width / 2 ? most.slice(0, space + 1) : most;
    lines.push(line.trimEnd());
    rest = rest.slice(line.length);
  }
  return [...lines, rest];
}

/** Whole seconds: it is looked at once in a second. A clock that was set back shows 0. */
export function age(sinceUs: number, nowUs: number): string {
  const seconds = Math.max(0, Math.floor((nowUs - sinceUs) / 1_000_000));
  return seconds === 0 ? '0 s' : duration(seconds * 1000);
}

/** A line cut to so many cells. */
export function shortenLine(line: Line, width: number): Line {
  let left = width;
  const fitted: Span[] = [];
  for (const span of line) {
    const text = shorten(span.text, left);
    if (text !== '') fitted.push({ ...span, text });
    left -= widthOf(text);
  }
  return fitted;
}

export function plain(line: Line): string {
  return line
    .map(({ text }) => text)
    .join('')
    .trimEnd();
}

function begin(text: string, width: number): string {
  if (PLAIN.test(text)) return text.slice(0, width);
  let used = 0;
  let end = 0;
  for (const { segment, index } of GRAPHEMES.segment(text)) {
    used += widthOf(segment);
    if (used > width) break;
    end = index + segment.length;
  }
  return text.slice(0, end);
}
