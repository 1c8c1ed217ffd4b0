/** Cutting text as a model streams it, and breaking bytes as a bad connection or server does. */

const PIECE_CHARS = 24;
const MAX_PIECES = 200;
/** What a piece of a very long text has at most: events of many megabytes would not be realistic. */
const MAX_PIECE_CHARS = 64 * 1024;

export function countOfPieces(text: string): number {
  const usual = Math.min(Math.ceil(text.length / PIECE_CHARS), MAX_PIECES);
  return Math.max(usual, Math.ceil(text.length / MAX_PIECE_CHARS));
}

/**
 * The text in `count` pieces, or in fewer so that none is empty and no character outside the basic
 * plane is cut in two, as no API does. No pieces for an empty text.
 */
export function pieces(text: string, count: number): string[] {
  const cut: string[] = [];
  for (let from = 0; from < text.length; ) {
    const left = Math.max(1, count - cut.length);
    let to = from + Math.ceil((text.length - from) / left);
    if (isHighSurrogate(text.charCodeAt(to - 1))) to += 1;
    cut.push(text.slice(from, to));
    from = to;
  }
  return cut;
}

function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff;
}

/** A lone continuation, a cut sequence, and bytes that UTF-8 never has. */
const INVALID = Buffer.from([0xa0, 0xc3, 0x28, 0xff, 0xfe]);

/** The JSON with invalid UTF-8 inside its last text, and whole around it. */
export function brokenEncoding(json: string): Buffer {
  const bytes = Buffer.from(json);
  const at = placeInText(json);
  return Buffer.concat([bytes.subarray(0, at), INVALID, bytes.subarray(at)]);
}

/** Byte offset at the start of the last text: right after the quote that opens its value. */
function placeInText(json: string): number {
  const ends = ['"text":"', '"content":"', '"delta":"'].map((name) => {
    const at = json.lastIndexOf(name);
    return at < 0 ? 0 : at + name.length;
  });
  return Buffer.byteLength(json.slice(0, Math.max(...ends)));
}

/** The JSON without its second half. */
export function brokenJson(json: string): Buffer {
  const bytes = Buffer.from(json.trimEnd());
  return bytes.subarray(0, Math.floor(bytes.length / 2));
}
