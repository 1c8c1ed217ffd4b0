/**
 * Citations as models write them. `NAME:FROM-TO` is what they are asked for; what comes is
 * "`name.md`:12", "[docs/name.md#L12-L14]", "name.md, lines 3–5 and 9", `name.md:1-3, 7-9` and more.
 *
 * Always true: the work is proportional to the length of the answer, whatever the answer holds.
 */

/** Lines a citation names, counted from 1. Nothing is known yet of whether they exist. */
export interface Citation {
  readonly from: number;
  readonly to: number;
  /** Where it stands in the answer, UTF-16 units `[start, end)`. */
  readonly start: number;
  readonly end: number;
}

/** Citations that are read of one answer. */
export const MAX_CITATIONS = 64;
/** What is read of an answer, in UTF-16 units. */
export const MAX_ANSWER = 256 * 1024;
/** Longest path in front of a file name, in UTF-16 units. */
const MAX_PATH = 128;

const GAP = '[ \\t\\u00a0]?';
const LINES = '(?:lines?|zeilen?|lignes?|l[ií]neas?|l\\.?)';
const NUMBER = `(\\d{1,7})(?!\\d)(?:[:c]\\d{1,5}(?!\\d))?`;
const RANGE = `${NUMBER}(?:${GAP}(?:[-\\u2010-\\u2015\\u2212]|\\.{2,3}|to|bis|à)${GAP}l?${NUMBER})?`;
const AND = '(?:and|und|et|y)(?![\\p{L}\\p{N}])';
/** A number in front of a word counts something: "in a.md: 30 seconds". */
const NO_COUNT = `(?!${GAP}(?!${AND})[\\p{L}%$€£])`;
const CLOSING = '[`*_"\'”»)\\]]{0,3}';

/** What stands behind a file name: `:12-14`, `#L12`, `, lines 12 to 14`. */
const TIGHT = new RegExp(`${CLOSING}[:#]l?${RANGE}`, 'uy');
const SPACED = new RegExp(
  `${CLOSING}(?:${GAP}:${GAP}[([]?|,?${GAP}[([]?(?=l|z))(?:${LINES}${GAP})?${RANGE}${NO_COUNT}`,
  'uy',
);
/** Further lines of the same file: `, 7-9`. */
const FURTHER = new RegExp(
  `${GAP}(?:[,;&+]|${AND})${GAP}(?:${AND}${GAP})?(?:${LINES}${GAP})?${RANGE}${NO_COUNT}`,
  'uy',
);

/** The citations of the file `name`, a path with forward slashes, in the order of the answer. */
export function parseCitations(answer: string, name: string): Citation[] {
  const text = lowered(answer.slice(0, MAX_ANSWER));
  const path = lowered(name);
  const file = path.slice(path.lastIndexOf('/') + 1);
  const found: Citation[] = [];
  if (file === '') return found;
  // No path is looked for in front of this: what stands there was walked over for an earlier name.
  let floor = 0;
  let at = text.indexOf(file);
  while (at !== -1 && found.length < MAX_CITATIONS) {
    const end = at + file.length;
    const match = matchAt(TIGHT, text, end) ?? matchAt(SPACED, text, end);
    let to = end;
    if (match !== null) {
      if (isPathOf(text, at, end, path, floor)) to = readLines(text, at, match, found);
      floor = to;
    }
    at = text.indexOf(file, to);
  }
  return found;
}

/** Reads on from the first lines behind a file name at `start`; returns where the list ends. */
function readLines(text: string, start: number, first: RegExpExecArray, found: Citation[]): number {
  let match: RegExpExecArray | null = first;
  let from = start;
  let to = start;
  while (match !== null && found.length < MAX_CITATIONS) {
    to = match.index + match[0].length;
    const line = Number(match[1]);
    found.push({ from: line, to: Number(match[2] ?? line), start: from, end: to });
    from = to;
    match = matchAt(FURTHER, text, to);
  }
  return to;
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

/** Whether the path that ends with the file name at `[start, end)` can mean the file `path`. */
function isPathOf(text: string, start: number, end: number, path: string, floor: number): boolean {
  const least = Math.max(floor, start - MAX_PATH);
  let begin = start;
  while (begin > least && !endsPath(text.charAt(begin - 1))) begin--;
  const isGlued = begin === floor && floor > 0;
  const cited = text
    .slice(begin, end)
    .replaceAll('\\', '/')
    .replace(/^(?:@|~|\.\/)+/, '');
  if (!isGlued && (cited === path || path.endsWith(`/${cited}`))) return true;
  if (!isGlued && cited.startsWith('/') && cited.endsWith(`/${path}`)) return true;
  // The walk back stops at a space, which a path may hold.
  const before = end - path.length - 1;
  return text.endsWith(path, end) && (before < 0 || endsPath(text.charAt(before)));
}

function endsPath(character: string): boolean {
  return /[\s`'"<>|()[\]{},;*:=«»“”‘’–—…]/.test(character);
}

/** Lower case where that keeps every offset. */
function lowered(text: string): string {
  return text.replace(/[A-ZÀ-ÖØ-Þ]+/g, (letters) => letters.toLowerCase());
}
