/**
 * Markdown that comes in pieces, block by block for a terminal. A block is shown when it is over:
 * what is on the screen is never taken back, so that nothing depends on how much of it the terminal
 * still shows. Code between fences is a line at a time.
 *
 * The text is anybody's. What is always true:
 *  - the time is in proportion to the text: each line is looked at once, and only a block that is
 *    small and plain enough is given to the Markdown lexer; the others are shown as they came;
 *  - of what is not shown yet, no more than one such block is held.
 */
import { Lexer } from 'marked';
import { printable } from '../../../src/text.js';
import { blockLines, codeLine } from './blocks.js';
import type { Page } from './spans.js';
import { isTame, MAX_BLOCK_CHARS } from './tame.js';

/** Nobody reads more on a terminal: the rest is shown as it came. */
const MAX_RENDERED_CHARS = 256 * 1024;

interface Fence {
  /** The character, as often as it stands there. */
  readonly mark: string;
  readonly indent: number;
}

type State =
  | { readonly at: 'between' }
  | {
      readonly at: 'block';
      readonly lines: string[];
      readonly isList: boolean;
      fence?: Fence | undefined;
    }
  | { readonly at: 'code'; readonly fence: Fence }
  /** In a block that is too large. */
  | { readonly at: 'plain' };

const BETWEEN: State = { at: 'between' };
const LIST = /^ {0,3}(?:[-*+]|\d{1,9}[.)])[ \t]/;
const FENCE = /^([ \t]*)(?:(`{3,})[^`]*|(~{3,}).*)$/;

export class MarkdownStream {
  readonly #page: () => Page;
  #state: State = BETWEEN;
  /** The line that is not over yet. */
  #partial = '';
  /** The line was too long to wait for its end. */
  #isMidLine = false;
  #chars = 0;
  #blockChars = 0;
  #shown = false;

  /** @param page asked before each block: a terminal may change its width */
  constructor(page: () => Page) {
    this.#page = page;
  }

  /** The end of what has come and is not shown yet. */
  get pending(): string {
    if (this.#partial.trim() !== '') return this.#partial;
    return this.#state.at === 'block' ? (this.#state.lines.at(-1) ?? '') : '';
  }

  /** @returns what can be shown now: whole lines, or nothing */
  push(text: string): string {
    const lines = printable(text).split('\n');
    const rest = lines.pop() as string;
    return lines.map((line) => this.#take(line)).join('') + this.#begin(rest);
  }

  /** @returns what is left when nothing follows */
  end(): string {
    const last = this.#partial === '' && !this.#isMidLine ? '' : this.#take('');
    return last + this.#endBlock();
  }

  #take(text: string): string {
    if (this.#isMidLine) {
      this.#isMidLine = false;
      return `${text}\n`;
    }
    const line = this.#partial + text;
    this.#partial = '';
    this.#chars += line.length + 1;
    return this.#line(line);
  }

  #begin(text: string): string {
    if (this.#isMidLine) return text;
    this.#partial += text;
    if (this.#partial.length <= MAX_BLOCK_CHARS) return '';
    const shown = this.#partial;
    this.#partial = '';
    this.#isMidLine = true;
    return this.#giveUp() + shown;
  }

  #line(line: string): string {
    const state = this.#state;
    const isBlank = line.trim() === '';
    switch (state.at) {
      case 'between':
        return isBlank ? '' : this.#beginBlock(line);
      case 'code':
        if (!closes(line, state.fence)) return this.#codeLine(line, state.fence);
        this.#state = BETWEEN;
        return '';
      case 'plain':
        if (isBlank) this.#state = BETWEEN;
        return isBlank ? '' : `${line}\n`;
      case 'block': {
        if (state.fence === undefined && this.#ends(line, isBlank, state)) {
          return this.#endBlock() + this.#line(line);
        }
        const opened = fenceOf(line);
        if (state.fence === undefined) state.fence = opened;
        else if (closes(line, state.fence)) state.fence = undefined;
        return this.#addLine(line, state.lines);
      }
    }
  }

  #ends(line: string, isBlank: boolean, { isList, lines }: State & { at: 'block' }): boolean {
    if (isBlank) return !isList;
    const isInside = isList && /^[ \t]{2}|^\t/.test(line);
    if (fenceOf(line) !== undefined) return !isInside;
    // In a list, what follows an empty line belongs to it when it is indented.
    return lines.at(-1)?.trim() === '' && !isInside;
  }

  #beginBlock(line: string): string {
    const gap = this.#gap();
    const fence = fenceOf(line);
    if (fence !== undefined) {
      this.#state = { at: 'code', fence };
      return gap;
    }
    const lines: string[] = [];
    this.#state = { at: 'block', lines, isList: LIST.test(line) };
    this.#blockChars = 0;
    return gap + this.#addLine(line, lines);
  }

  #addLine(line: string, lines: string[]): string {
    lines.push(line);
    this.#blockChars += line.length + 1;
    return this.#blockChars > MAX_BLOCK_CHARS ? this.#giveUp() : '';
  }

  /** Shows what is held as it came, and what follows of the block, too. */
  #giveUp(): string {
    const state = this.#state;
    if (state.at === 'code') return '';
    this.#state = { at: 'plain' };
    if (state.at === 'between') return this.#gap();
    return state.at === 'block' ? asItCame(state.lines) : '';
  }

  #gap(): string {
    const gap = this.#shown ? '\n' : '';
    this.#shown = true;
    return gap;
  }

  #endBlock(): string {
    const state = this.#state;
    this.#state = BETWEEN;
    if (state.at !== 'block') return '';
    if (this.#chars > MAX_RENDERED_CHARS || !isTame(state.lines)) return asItCame(state.lines);
    try {
      const lines = blockLines(Lexer.lex(state.lines.join('\n')), this.#page());
      return lines.map((line) => `${line}\n`).join('');
    } catch {
      // The lexer gives up on what it cannot make out.
      return asItCame(state.lines);
    }
  }

  #codeLine(line: string, { indent }: Fence): string {
    const own = line.length - line.trimStart().length;
    return `${codeLine(line.slice(Math.min(indent, own)), this.#page())}\n`;
  }
}

/** Empty lines at its end are those that follow each block. */
function asItCame(lines: readonly string[]): string {
  return `${lines.join('\n').trimEnd()}\n`;
}

function fenceOf(line: string): Fence | undefined {
  const [, indent = '', backticks, tildes] = FENCE.exec(line) ?? [];
  const mark = backticks ?? tildes;
  return mark === undefined ? undefined : { mark, indent: indent.length };
}

function closes(line: string, { mark }: Fence): boolean {
  const text = line.trim();
  return text.startsWith(mark) && text === (mark[0] as string).repeat(text.length);
}
