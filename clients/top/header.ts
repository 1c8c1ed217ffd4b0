/** What stands above the lists: how bus, bridge and autopolls are. Pure. */
import type { BusOverview } from '../../src/bus/index.js';
import { duration } from '../../src/text.js';
import type { BridgeReport } from './bridge-report.js';
import { age, cellText, type Line, type Span } from './cells.js';
import { type BridgeState, type BusState, factsOf } from './facts.js';
import type { Model } from './model.js';
import { sessionCounts, untilText } from './tables.js';

/** An autopoll notes how it is twice a minute, in microseconds. */
const SILENT_US = 90_000_000;

/** The first line says most: a small screen shows no other. */
export function summaryLines({ bus, bridge }: Model, name: string, nowUs: number): Line[] {
  const overview = factsOf(bus)?.overview;
  return [
    titleLine(name, bus, bridge, overview, nowUs),
    ...troubleLines(bus, bridge, nowUs),
    ...(overview ? [queueLine(overview, nowUs), endsLine(overview)] : []),
    ...(bridge.at === 'up' ? [enginesLine(bridge.report)] : []),
  ];
}

function titleLine(
  name: string,
  bus: BusState,
  bridge: BridgeState,
  overview: BusOverview | undefined,
  nowUs: number,
): Line {
  return [
    { text: ` ${cellText(name)}`, bold: true },
    ...(bus.at === 'lost' ? [{ text: '  not read', colour: 'red' as const, bold: true }] : []),
    { text: '  bridge ' },
    bridgeWord(bridge),
    { text: '  ' },
    ...(overview ? [autopollWords(overview, nowUs)] : []),
    { text: `  ${new Date(nowUs / 1000).toISOString().slice(11, 16)} UTC`, dim: true },
  ];
}

function bridgeWord(bridge: BridgeState): Span {
  switch (bridge.at) {
    case 'connecting':
      return { text: '…' };
    case 'down':
      return { text: 'not reached', colour: 'red', bold: true };
    case 'up': {
      const { status } = bridge.report;
      const colour = status === 'ok' ? 'green' : status === 'degraded' ? 'yellow' : 'red';
      return { text: cellText(status), colour };
    }
    default:
      return bridge satisfies never;
  }
}

function autopollWords({ workers }: BusOverview, nowUs: number): Span {
  const here = workers.filter(({ gone }) => !gone);
  const heard = here.filter(({ seenAtUs }) => nowUs - seenAtUs < SILENT_US);
  if (heard.length > 0) {
    return { text: `${heard.length} autopoll${heard.length > 1 ? 's' : ''}`, colour: 'green' };
  }
  const [silent] = here;
  if (silent === undefined) return { text: 'no autopoll', colour: 'yellow', bold: true };
  return { text: `autopoll silent for ${age(silent.seenAtUs, nowUs)}`, colour: 'yellow' };
}

function troubleLines(bus: BusState, bridge: BridgeState, nowUs: number): Line[] {
  const lines: Line[] = [];
  if (bus.at === 'lost') {
    const asOf = bus.facts
      ? `; what is shown is ${age(bus.facts.overview.takenAtUs, nowUs)} old`
      : '';
    lines.push([{ text: ` bus      ${cellText(bus.why)}${asOf}`, colour: 'red' }]);
  }
  if (bridge.at === 'down') {
    lines.push([{ text: ` bridge   ${cellText(bridge.why)}`, colour: 'red' }]);
  }
  return lines;
}

function queueLine({ stats, takenAtUs }: BusOverview, nowUs: number): Line {
  const { leased, pending, delayed, waiting, expired, oldestPendingMs } = stats;
  const counts = [
    `${leased} processing`,
    `${pending} pending`,
    ...(delayed > 0 ? [`${delayed} delayed`] : []),
    ...(waiting > 0 ? [`${waiting} waiting`] : []),
    ...(expired > 0 ? [`${expired} expired`] : []),
  ];
  const oldest =
    pending > 0 && oldestPendingMs > 0
      ? `, oldest ${age(takenAtUs - oldestPendingMs * 1000, nowUs)}`
      : '';
  return [{ text: ' queue    ', dim: true }, { text: counts.join(', ') + oldest }];
}

function endsLine({ stats, recent }: BusOverview): Line {
  const { complete, failed, dead } = stats;
  const { totalMs, perMinute } = recent;
  const times = totalMs
    ? `; p50 ${duration(totalMs.p50)}, p95 ${duration(totalMs.p95)}, p99 ${duration(totalMs.p99)}`
    : '';
  return [
    { text: ' ended    ', dim: true },
    { text: `${complete} complete, ` },
    { text: `${failed} failed`, colour: failed > 0 ? 'yellow' : undefined },
    { text: ', ' },
    { text: `${dead} dead`, colour: dead > 0 ? 'red' : undefined },
    { text: `; ${perMinute} a minute${times}` },
  ];
}

function enginesLine({ engines }: BridgeReport): Line {
  const words = engines.flatMap((engine, index): Span[] => {
    const { state, trouble, retry_at_ms: retryAtMs } = engine;
    const until = retryAtMs === null ? '' : ` ${untilText(retryAtMs * 1000)}`;
    const why = trouble === null ? '' : `, ${cellText(trouble)}${until}`;
    const isWell = state === 'ok' || state === 'starting';
    return [
      { text: index === 0 ? '' : '; ' },
      { text: cellText(engine.engine), colour: isWell ? 'green' : 'red' },
      { text: ` ${sessionCounts(engine)}${why}` },
    ];
  });
  return [{ text: ' engines  ', dim: true }, ...words];
}
