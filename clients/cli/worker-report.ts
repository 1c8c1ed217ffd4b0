/** What autopolls have noted on the bus of themselves, for programs and for people. */
import type { Park, Worker } from '../../src/bus/index.js';
import { systemClock } from '../../src/clock.js';
import { duration, paint, printableLine, shellWord } from './output.js';
import { objectsIn } from './report.js';

type ParkWire = ReturnType<typeof parkReport>;
type WorkerWire = ReturnType<typeof workerReport>;
/** What an autopoll noted: its fields are its own. */
type Noted = WorkerWire & Readonly<Record<string, unknown>>;

const REASONS: Readonly<Record<string, string>> = {
  engine_limit: 'usage limit',
  engine_auth: 'login refused',
};

/** A park is told by `parkText`, from a row that is never old. */
const HAS_ITS_LINE = 'engine_parked';

/** A pass that is overdue by less is under way, in milliseconds. */
const LATE_MS = 15_000;

export function parkReport({ engine, code, sinceUs, untilUs }: Park) {
  return {
    engine,
    code,
    since_ms: Math.round(sinceUs / 1000),
    until_ms: untilUs === undefined ? null : Math.round(untilUs / 1000),
  };
}

/** Ages are as of now: the autopoll told them when it was seen. */
export function workerReport(worker: Worker) {
  const seenAgoMs = Math.max(0, Math.round((systemClock.wallUs() - worker.seenAtUs) / 1000));
  const { last_pass_age_ms: passMs, next_pass_ms: nextMs, ...state } = worker.state;
  return {
    ...state,
    started_ms: Math.round(worker.startedAtUs / 1000),
    seen_ago_ms: seenAgoMs,
    gone: worker.gone,
    last_pass_age_ms: typeof passMs === 'number' ? passMs + seenAgoMs : null,
    reaper_on_time: typeof passMs === 'number' ? Number(nextMs) > 0 || passMs < LATE_MS : null,
  };
}

/**
 * Where nobody knows the end, a person puts it right.
 * @param workers what they noted says how many questions waited then
 */
export function parkText(
  { engine, code, until_ms: untilMs }: ParkWire,
  workers: readonly WorkerWire[] = [],
): string {
  const until = untilMs === null ? 'until it is put right' : `until ${moment(untilMs)}`;
  const who = engine === '' ? 'the default engine' : printableLine(engine);
  const reason = REASONS[code] ?? printableLine(code);
  return `${paint('yellow', 'parked')}  ${who}: ${reason} ${until}${waitingText(engine, workers)}`;
}

function waitingText(engine: string, workers: readonly WorkerWire[]): string {
  for (const worker of workers) {
    const { parks, seen_ago_ms: agoMs }: Noted = worker;
    const park = objectsIn(parks).find((each) => each.engine === engine);
    if (park === undefined) continue;
    const count = Number(park.waiting);
    const who = count === 1 ? '1 question waits' : `${count} questions wait`;
    return `; ${who}, as of ${duration(agoMs)} ago`;
  }
  return '';
}

export function workerText(worker: WorkerWire): string[] {
  const state: Noted = worker;
  const heard = `heard of ${duration(worker.seen_ago_ms)} ago`;
  const found = (state.found_total ?? {}) as Readonly<Record<string, unknown>>;
  const counts = ['expired', 'gone', 'failed'].map((name) => `${Number(found[name] ?? 0)} ${name}`);
  const life = worker.gone ? `gone without a word, ${heard}` : heard;
  const asOf = `(as of ${duration(worker.seen_ago_ms)} ago)`;
  return [
    `autopoll ${Number(state.pid ?? 0)}: ${life}; ${reaperText(worker)}; it found ${counts.join(', ')}`,
    ...objectsIn(state.warnings)
      .filter(({ kind }) => kind !== HAS_ITS_LINE)
      .map(({ severity, message }) => {
        return `  ${paint('yellow', text(severity))}: ${text(message)} ${asOf}`;
      }),
  ];
}

/** @param db the bus file */
export function nobodyWorks(db: string): string {
  return `no autopoll works on this bus: warmline autopoll --db ${shellWord(db)}`;
}

/** An autopoll notes how it is twice a minute, so what it noted says nothing of how it is now. */
function reaperText(worker: WorkerWire): string {
  const { last_pass_age_ms: ageMs, reaper_on_time: onTime, seen_ago_ms: agoMs } = worker;
  if (ageMs === null) return 'no pass of the reaper yet when last heard of';
  if (onTime === true) return 'reaper on time when last heard of';
  return `reaper late when last heard of, no pass for ${duration(ageMs - agoMs)}`;
}

/** A point in time in UTC, and how far off it is. */
function moment(ms: number): string {
  const leftMs = ms - systemClock.wallUs() / 1000;
  const off = leftMs >= 0 ? `in ${duration(seconds(leftMs))}` : `${duration(seconds(-leftMs))} ago`;
  return `${new Date(ms).toISOString().slice(0, 19)}Z, ${off}`;
}

function seconds(ms: number): number {
  return Math.ceil(ms / 1000) * 1000;
}

function text(value: unknown): string {
  return typeof value === 'string' ? printableLine(value) : '';
}
