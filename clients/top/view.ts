/** The screen, line by line, as it is at one moment. Pure. */
import { basename } from 'node:path';
import { duration } from '../../src/text.js';
import { age, cell, cellText, type Line, type Span, shortenLine } from './cells.js';
import { factsOf } from './facts.js';
import { summaryLines } from './header.js';
import { type LongText, lastScroll, longTextOf, rowsOf } from './layout.js';
import { chosen, type Model, TABS } from './model.js';
import { type Cell, COLUMNS, type Column, type Entry, entriesOf } from './tables.js';

/** Between columns. */
const GAP = 2;

/**
 * @param file the bus
 * @param nowUs microseconds since the epoch
 * @returns exactly as many lines as the screen has rows, none wider than it
 */
export function view(model: Model, file: string, nowUs: number): Line[] {
  const { columns, rows } = model.size;
  const footer = footerOf(model);
  const { above, body } = rowsOf(model);
  const summary = summaryLines(model, basename(file), nowUs).slice(0, above);
  const text = longTextOf(model);
  const shown = text ? scrolledText(model, text) : listOf(model, body, nowUs);
  const blank = Array.from({ length: body - shown.length }, () => []);
  const lines = [...summary, ...shown, ...blank, footer];
  return lines.slice(-rows).map((line) => shortenLine(line, columns));
}

/** Everything that fits the width, for a reader that is no terminal. */
export function wholeView(model: Model, file: string, nowUs: number): Line[] {
  const { columns } = model.size;
  const tables = TABS.flatMap((tab) => {
    const entries = entriesOf({ ...model, tab });
    if (entries.length === 0) return [];
    const table = tableLines(COLUMNS[tab], entries, -1, columns, nowUs);
    return [[], [{ text: tab[0]?.toUpperCase() + tab.slice(1) }], ...table];
  });
  return [...summaryLines(model, basename(file), nowUs), ...tables].map((line) =>
    shortenLine(line, columns),
  );
}

/** The first line stays where it is. */
function scrolledText(model: Model, { title, lines, scroll }: LongText): Line[] {
  const { body } = rowsOf(model);
  if (body < 2) return [];
  const most = lastScroll(model);
  const first = Math.min(scroll, most);
  const last = Math.min(lines.length, first + body - 1);
  const where = most > 0 ? `, lines ${first + 1} to ${last} of ${lines.length}` : '';
  return [
    [
      { text: title, bold: true },
      { text: where, dim: true },
    ],
    ...lines.slice(first, last).map((line) => [{ text: line }]),
  ];
}

function listOf(model: Model, rows: number, nowUs: number): Line[] {
  if (rows < 1) return [];
  const { index, entries } = chosen(model);
  const { columns } = model.size;
  if (rows === 1) return [tabsOf(model)];
  const space = rows - 2;
  const first = Math.max(0, Math.min(index - Math.floor(space / 2), entries.length - space));
  const shown = entries.slice(first, first + space);
  if (shown.length === 0 && space > 0) {
    return [tabsOf(model), [], [{ text: ` ${nothing(model)}`, dim: true }]];
  }
  const table = tableLines(COLUMNS[model.tab], shown, index - first, columns, nowUs);
  return [tabsOf(model), ...table];
}

function tabsOf(model: Model): Line {
  const { tab, filter, mode } = model;
  const isCut = tab === 'questions' && factsOf(model.bus)?.isCut === true;
  const tabs = TABS.flatMap((name): Span[] => {
    const count = name === 'warnings' ? entriesOf({ ...model, tab: name }).length : 0;
    const text = `${name}${count > 0 ? ` (${count})` : ''}`;
    return [name === tab ? { text: `[${text}]`, bold: true } : { text: ` ${text} ` }];
  });
  const only = filter === '' || mode.at === 'filter' ? '' : `  only: ${cellText(filter)}`;
  const end = isCut ? '  the newest ones' : '';
  return [...tabs, { text: only, colour: 'yellow' }, { text: end, dim: true }];
}

function nothing({ tab, bus, bridge, filter }: Model): string {
  if (tab === 'sessions') return bridge.at === 'up' ? 'no sessions' : 'the bridge is not heard';
  if (factsOf(bus) === undefined) return bus.at === 'lost' ? 'the bus cannot be read' : '…';
  if (tab === 'questions') {
    return filter === '' ? 'no questions yet' : 'no question is like that; escape shows all';
  }
  return tab === 'conversations' ? 'no conversation waits for an answer' : 'nothing to warn of';
}

function tableLines(
  all: readonly Column[],
  entries: readonly Entry[],
  chosenIndex: number,
  width: number,
  nowUs: number,
): Line[] {
  const columns = all
    .map((column, index) => ({ ...column, index }))
    .filter(({ from = 0 }) => width >= from);
  const taken = columns.reduce((sum, column) => sum + column.width + GAP, 0);
  const widths = columns.map((column) => column.width || Math.max(1, width - taken));
  const line = (spans: readonly Span[]): Line =>
    spans.map((span, at) => {
      const text = cell(span.text, widths[at] ?? 0, columns[at]?.side);
      return { ...span, text: (at === 0 ? ' ' : ' '.repeat(GAP)) + text };
    });
  const rows = entries.map((entry, at) => {
    const spans = columns.map(({ index }) => spanOf(entry.cells[index], nowUs));
    if (at !== chosenIndex) return line(spans);
    const text = line(spans)
      .map((span) => span.text)
      .join('');
    return [{ text: `>${cell(text.slice(1), width - 1)}`, inverse: true }];
  });
  return [line(columns.map(({ title }) => ({ text: title, bold: true }))), ...rows];
}

function spanOf(given: Cell | undefined, nowUs: number): Span {
  if (given === undefined) return { text: '' };
  if ('sinceUs' in given) return { text: age(given.sinceUs, nowUs) };
  if ('tookMs' in given) return { text: duration(given.tookMs), dim: true };
  return { text: cellText(given.text), colour: given.colour };
}

function footerOf({ mode, notice, tab }: Model): Line {
  if (notice !== undefined) return [{ text: ` ${cellText(notice)}`, bold: true }];
  switch (mode.at) {
    case 'filter':
      return [
        { text: ' only: ', bold: true },
        { text: cellText(mode.text) },
        { text: ' ', inverse: true },
        { text: '  enter: show, escape: back', dim: true },
      ];
    case 'confirm':
      return [
        { text: ` Cancel question ${mode.messageId}? It gets an error answer. `, bold: true },
        { text: 'y: yes, any other key: no' },
      ];
    case 'details':
      return keys('up/down scroll', 'c cancel', 'r retry', 'q back');
    case 'help':
      return keys('any key: back');
    case 'list':
      return tab === 'questions'
        ? keys('enter look', 'c cancel', 'r retry', '/ filter', 'tab lists', '? help', 'q quit')
        : keys('tab lists', '? help', 'q quit');
    default:
      return mode satisfies never;
  }
}

function keys(...texts: string[]): Line {
  return [{ text: ` ${texts.join('   ')}`, dim: true }];
}
