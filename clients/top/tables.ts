/** What stands in the rows of each tab. Pure. */
import type { BusOverview, ListedQuestion, Worker } from '../../src/bus/index.js';
import type { BridgeReport, EngineReport, SessionReport } from './bridge-report.js';
import type { Colour } from './cells.js';
import { factsOf } from './facts.js';
import { parseFilter } from './filter.js';
import type { Model, Tab } from './model.js';

export interface Column {
  readonly title: string;
  /** In cells; the last column takes what is left. */
  readonly width: number;
  readonly side?: 'right';
  /** It is left out on screens with fewer columns. */
  readonly from?: number;
}

export type Cell =
  | { readonly text: string; readonly colour?: Colour | undefined }
  /** How long it has been, microseconds since the epoch. */
  | { readonly sinceUs: number }
  | { readonly tookMs: number };

export interface Entry {
  /** What tells it from the other rows of the tab. */
  readonly key: string;
  readonly messageId?: number;
  readonly conversationId?: string;
  readonly cells: readonly Cell[];
}

export const COLUMNS: Readonly<Record<Tab, readonly Column[]>> = {
  questions: [
    { title: 'id', width: 7, side: 'right' },
    { title: 'status', width: 10 },
    { title: 'age', width: 12, side: 'right', from: 40 },
    { title: 'tries', width: 5, side: 'right', from: 60 },
    { title: 'conversation', width: 21, from: 100 },
    { title: 'from', width: 12, from: 120 },
    { title: 'question', width: 0 },
  ],
  conversations: [
    { title: 'conversation', width: 21 },
    { title: 'state', width: 10 },
    { title: 'unfinished', width: 10, side: 'right', from: 50 },
    { title: 'oldest', width: 12, side: 'right', from: 60 },
    { title: 'question', width: 0, from: 60 },
  ],
  sessions: [
    { title: 'name', width: 14 },
    { title: 'state', width: 10 },
    { title: 'turns', width: 7, side: 'right', from: 50 },
    { title: 'idle', width: 12, side: 'right', from: 60 },
    { title: 'about', width: 0, from: 50 },
  ],
  warnings: [
    { title: 'severity', width: 8 },
    { title: 'since', width: 12, side: 'right', from: 50 },
    { title: 'what', width: 0 },
  ],
};

/** One that is told on the line of the park itself, from a row that is never old. */
const HAS_ITS_LINE = 'engine_parked';

const COLOURS: Readonly<Record<string, Colour>> = {
  processing: 'cyan',
  complete: 'green',
  failed: 'red',
  timeout: 'red',
  dead: 'red',
  expired: 'yellow',
  delayed: 'yellow',
  waiting: 'yellow',
  severe: 'red',
  warning: 'yellow',
  ok: 'green',
  busy: 'cyan',
  degraded: 'yellow',
  down: 'red',
};

export function entriesOf(model: Pick<Model, 'tab' | 'bus' | 'bridge' | 'filter'>): Entry[] {
  const overview = factsOf(model.bus)?.overview;
  const report = model.bridge.at === 'up' ? model.bridge.report : undefined;
  switch (model.tab) {
    case 'questions':
      return listed(model).map((question) => questionEntry(question, overview?.takenAtUs ?? 0));
    case 'conversations':
      return overview?.conversations.map(conversationEntry) ?? [];
    case 'sessions':
      return report ? sessionEntries(report) : [];
    case 'warnings':
      return overview ? warningEntries(overview) : [];
    default:
      return model.tab satisfies never;
  }
}

/** The questions that are listed: what the bus let through, and of it what has the words. */
function listed({ bus, filter }: Pick<Model, 'bus' | 'filter'>): readonly ListedQuestion[] {
  const questions = factsOf(bus)?.questions ?? [];
  const { words } = parseFilter(filter);
  if (words.length === 0) return questions;
  return questions.filter(({ question }) => {
    const text = question?.toLowerCase() ?? '';
    return words.every((word) => text.includes(word));
  });
}

function coloured(text: string): Cell {
  return { text, colour: COLOURS[text] };
}

function questionEntry(question: ListedQuestion, readAtUs: number): Entry {
  const { messageId, conversationId, status, finishedAtUs, ageMs, source } = question;
  return {
    key: String(messageId),
    messageId,
    cells: [
      { text: String(messageId) },
      coloured(status),
      finishedAtUs === undefined ? { sinceUs: readAtUs - ageMs * 1000 } : { tookMs: ageMs },
      { text: String(question.attempts) },
      { text: conversationId },
      { text: source ?? '' },
      { text: question.question ?? 'not a text' },
    ],
  };
}

function conversationEntry(standing: BusOverview['conversations'][number]): Entry {
  const { conversationId, state, unfinished, oldestSeenAtUs, oldestId } = standing;
  return {
    key: conversationId,
    conversationId,
    cells: [
      { text: conversationId },
      coloured(state),
      { text: String(unfinished) },
      { sinceUs: oldestSeenAtUs },
      { text: String(oldestId) },
    ],
  };
}

/** Each engine, and below it its sessions. */
function sessionEntries(report: BridgeReport): Entry[] {
  return report.engines.flatMap((engine) => [
    engineEntry(engine, report),
    ...report.sessions
      .filter((session) => session.engine === engine.engine)
      .map((session) => sessionEntry(session, report.takenAtUs)),
  ]);
}

function engineEntry(engine: EngineReport, { latencies }: BridgeReport): Entry {
  const latency = latencies.get(engine.engine);
  const quantiles = (['p50', 'p95', 'p99'] as const).flatMap((name) => {
    const ms = latency?.[name];
    return ms == null ? [] : [`${name} ${Math.round(ms)} ms`];
  });
  return {
    key: `engine ${engine.engine}`,
    cells: [
      { text: engine.engine },
      coloured(engine.state),
      { text: '' },
      { text: '' },
      { text: [sessionCounts(engine), ...quantiles].join(', ') },
    ],
  };
}

export function sessionCounts({ sessions, queued }: EngineReport): string {
  const { busy, warm, starting } = sessions;
  const counts = [`${busy} busy`, `${warm} warm`];
  if (starting > 0) counts.push(`${starting} starting`);
  if (queued > 0) counts.push(`${queued} queued`);
  return counts.join(', ');
}

function sessionEntry(session: SessionReport, readAtUs: number): Entry {
  const { idle_ms: idleMs, key, context } = session;
  const about = [key && `key ${key}`, context && `context ${context}`].filter(Boolean);
  return {
    key: `session ${session.session}`,
    cells: [
      { text: `  ${session.session}` },
      coloured(session.state),
      { text: String(session.turns) },
      idleMs === null || session.state === 'busy'
        ? { text: '' }
        : { sinceUs: readAtUs - idleMs * 1000 },
      { text: about.join(', ') },
    ],
  };
}

function warningEntries({ parks, workers }: BusOverview): Entry[] {
  return [
    ...parks.map((park) => ({
      key: `park ${park.engine}`,
      cells: [
        coloured('parked'),
        { sinceUs: park.sinceUs },
        {
          text: `${engineName(park.engine)} ${untilText(park.untilUs)}: ${park.code}`,
        },
      ],
    })),
    ...workers.filter(({ gone }) => !gone).flatMap(warningsOf),
  ];
}

/** In words, for a moment does not get older while nobody looks. */
export function untilText(untilUs: number | undefined): string {
  if (untilUs === undefined) return 'until it is put right';
  return `until ${new Date(untilUs / 1000).toISOString().slice(0, 19)}Z`;
}

function engineName(engine: string): string {
  return engine === '' ? 'the default engine' : `engine ${engine}`;
}

/** What an autopoll noted: its fields are its own. */
function warningsOf({ owner, seenAtUs, state }: Worker): Entry[] {
  if (!Array.isArray(state.warnings)) return [];
  return state.warnings.flatMap((warning: Readonly<Record<string, unknown>> | null) => {
    if (warning === null || typeof warning !== 'object' || warning.kind === HAS_ITS_LINE) return [];
    const ageMs = Number(warning.age_ms);
    return [
      {
        key: `${owner} ${String(warning.kind)} ${String(warning.subject)}`,
        cells: [
          coloured(String(warning.severity)),
          Number.isFinite(ageMs) ? { sinceUs: seenAtUs - ageMs * 1000 } : { text: '' },
          { text: String(warning.message) },
        ],
      },
    ];
  });
}
