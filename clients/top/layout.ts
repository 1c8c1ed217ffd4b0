/** Which rows of the screen are whose, and how far a long text can be scrolled. Pure. */
import { cellText, wrap } from './cells.js';
import { FILTER_WORDS } from './filter.js';
import { summaryLines } from './header.js';
import type { Model } from './model.js';

/** Rows that a list needs to be of use; what stands above it makes room for them. */
const LEAST_BODY = 7;

const HELP = [
  'Keys',
  'up, down, j, k     choose a row',
  'page up, page down, home, end',
  '                   choose one farther away',
  'enter              look at a question: what was asked, its attempts, the answer;',
  '                   on a conversation: its questions',
  'tab, left, right   the next list: questions, conversations, sessions, warnings',
  '/                  show only some questions; escape shows all again',
  'c                  cancel a question: it gets an error answer',
  'r                  try a waiting question at once; ask a failed one again',
  'q                  leave; inside a question: back',
  'ctrl-z             leave for a while; fg comes back',
  '',
  'A filter is words with spaces between them: a conversation id, words of the',
  `question, and statuses (${FILTER_WORDS.join(', ')}).`,
  '',
  'The age of a question that has ended is the time it took.',
];

export interface LongText {
  readonly title: string;
  readonly lines: readonly string[];
  readonly scroll: number;
}

/** The last row is for what can be done; the first says which bus it is, and whether it can be read. */
export function rowsOf(model: Model): { readonly above: number; readonly body: number } {
  const room = Math.max(0, model.size.rows - 1);
  const wanted = summaryLines(model, '', 0).length;
  const above = Math.min(wanted, Math.max(Math.min(1, room), room - LEAST_BODY));
  return { above, body: room - above };
}

/** What is read instead of a list, in lines that fit; undefined when it is a list. */
export function longTextOf({ mode, size }: Model): LongText | undefined {
  if (mode.at === 'help') return inLines(HELP, mode.scroll, size.columns);
  if (mode.at !== 'details' && mode.at !== 'confirm') return undefined;
  const { details } = mode;
  if (details === undefined) return undefined;
  const text = details.text ?? `Question ${details.messageId}`;
  return inLines(text.split('\n'), details.scroll, size.columns);
}

/** How far down its text can be scrolled: to where its last line is the last one shown. */
export function lastScroll(model: Model): number {
  const lines = longTextOf(model)?.lines.length ?? 0;
  return Math.max(0, lines - Math.max(0, rowsOf(model).body - 1));
}

function inLines(text: readonly string[], scroll: number, columns: number): LongText {
  const [title = '', ...rest] = text.map(cellText);
  return { title, lines: rest.flatMap((line) => wrap(line, columns)), scroll };
}
