/**
 * Text to words. Words of prose come out folded (lower case, without accents); words of code come
 * out whole and in parts, so that `web/auth` is found by "web/auth", by "auth" and by "web".
 */

/** A word with what programmers join words by, or the end of a sentence. */
const TOKEN =
  /[\p{L}\p{N}_]+(?:[-./:@'’,][\p{L}\p{N}_]+)*|(?<![.!?…])[.!?…]+(?=[\s"'”»)\]*`_]|$)|[。！？]/gu;

/** Scripts written without spaces: their words are approximated by pairs of characters. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;

/** Longest word that is told apart from a longer one with the same beginning, in UTF-16 units. */
const MAX_WORD = 64;

/** Parts of one word whose compounds are told apart. */
const MAX_PIECES = 8;

const NO_TOKENS: readonly string[] = [];

/** Raw tokens in order; those for which `endsSentence` holds stand between sentences. */
export function rawTokens(text: string): readonly string[] {
  return text.match(TOKEN) ?? NO_TOKENS;
}

export function endsSentence(raw: string): boolean {
  const first = raw.charCodeAt(0);
  return (
    first === 0x2e ||
    first === 0x21 ||
    first === 0x3f ||
    first === 0x2026 ||
    first === 0x3002 ||
    first === 0xff01 ||
    first === 0xff1f
  );
}

/** The folded words a raw token stands for: itself, and its parts when it has several. */
export function wordsOf(raw: string): readonly string[] {
  if (/^[a-z]+$/.test(raw)) return [raw.slice(0, MAX_WORD)];
  const words: string[] = [];
  const number = groupedNumber(raw);
  if (number !== undefined) return [number];
  const parts = raw.split(/[-./:@'’,_]+/).filter((part) => part !== '');
  if (parts.length > 1 && !/['’,]/.test(raw))
    add(words, raw.slice(0, MAX_WORD).replace(/^_+|_+$/g, ''));
  const pieces = parts.flatMap(humps);
  if (pieces.length > 2 && !/['’,]/.test(raw)) addNeighbours(words, pieces);
  const numeric = /^\d+[.:]\d+$/.test(raw);
  if (!numeric) for (const part of parts) addPart(words, part);
  return words;
}

/** `50,000`, `50.000` and `50_000` are one number. */
function groupedNumber(raw: string): string | undefined {
  if (!/^\d{1,3}(?:[.,_’']\d{3})+$/.test(raw)) return undefined;
  return raw.replace(/\D/g, '');
}

function addPart(words: string[], part: string): void {
  if (part.charCodeAt(0) > 0x7f && UNSPACED.test(part)) {
    addPairs(words, part);
    return;
  }
  add(words, part);
  const pieces = humps(part);
  if (pieces.length > 1) for (const piece of pieces) add(words, piece);
  const mixed = /^(\d+)\p{L}+$|^(\p{L}{3,})\d+$/u.exec(part);
  if (mixed !== null) add(words, mixed[1] ?? mixed[2] ?? '');
}

/** `HarborVaultReadOnly` in its four words. */
function humps(part: string): readonly string[] {
  return part.split(/(?<=[\p{Ll}\d])(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})/u);
}

/** `VaultReadOnly` holds the compound "read-only", which people write in many ways. */
function addNeighbours(words: string[], pieces: readonly string[]): void {
  const most = Math.min(pieces.length, MAX_PIECES) - 1;
  for (let at = 0; at < most; at++) {
    const pair = `${pieces[at]}-${pieces[at + 1]}`;
    if (/^\p{L}+-\p{L}+$/u.test(pair)) add(words, pair);
  }
}

function addPairs(words: string[], part: string): void {
  const characters = [...fold(part)];
  if (characters.length === 1) words.push(characters[0] ?? '');
  for (let at = 0; at + 1 < characters.length; at++) {
    words.push(`${characters[at]}${characters[at + 1]}`);
  }
}

function add(words: string[], word: string): void {
  const folded = fold(word);
  if (folded !== '') words.push(/^0+\d/.test(folded) ? folded.replace(/^0+(?=\d)/, '') : folded);
}

/** Lower case, compatibility forms unified, accents dropped: `Größe` and `GROSSE` are one word. */
function fold(word: string): string {
  const cut = word.slice(0, MAX_WORD).toLowerCase();
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the ASCII range is the fast path.
  if (/^[\x00-\x7f]*$/.test(cut)) return cut;
  return cut
    .normalize('NFKD')
    .replace(/[\u0300-\u036f]/g, '')
    .replaceAll('ß', 'ss')
    .replaceAll('æ', 'ae')
    .replaceAll('œ', 'oe')
    .replaceAll('ø', 'o')
    .normalize('NFC');
}
