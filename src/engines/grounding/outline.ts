/** The headings of a document, as many as a prompt has room for. */
import type { DocumentIndex, PassageTable } from '../extract/index.js';
import { numbered } from './numbered.js';

/** A heading is cut after this many UTF-16 units. */
const MAX_TITLE = 120;
/** Levels that are told apart; a heading can stand below this many others. */
const MAX_DEPTH = 8;
const PASSAGES_PER_PAUSE = 64;

interface Entry {
  readonly passage: number;
  readonly text: string;
}

/**
 * Headings in the order of the document, each behind its line number, in at most `maxBytes` of
 * UTF-8. When that is not enough for all, the deepest ones are left out first, then the last ones.
 */
export function* outlineOf(
  { passages }: DocumentIndex,
  maxBytes: number,
): Generator<undefined, string> {
  const levels = Array.from({ length: MAX_DEPTH }, () => new Level(maxBytes));
  for (let passage = 0; passage < passages.length; passage++) {
    if (passage % PASSAGES_PER_PAUSE === 0) yield undefined;
    if (passages.kind(passage) !== 'heading') continue;
    levels[depthOf(passages, passage)]?.add(passages, passage);
  }
  const chosen: Entry[] = [];
  let room = maxBytes;
  for (const level of levels) {
    for (const entry of level.entries) {
      room -= Buffer.byteLength(entry.text) + 1;
      if (room < 0) break;
      chosen.push(entry);
    }
    if (room < 0 || !level.isWhole) break;
  }
  chosen.sort((a, b) => a.passage - b.passage);
  return chosen.map(({ text }) => text).join('\n');
}

/** The first headings of one depth, bounded like the whole outline. */
class Level {
  readonly entries: Entry[] = [];
  isWhole = true;
  #room: number;

  constructor(maxBytes: number) {
    this.#room = maxBytes;
  }

  add(passages: PassageTable, passage: number): void {
    if (!this.isWhole) return;
    const title = passages.text(passage).slice(0, MAX_TITLE).trimEnd();
    const text = numbered(title, passages.fromLine(passage));
    this.#room -= Buffer.byteLength(text) + 1;
    this.isWhole = this.#room >= 0;
    if (this.isWhole) this.entries.push({ passage, text });
  }
}

function depthOf(passages: PassageTable, passage: number): number {
  let depth = 0;
  for (let at = passages.heading(passage); at >= 0; at = passages.heading(at)) depth++;
  return depth;
}
