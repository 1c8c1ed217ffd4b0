/**
 * Cuts Markdown or plain text into passages: the smallest pieces that can answer a question by
 * themselves, each with the exact lines it stands on. Works on bytes and one line at a time, so a
 * large file can be cut in slices and a line of many megabytes is never held as one string.
 *
 * Always true: a passage spans at most MAX_LINES lines and MAX_BYTES bytes; passages come in
 * order and never overlap; `heading` and `parent` point to earlier passages.
 */

export type PassageKind = 'heading' | 'text' | 'item' | 'header' | 'row' | 'code';

export interface Passage {
  readonly kind: PassageKind;
  /** First and last line, counted from 1, both included. */
  readonly fromLine: number;
  readonly toLine: number;
  /** Bytes `[start, end)` of the file. */
  readonly start: number;
  readonly end: number;
  /** Number of the passage that is the nearest heading above, or -1. */
  readonly heading: number;
  /** Number of the passage this one belongs to (list introduction, outer item, table header), or -1. */
  readonly parent: number;
}

export const MAX_LINES = 10;
export const MAX_BYTES = 1200;

/** A passage of prose ends at the first sentence end after this many lines. */
const FULL_LINES = 5;
const LINES_PER_PAUSE = 256;
/** Level of a heading that has no Markdown mark, only the looks of one. */
const LOWEST_LEVEL = 7;

const FENCE = /^\s*(`{3,}(?!.*`)|~{3,})/;
const ATX_HEADING = /^ {0,3}(#{1,6})(?:\s+\S|$)/;
const SETEXT_UNDERLINE = /^ {0,3}(?:=+|-{2,})\s*$/;
const BOLD_HEADING = /^(?:\*\*|__)[^*_]{1,80}(?:\*\*|__):?$/;
const CAPITALS_HEADING = /^(?=.*\p{Lu}{3})[\p{Lu}\p{N} &/,()'-]{4,60}:?$/u;
const RULE = /^ {0,3}(?:(?:-\s*){3,}|(?:\*\s*){3,}|(?:_\s*){3,})$/;
const DELIMITER_ROW = /^\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?$/;
const ITEM = /^(\s*)(?:[-*+•‣◦]|\d{1,4}[.)]|[a-zA-Z]\))\s+\S/;
const QUOTE = /^\s{0,3}(?:>\s?)+/;
const LABEL =
  /^(?:\*\*|__)?[\p{L}\p{N}_.-]+(?: [\p{L}\p{N}_./-]+){0,3}(?:\*\*|__)?\s?[:=](?:\*\*|__)?(?:\s|$)/u;
const SENTENCE_END = /[.!?…。！？:;]["'”»)\]*_`]*\s*$/;

/** Yields each passage; yields undefined now and then where the caller may pause. */
export function* cutPassages(bytes: Buffer): Generator<Passage | undefined, void> {
  const cutter = new Cutter();
  let line = 0;
  let start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  while (start < bytes.length) {
    line++;
    const newline = bytes.indexOf(0x0a, start);
    const next = newline === -1 ? bytes.length : newline + 1;
    let end = newline === -1 ? bytes.length : newline;
    if (end > start && bytes[end - 1] === 0x0d) end--;
    if (end - start > MAX_BYTES) {
      cutter.flush();
      for (const piece of pieces(bytes, start, end)) {
        cutter.piece(line, piece.start, piece.end);
        yield* cutter.take();
        yield undefined;
      }
    } else {
      cutter.line(bytes.toString('utf8', start, end), line, start, end);
      yield* cutter.take();
    }
    if (line % LINES_PER_PAUSE === 0) yield undefined;
    start = next;
  }
  cutter.flush();
  yield* cutter.take();
}

/** Cuts a long line after sentences, else at spaces, else between characters. */
function* pieces(
  bytes: Buffer,
  from: number,
  to: number,
): Generator<{ start: number; end: number }> {
  let start = from;
  while (to - start > MAX_BYTES) {
    const end = cutPoint(bytes, start, start + MAX_BYTES);
    yield { start, end };
    start = end;
  }
  if (to > start) yield { start, end: to };
}

function cutPoint(bytes: Buffer, start: number, limit: number): number {
  const earliest = start + MAX_BYTES / 3;
  let space = -1;
  for (let at = limit - 1; at > earliest; at--) {
    if (bytes[at] !== 0x20) continue;
    const before = bytes[at - 1];
    if (before === 0x2e || before === 0x21 || before === 0x3f) return at + 1;
    if (space === -1) space = at + 1;
  }
  if (space !== -1) return space;
  let cut = limit;
  while (cut > limit - 4 && isContinuation(bytes[cut])) cut--;
  return isContinuation(bytes[cut]) ? limit : cut;
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

interface Pending {
  kind: PassageKind;
  fromLine: number;
  toLine: number;
  start: number;
  end: number;
  parent: number;
  /** The last line, without its quote mark. */
  last: string;
  /** The passage began with `Label:`, as in a form or a settings file. */
  labelled: boolean;
  /** It stands below a blank line. */
  opensBlock: boolean;
}

class Cutter {
  #out: Passage[] = [];
  #count = 0;
  #pending: Pending | undefined;
  /** Opening mark of the code block we are in. */
  #fence: string | undefined;
  #headings: { level: number; index: number }[] = [];
  #items: { indent: number; index: number }[] = [];
  #tableHeader = -1;
  /** The text right above that introduces what follows, or -1. */
  #intro = -1;
  #blankBefore = true;

  take(): Passage[] {
    if (this.#out.length === 0) return this.#out;
    const out = this.#out;
    this.#out = [];
    return out;
  }

  /** Part of a line too long to look into. */
  piece(line: number, start: number, end: number): void {
    this.#begin('text', '', line, start, end, -1);
    this.flush();
  }

  line(raw: string, line: number, start: number, end: number): void {
    if (this.#inCode(raw, line, start, end)) return;
    const text = raw.replace(QUOTE, '');
    if (text.trim() === '') {
      this.#blank();
      return;
    }
    if (this.#isHeading(text, line, start, end)) return;
    if (this.#isTable(text, line, start, end)) return;
    if (RULE.test(text)) {
      this.#blank();
      return;
    }
    this.#itemOrText(text, line, start, end);
    this.#blankBefore = false;
  }

  flush(): void {
    const p = this.#pending;
    if (p === undefined) return;
    this.#pending = undefined;
    const { kind, fromLine, toLine, start, end, parent } = p;
    const heading = this.#headings.at(-1)?.index ?? -1;
    const index = this.#count++;
    this.#out.push({ kind, fromLine, toLine, start, end, heading, parent });
    if (kind === 'text' && this.#items.length === 0) this.#intro = index;
  }

  #begin(
    kind: PassageKind,
    last: string,
    line: number,
    start: number,
    end: number,
    parent: number,
  ): void {
    this.flush();
    this.#pending = {
      kind,
      fromLine: line,
      toLine: line,
      start,
      end,
      parent,
      last,
      labelled: false,
      opensBlock: this.#blankBefore,
    };
  }

  #append(text: string, line: number, end: number): void {
    const p = this.#pending;
    if (p === undefined) return;
    p.toLine = line;
    p.end = end;
    p.last = text;
  }

  #blank(): void {
    // Across a blank line only a text that ends in ":" still introduces what follows.
    const ends = this.#pending?.kind === 'text' && !/:[*_]*\s*$/.test(this.#pending.last);
    this.flush();
    if (ends) this.#intro = -1;
    this.#tableHeader = -1;
    this.#blankBefore = true;
  }

  #inCode(raw: string, line: number, start: number, end: number): boolean {
    const mark = FENCE.exec(raw)?.[1];
    if (this.#fence === undefined) {
      if (mark === undefined) return false;
      this.flush();
      this.#fence = mark;
      return true;
    }
    if (mark?.startsWith(this.#fence) === true && raw.trim() === mark) {
      this.flush();
      this.#fence = undefined;
      this.#blankBefore = true;
      return true;
    }
    const p = this.#pending;
    if (raw.trim() === '') {
      if (p !== undefined && p.toLine > p.fromLine) this.flush();
    } else if (p === undefined || !hasRoom(p, line, end)) {
      this.#begin('code', raw, line, start, end, this.#intro);
    } else {
      this.#append(raw, line, end);
    }
    return true;
  }

  #isHeading(text: string, line: number, start: number, end: number): boolean {
    const level = ATX_HEADING.exec(text)?.[1]?.length;
    if (level !== undefined) {
      this.#heading(level, line, start, end);
      return true;
    }
    const p = this.#pending;
    if (SETEXT_UNDERLINE.test(text) && p?.kind === 'text' && p.fromLine === p.toLine) {
      this.#pending = undefined;
      this.#heading(text.trimStart().startsWith('=') ? 1 : 2, p.fromLine, p.start, p.end);
      return true;
    }
    if (
      this.#blankBefore &&
      (BOLD_HEADING.test(text.trim()) || CAPITALS_HEADING.test(text.trim()))
    ) {
      this.#heading(LOWEST_LEVEL, line, start, end);
      return true;
    }
    return false;
  }

  #heading(level: number, line: number, start: number, end: number): void {
    this.flush();
    while ((this.#headings.at(-1)?.level ?? 0) >= level) this.#headings.pop();
    this.#begin('heading', '', line, start, end, -1);
    this.flush();
    this.#headings.push({ level, index: this.#count - 1 });
    this.#items = [];
    this.#tableHeader = -1;
    this.#intro = -1;
    this.#blankBefore = true;
  }

  #isTable(text: string, line: number, start: number, end: number): boolean {
    const p = this.#pending;
    if (
      p !== undefined &&
      p.fromLine === p.toLine &&
      p.last.includes('|') &&
      DELIMITER_ROW.test(text.trim())
    ) {
      p.kind = 'header';
      p.parent = this.#intro;
      this.#tableHeader = this.#count;
      this.flush();
      return true;
    }
    const isRow =
      text.trimStart().startsWith('|') || (this.#tableHeader !== -1 && text.includes('|'));
    if (!isRow) {
      this.#tableHeader = -1;
      return false;
    }
    const parent = this.#tableHeader === -1 ? this.#intro : this.#tableHeader;
    this.#begin('row', text, line, start, end, parent);
    this.#blankBefore = false;
    return true;
  }

  #itemOrText(text: string, line: number, start: number, end: number): void {
    const item = ITEM.exec(text);
    if (item !== null) {
      this.flush();
      const indent = indentOf(item[1] ?? '');
      while ((this.#items.at(-1)?.indent ?? -1) >= indent) this.#items.pop();
      this.#begin('item', text, line, start, end, this.#items.at(-1)?.index ?? this.#intro);
      this.#items.push({ indent, index: this.#count });
      return;
    }
    const p = this.#pending;
    if (p !== undefined && isTitleAbove(p, text)) {
      this.#pending = undefined;
      this.#heading(LOWEST_LEVEL, p.fromLine, p.start, p.end);
    } else if (p !== undefined && p.kind !== 'row' && continues(p, text, line, end)) {
      this.#append(text, line, end);
      return;
    }
    this.flush();
    const indent = indentOf(/^\s*/.exec(text)?.[0] ?? '');
    if (this.#blankBefore) {
      while ((this.#items.at(-1)?.indent ?? -1) >= indent) this.#items.pop();
    }
    this.#begin('text', text, line, start, end, this.#items.at(-1)?.index ?? -1);
    if (this.#pending !== undefined) this.#pending.labelled = LABEL.test(text.trimStart());
  }
}

/** In plain text a short first line without an end mark, above a full line, is a title. */
function isTitleAbove(p: Pending, next: string): boolean {
  return (
    p.kind === 'text' &&
    p.fromLine === p.toLine &&
    p.opensBlock &&
    next.length >= 50 &&
    /^[\p{Lu}\p{N}][\p{L}\p{N} &/'’()-]{1,38}$/u.test(p.last.trim())
  );
}

/** Whether a line goes on with the passage above it rather than starting its own. */
function continues(p: Pending, text: string, line: number, end: number): boolean {
  if (!hasRoom(p, line, end)) return false;
  const ended = SENTENCE_END.test(p.last);
  if (line - p.fromLine >= FULL_LINES && ended) return false;
  return !((p.labelled || ended) && LABEL.test(text.trimStart()));
}

function hasRoom(p: Pending, line: number, end: number): boolean {
  return line - p.fromLine < MAX_LINES && end - p.start <= MAX_BYTES;
}

function indentOf(space: string): number {
  let indent = 0;
  for (const character of space) indent += character === '\t' ? 4 - (indent % 4) : 1;
  return indent;
}
