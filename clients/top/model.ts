/**
 * What the view shows and where its user stands in it. Pure: an event and the model give the next
 * model and what is to be done outside. Nothing is done to a question without a key for it.
 */
import type { BridgeState, BusState } from './facts.js';
import { parseFilter, type QuestionFilter } from './filter.js';
import { lastScroll } from './layout.js';
import { type Entry, entriesOf } from './tables.js';

export const TABS = ['questions', 'conversations', 'sessions', 'warnings'] as const;
export type Tab = (typeof TABS)[number];

/** What can be done to a question. */
export type Act = 'cancel' | 'retry';

type Mode =
  | { readonly at: 'list' }
  | { readonly at: 'filter'; readonly text: string }
  | { readonly at: 'details'; readonly details: Details }
  /** `details`: where it was asked from, and where its answer leads back to. */
  | { readonly at: 'confirm'; readonly messageId: number; readonly details: Details | undefined }
  | { readonly at: 'help'; readonly scroll: number };

interface Details {
  readonly messageId: number;
  /** Undefined until it has been read. */
  readonly text: string | undefined;
  readonly scroll: number;
}

/** Which row is chosen: by its key, or where it was when the row is gone. */
interface Choice {
  readonly key: string;
  readonly index: number;
}

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export interface Model {
  readonly bus: BusState;
  readonly bridge: BridgeState;
  readonly size: Size;
  readonly tab: Tab;
  readonly mode: Mode;
  readonly filter: string;
  /** The first row where there is none, whichever that is by then. */
  readonly choices: Readonly<Partial<Record<Tab, Choice>>>;
  /** What came of the last act; until the next key. */
  readonly notice: string | undefined;
}

export type Key =
  | { readonly key: 'char'; readonly char: string }
  | {
      readonly key:
        | 'up'
        | 'down'
        | 'pageUp'
        | 'pageDown'
        | 'home'
        | 'end'
        | 'enter'
        | 'escape'
        | 'tab'
        | 'backTab'
        | 'left'
        | 'right'
        | 'backspace'
        | 'quit'
        | 'suspend';
    };

export type Event =
  | { readonly type: 'key'; readonly key: Key }
  | { readonly type: 'bus'; readonly bus: BusState }
  | { readonly type: 'bridge'; readonly bridge: BridgeState }
  | { readonly type: 'size'; readonly size: Size }
  | { readonly type: 'described'; readonly messageId: number; readonly text: string }
  | { readonly type: 'told'; readonly notice: string };

export type Effect =
  | { readonly do: 'quit' }
  | { readonly do: 'suspend' }
  | { readonly do: 'list'; readonly filter: QuestionFilter }
  | { readonly do: 'describe'; readonly messageId: number }
  | { readonly do: Act; readonly messageId: number };

type Step = readonly [Model, readonly Effect[]];

const LONGEST_FILTER = 200;

export function initialModel(size: Size): Model {
  return {
    bus: { at: 'opening' },
    bridge: { at: 'connecting' },
    size,
    tab: 'questions',
    mode: { at: 'list' },
    filter: '',
    choices: {},
    notice: undefined,
  };
}

export function reduce(model: Model, event: Event): Step {
  switch (event.type) {
    case 'bus':
      return [{ ...model, bus: event.bus }, describeAgain(model)];
    case 'bridge':
      return [{ ...model, bridge: event.bridge }, []];
    case 'size':
      return [{ ...model, size: event.size }, []];
    case 'described':
      return [described(model, event.messageId, event.text), []];
    case 'told':
      return [{ ...model, notice: event.notice }, describeAgain(model)];
    case 'key':
      return press({ ...model, notice: undefined }, event.key);
    default:
      return event satisfies never;
  }
}

/** Which row of a tab is chosen, and how many there are. */
export function chosen(model: Model): {
  readonly index: number;
  readonly entries: readonly Entry[];
} {
  const entries = entriesOf(model);
  const choice = model.choices[model.tab];
  const found = choice ? entries.findIndex(({ key }) => key === choice.key) : 0;
  const index = found >= 0 ? found : Math.min(choice?.index ?? 0, entries.length - 1);
  return { index: Math.max(0, index), entries };
}

function describeAgain({ mode }: Model): Effect[] {
  return mode.at === 'details' ? [{ do: 'describe', messageId: mode.details.messageId }] : [];
}

function described(model: Model, messageId: number, text: string): Model {
  const { mode } = model;
  if (mode.at !== 'details' || mode.details.messageId !== messageId) return model;
  return { ...model, mode: { at: 'details', details: { ...mode.details, text } } };
}

function press(model: Model, key: Key): Step {
  if (key.key === 'quit') return [model, [{ do: 'quit' }]];
  if (key.key === 'suspend') return [model, [{ do: 'suspend' }]];
  const { mode } = model;
  switch (mode.at) {
    case 'list':
      return pressInList(model, key);
    case 'filter':
      return pressInFilter(model, mode.text, key);
    case 'details':
      return pressInDetails(model, mode.details, key);
    case 'confirm':
      return pressInConfirm(model, mode, key);
    case 'help':
      return pressInHelp(model, mode.scroll, key);
    default:
      return mode satisfies never;
  }
}

function pressInList(model: Model, key: Key): Step {
  switch (key.key) {
    case 'tab':
    case 'right':
      return [turnTab(model, 1), []];
    case 'backTab':
    case 'left':
      return [turnTab(model, -1), []];
    case 'enter':
      return open(model);
    case 'escape':
      return model.filter === '' ? [model, []] : setFilter(model, '');
    case 'char':
      return pressCharInList(model, key.char);
    default: {
      const by = movement(key.key, model.size.rows);
      return [by === undefined ? model : move(model, by), []];
    }
  }
}

function pressCharInList(model: Model, char: string): Step {
  const messageId = model.tab === 'questions' ? chosenQuestion(model) : undefined;
  switch (char) {
    case 'q':
      return [model, [{ do: 'quit' }]];
    case '?':
      return [{ ...model, mode: { at: 'help', scroll: 0 } }, []];
    case '/':
      return [{ ...model, tab: 'questions', mode: { at: 'filter', text: model.filter } }, []];
    case 'k':
      return [move(model, -1), []];
    case 'j':
      return [move(model, 1), []];
    case 'c':
    case 'r':
      return messageId === undefined ? [model, []] : act(model, char, messageId, undefined);
    default:
      return [model, []];
  }
}

function act(model: Model, char: 'c' | 'r', messageId: number, details: Details | undefined): Step {
  if (char === 'r') return [model, [{ do: 'retry', messageId }]];
  return [{ ...model, mode: { at: 'confirm', messageId, details } }, []];
}

function pressInConfirm(
  model: Model,
  { messageId, details }: Extract<Mode, { at: 'confirm' }>,
  key: Key,
): Step {
  const back: Model = { ...model, mode: details ? { at: 'details', details } : { at: 'list' } };
  const isYes = key.key === 'char' && key.char.toLowerCase() === 'y';
  return [back, isYes ? [{ do: 'cancel', messageId }] : []];
}

function pressInFilter(model: Model, text: string, key: Key): Step {
  switch (key.key) {
    case 'enter':
      return setFilter(model, text.trim());
    case 'escape':
      return [{ ...model, mode: { at: 'list' } }, []];
    case 'backspace':
      return typed(model, [...text].slice(0, -1).join(''));
    case 'char':
      return typed(model, (text + key.char).slice(0, LONGEST_FILTER));
    default:
      return [model, []];
  }
}

function typed(model: Model, text: string): Step {
  return [{ ...model, mode: { at: 'filter', text } }, []];
}

function setFilter(model: Model, filter: string): Step {
  const { questions: _, ...choices } = model.choices;
  return [
    { ...model, filter, choices, tab: 'questions', mode: { at: 'list' } },
    [{ do: 'list', filter: parseFilter(filter).asked }],
  ];
}

function pressInDetails(model: Model, details: Details, key: Key): Step {
  if (key.key === 'escape' || key.key === 'backspace' || isChar(key, 'q')) {
    return [{ ...model, mode: { at: 'list' } }, []];
  }
  if (key.key === 'char' && (key.char === 'c' || key.char === 'r')) {
    return act(model, key.char, details.messageId, details);
  }
  const scroll = scrolled(model, details.scroll, key);
  return [{ ...model, mode: { at: 'details', details: { ...details, scroll } } }, []];
}

function pressInHelp(model: Model, scroll: number, key: Key): Step {
  if (scrollBy(key, model.size.rows) === undefined) {
    return [{ ...model, mode: { at: 'list' } }, []];
  }
  return [{ ...model, mode: { at: 'help', scroll: scrolled(model, scroll, key) } }, []];
}

/** A question is looked at closely; a conversation leads to its questions. */
function open(model: Model): Step {
  const { index, entries } = chosen(model);
  const entry = entries[index];
  if (entry?.messageId !== undefined) {
    const details = { messageId: entry.messageId, text: undefined, scroll: 0 };
    return [
      { ...model, mode: { at: 'details', details } },
      [{ do: 'describe', messageId: entry.messageId }],
    ];
  }
  return entry?.conversationId === undefined ? [model, []] : setFilter(model, entry.conversationId);
}

function chosenQuestion(model: Model): number | undefined {
  const { index, entries } = chosen(model);
  return entries[index]?.messageId;
}

function turnTab(model: Model, by: 1 | -1): Model {
  const next = (TABS.indexOf(model.tab) + by + TABS.length) % TABS.length;
  return { ...model, tab: TABS[next] ?? 'questions' };
}

function move(model: Model, by: number): Model {
  const { index, entries } = chosen(model);
  const next = Math.max(0, Math.min(entries.length - 1, index + by));
  const key = entries[next]?.key;
  if (key === undefined) return model;
  return { ...model, choices: { ...model.choices, [model.tab]: { key, index: next } } };
}

/** How far down the text is scrolled after a key. */
function scrolled(model: Model, scroll: number, key: Key): number {
  const most = lastScroll(model);
  const next = Math.min(scroll, most) + (scrollBy(key, model.size.rows) ?? 0);
  return Math.max(0, Math.min(most, next));
}

function scrollBy(key: Key, rows: number): number | undefined {
  if (isChar(key, 'j')) return 1;
  if (isChar(key, 'k')) return -1;
  return isChar(key, ' ') ? movement('pageDown', rows) : movement(key.key, rows);
}

/** By how many rows a key moves, if it does. */
function movement(key: Key['key'], rows: number): number | undefined {
  switch (key) {
    case 'up':
      return -1;
    case 'down':
      return 1;
    case 'pageUp':
      return -Math.max(1, Math.floor(rows / 2));
    case 'pageDown':
      return Math.max(1, Math.floor(rows / 2));
    case 'home':
      return Number.NEGATIVE_INFINITY;
    case 'end':
      return Number.POSITIVE_INFINITY;
    default:
      return undefined;
  }
}

function isChar(key: Key, char: string): boolean {
  return key.key === 'char' && key.char === char;
}
