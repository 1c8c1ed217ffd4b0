/** Text and times for people, whatever shows them. */

/** Control characters but for tab and line end, and the marks that turn the order of text round. */
const UNSAFE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/**
 * Text that others wrote, safe for a terminal: it could move the cursor, rename the window, hide
 * what was printed before, or read otherwise than it is.
 */
export function printable(text: string): string {
  return text.replace(/\r\n/g, '\n').replace(UNSAFE, '');
}

/** The same where a line end or a tab would make up a line or a column of its own. */
export function printableLine(text: string): string {
  return printable(text).replace(/[\t\n\u2028\u2029]+/g, ' ');
}

/** A text as one word of a command that is shown to be copied into a shell. */
export function shellWord(text: string): string {
  const line = printableLine(text);
  return /^[\w@%+=:,./-]+$/.test(line) ? line : `'${line.replaceAll("'", `'\\''`)}'`;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** A time for people, in its two largest units: `3 h 43 min`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Number(ms.toFixed(1))} ms`;
  if (ms < MINUTE_MS) return `${Number((ms / 1000).toFixed(1))} s`;
  if (ms < HOUR_MS) return twoUnits(ms, [MINUTE_MS, 'min'], [1000, 's']);
  if (ms < DAY_MS) return twoUnits(ms, [HOUR_MS, 'h'], [MINUTE_MS, 'min']);
  return twoUnits(ms, [DAY_MS, 'd'], [HOUR_MS, 'h']);
}

type Unit = readonly [ms: number, name: string];

function twoUnits(ms: number, [large, largeName]: Unit, [small, smallName]: Unit): string {
  return `${Math.floor(ms / large)} ${largeName} ${Math.floor((ms % large) / small)} ${smallName}`;
}
