/** What autopolls have noted on the bus of themselves, for programs and for people. */
import type { Park, Worker } from '../../src/bus/index.js';
import { systemClock } from '../../src/clock.js';
import { duration, paint, printable } from './output.js';
import { objectsIn } from './report.js';

type ParkWire = ReturnType<typeof parkReport>;
type WorkerWire = ReturnType<typeof workerReport>;

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
  const { last_pass_age_ms: passMs, next_pass_ms: _next, ...state } = worker.state;
  return {
    ...state,
    started_ms: Math.round(worker.startedAtUs / 1000),
    seen_ago_ms: seenAgoMs,
    gone: worker.gone,
    last_pass_age_ms: typeof passMs === 'number' ? passMs + seenAgoMs : null,
  };
}

/** Where nobody knows the end, a person puts it right. */
export function parkText({ engine, code, until_ms: untilMs }: ParkWire): string {
  const until = untilMs === null ? 'until it is put right' : `until ${moment(untilMs)}`;
  const who = engine === '' ? 'the default engine' : printable(engine);
  return `${paint('yellow', 'parked')}  ${who}: ${code} ${until}`;
}

export function workerText(worker: WorkerWire): string[] {
  const state: Readonly<Record<string, unknown>> = worker;
  const heard = `heard of ${duration(worker.seen_ago_ms)} ago`;
  const passed =
    worker.last_pass_age_ms === null ? 'none' : `${duration(worker.last_pass_age_ms)} ago`;
  const found = (state.found_total ?? {}) as Readonly<Record<string, unknown>>;
  const counts = ['expired', 'gone', 'failed'].map((name) => `${Number(found[name] ?? 0)} ${name}`);
  const life = worker.gone ? `gone without a word, ${heard}` : heard;
  return [
    `autopoll ${Number(state.pid ?? 0)}: ${life}; last pass of the reaper ${passed}, found in all ${counts.join(', ')}`,
    ...objectsIn(state.parks).map((park) => `  parked: ${text(park.engine)} ${text(park.message)}`),
    ...objectsIn(state.warnings).map(
      (warning) => `  ${paint('yellow', text(warning.severity))}: ${text(warning.message)}`,
    ),
  ];
}

/** The time of day here, with its day when that is another one. */
export function moment(ms: number): string {
  const at = new Date(ms);
  const time = at.toLocaleTimeString('en-GB');
  return at.toDateString() === new Date().toDateString()
    ? time
    : `${at.toLocaleDateString('en-CA')} ${time}`;
}

function text(value: unknown): string {
  return typeof value === 'string' ? printable(value) : '';
}
