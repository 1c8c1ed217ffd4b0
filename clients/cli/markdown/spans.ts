/** Text with styles, from the inline tokens of Markdown, and how it is broken into lines. */
import type { styleText } from 'node:util';
import type { MarkedToken, Token } from 'marked';
import stringWidth from 'string-width';
import { printable } from '../../../src/text.js';

export type Style = Extract<Parameters<typeof styleText>[0], string>;

/** Text of one style; a line end in it stands alone, and is one on the screen. */
export interface Span {
  readonly text: string;
  readonly styles: readonly Style[];
}

/** Where the text goes. */
export interface Page {
  /** Its width, in cells of the terminal. */
  readonly columns: number;
  readonly paint: (styles: readonly Style[], text: string) => string;
}

export function spansOf(tokens: readonly Token[], styles: readonly Style[] = []): Span[] {
  return tokens.flatMap((token) => spansOfOne(token as MarkedToken, styles));
}

function spansOfOne(token: MarkedToken, styles: readonly Style[]): Span[] {
  switch (token.type) {
    case 'strong':
      return spansOf(token.tokens, [...styles, 'bold']);
    case 'em':
      return spansOf(token.tokens, [...styles, 'italic']);
    case 'del':
      return spansOf(token.tokens, [...styles, 'strikethrough']);
    case 'codespan':
      return [leaf(token.text, [...styles, 'cyan'])];
    case 'br':
      return [{ text: '\n', styles }];
    case 'link':
    case 'image':
      return linked(token, styles);
    case 'checkbox':
      // The marker of its item says it.
      return [];
    case 'html':
      return /^<br\s{0,9}\/?>$/i.test(token.text)
        ? [{ text: '\n', styles }]
        : [leaf(token.raw, styles)];
    case 'text':
      return token.tokens ? spansOf(token.tokens, styles) : [leaf(token.text, styles)];
    case 'escape':
      return [leaf(token.text, styles)];
    default:
      return [leaf(token.raw, styles)];
  }
}

/** The address is shown: where a link leads is not for the text of the link to say. */
function linked(
  { href, tokens }: { readonly href: string; readonly tokens: Token[] },
  styles: readonly Style[],
): Span[] {
  const name = spansOf(tokens, [...styles, 'underline']);
  const address = leaf(href, [...styles, 'dim']);
  const said = name.map(({ text }) => text).join('');
  if (said === '') return [address];
  const isSaid = [said, `http://${said}`, `mailto:${said}`].includes(address.text);
  return isSaid ? name : [...name, { text: ` (${address.text})`, styles: address.styles }];
}

function leaf(text: string, styles: readonly Style[]): Span {
  return { text: inOneLine(decoded(text)), styles };
}

const NAMED: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  nbsp: '\u00a0',
};

function decoded(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|nbsp);/g, (_, name: string) => NAMED[name] as string);
}

/** Of a text that the lexer has decoded: `&#27;` is an escape character by now. */
function inOneLine(text: string): string {
  return printable(text).replace(/[\t\n\u2028\u2029]/g, ' ');
}

export function widthOf(spans: readonly Span[]): number {
  return spans.reduce((sum, { text }) => sum + stringWidth(text), 0);
}

export function painted(spans: readonly Span[], { paint }: Page): string {
  return spans
    .map(({ text, styles }) => (styles.length === 0 ? text : paint(styles, text)))
    .join('');
}

/** Lines of at most so many columns, broken between words, and within those that are longer. */
export function wrap(spans: readonly Span[], columns: number): Span[][] {
  const filler = new Filler(columns);
  for (const { text, styles } of spans) {
    for (const piece of text.match(/[\n ]|[^\n ]+/g) ?? []) {
      if (piece === '\n') filler.end();
      else if (piece === ' ') filler.space(styles);
      else filler.word(piece, styles);
    }
  }
  return filler.done();
}

const GRAPHEMES = new Intl.Segmenter();
const IS_ASCII = /^[ -~]*$/;

/** What stands in one place of the screen; a character may be made up of several. */
function* charactersOf(text: string): Iterable<string> {
  if (IS_ASCII.test(text)) yield* text;
  else for (const { segment } of GRAPHEMES.segment(text)) yield segment;
}

function charWidth(char: string): number {
  return char <= '~' ? 1 : stringWidth(char);
}

/** In columns. */
const WIDEST_CHARACTER = 2;

class Filler {
  readonly #columns: number;
  readonly #lines: Span[][] = [];
  #line: Span[] = [];
  #used = 0;
  #gap: Span | undefined;
  /** What has come since the last space; several spans may make up one word. */
  #word: Span[] = [];

  constructor(columns: number) {
    this.#columns = columns;
  }

  word(text: string, styles: readonly Style[]): void {
    this.#word.push({ text, styles });
  }

  space(styles: readonly Style[]): void {
    this.#place();
    if (this.#used > 0) this.#gap ??= { text: ' ', styles };
  }

  end(): void {
    this.#place();
    this.#break();
  }

  done(): Span[][] {
    this.#place();
    return this.#line.length > 0 ? [...this.#lines, this.#line] : this.#lines;
  }

  #place(): void {
    if (this.#word.length === 0) return;
    const word = this.#word;
    this.#word = [];
    const width = this.#widthOf(word);
    const fitsALine = width <= this.#columns;
    const needed = (this.#gap ? 1 : 0) + (fitsALine ? width : WIDEST_CHARACTER);
    if (this.#used > 0 && this.#used + needed > this.#columns) this.#break();
    if (this.#gap) this.#add(this.#gap, 1);
    this.#gap = undefined;
    for (const span of word) {
      if (fitsALine) this.#add(span, 0);
      else this.#cut(span);
    }
    if (fitsALine) this.#used += width;
  }

  /** To measure takes time: of what is surely too long it is not asked. */
  #widthOf(word: readonly Span[]): number {
    const chars = word.reduce((sum, { text }) => sum + text.length, 0);
    return chars > 8 * this.#columns ? Number.POSITIVE_INFINITY : widthOf(word);
  }

  /** Of a word that no line holds: as much on each line as fits, and never less than a character. */
  #cut({ text, styles }: Span): void {
    for (const segment of charactersOf(text)) {
      const width = segment.length === 1 ? charWidth(segment) : stringWidth(segment);
      if (this.#used + width > this.#columns && this.#used > 0) this.#break();
      this.#add({ text: segment, styles }, width);
    }
  }

  #add(span: Span, width: number): void {
    const last = this.#line.at(-1);
    if (last?.styles === span.styles) {
      this.#line[this.#line.length - 1] = { text: last.text + span.text, styles: span.styles };
    } else this.#line.push(span);
    this.#used += width;
  }

  #break(): void {
    this.#lines.push(this.#line);
    this.#line = [];
    this.#used = 0;
    this.#gap = undefined;
  }
}
