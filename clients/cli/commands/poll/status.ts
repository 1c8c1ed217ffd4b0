/** How the daemon of a bus is, and how its questions are. */
import {
  ACTIVITY_WINDOW_MS,
  type Activity,
  type BusInspection,
  inspectBus,
  recentActivity,
  type Side,
} from '../../../../src/bus/index.js';
import { systemClock } from '../../../../src/clock.js';
import type { Settings } from '../../../../src/config/index.js';
import {
  type DaemonState,
  type Found,
  findDaemon,
  type Place,
  pidOf,
} from '../../../daemon/index.js';
import { EXIT } from '../../failure.js';
import { needBus, settingsFor, type Words } from '../../options.js';
import { duration, paint, printableLine, printJson, printText, shellWord } from '../../output.js';
import { oneLine, timeOf } from '../../question-report.js';
import { parkReport, parkText, workerReport, workerText } from '../../worker-report.js';
import { type BridgeState, bridgeText, bridgeWire, lookAtBridge, placeFor } from './daemon.js';

/** What was found, each part as far as it could be looked at. */
interface Report {
  readonly place: Place;
  readonly found: Found;
  readonly bridge: BridgeState;
  readonly bus: BusPart;
}

type BusPart =
  | { readonly at: 'read'; readonly inspection: BusInspection; readonly activity: Activity }
  | { readonly at: 'trouble'; readonly message: string };

export async function pollStatus(words: Words): Promise<number> {
  const settings = await settingsFor(words, 'bus', 'address');
  const place = placeFor(settings);
  const found = await findDaemon(place);
  const isAlive = found.at !== 'absent';
  const state = stateOf(found);
  const report: Report = {
    place,
    found,
    // Without a daemon, what is wrong with the bus is all there is to say.
    bus: lookAtBus(needBus(settings), state?.session ?? settings.bus.session, isAlive),
    bridge: await lookAtBridge(settings, bridgeOf(state, settings)),
  };
  if (words.json === true) printJson(asJson(report));
  else printText(asText(report).join('\n'));
  return isAlive ? EXIT.ok : EXIT.failed;
}

function stateOf(found: Found): DaemonState | undefined {
  return found.at === 'absent' ? undefined : found.state;
}

/** The one that the daemon asks, whatever the settings of this command are. */
function bridgeOf(state: DaemonState | undefined, { address }: Settings) {
  return state === undefined ? address : { ...state.bridge, socket: state.bridge.socket };
}

/** @throws BusError when nothing else is known either */
function lookAtBus(db: string, session: Side, isAlive: boolean): BusPart {
  try {
    const inspection = inspectBus(db, session);
    return { at: 'read', inspection, activity: recentActivity(db, session) };
  } catch (error) {
    if (!isAlive) throw error;
    return { at: 'trouble', message: (error as Error).message };
  }
}

function perMinute({ finished }: Activity): number {
  return Number((finished / (ACTIVITY_WINDOW_MS / 60_000)).toFixed(1));
}

function ageMs(atUs: number): number {
  return Math.max(0, Math.round((systemClock.wallUs() - atUs) / 1000));
}

function asJson({ place, found, bridge, bus }: Report) {
  const state = stateOf(found);
  return {
    alive: found.at !== 'absent',
    pid: state === undefined ? null : pidOf(state),
    started_at: state === undefined ? null : timeOf(state.startedAtUs),
    uptime_ms: state === undefined ? null : ageMs(state.startedAtUs),
    db: place.bus,
    log_file: place.log,
    bridge: bridgeWire(bridge),
    bus_error: bus.at === 'trouble' ? bus.message : null,
    ...(bus.at === 'read' && queueAsJson(bus.inspection, bus.activity)),
  };
}

function queueAsJson(inspection: BusInspection, activity: Activity) {
  const { pending, leased, complete, failed, dead, ignored, expired, waiting, delayed } =
    inspection;
  const { lastError } = activity;
  return {
    ...{ pending, processing: leased, done: complete, failed, dead },
    ...{ ignored, expired, waiting, delayed },
    oldest_age_ms: Math.max(0, Math.round(inspection.oldestPendingMs)),
    finished_per_minute: perMinute(activity),
    last_error: lastError
      ? {
          message_id: lastError.messageId,
          code: lastError.code,
          message: lastError.message ?? null,
          at: timeOf(lastError.atUs),
          age_ms: ageMs(lastError.atUs),
        }
      : null,
    parks: inspection.parks.map(parkReport),
    workers: inspection.workers.map(workerReport),
  };
}

function asText({ place, found, bridge, bus }: Report): string[] {
  const lines = [
    ...daemonLines(place, found, bus),
    ['bus', printableLine(place.bus)],
    ['bridge', bridgeText(bridge)],
    ...(bus.at === 'read' ? queueLines(bus) : [['bus', paint('red', printableLine(bus.message))]]),
  ];
  const workers = bus.at === 'read' ? workersText(bus.inspection) : [];
  return [...lines.map(([name = '', value]) => `${name.padEnd(10)}  ${value}`), ...workers];
}

function daemonLines({ bus: file, log }: Place, found: Found, bus: BusPart): string[][] {
  const logLine = ['log', printableLine(log)];
  switch (found.at) {
    case 'absent':
      return [['daemon', `${paint('yellow', 'not running')}; ${instead(bus, file)}`]];
    case 'hidden':
      return [['daemon', 'runs, and cannot be seen from here'], logLine];
    case 'running': {
      const up = duration(ageMs(found.state.startedAtUs));
      const text = `${paint('green', 'runs')}: pid ${pidOf(found.state)}, for ${up}`;
      return [['daemon', text], logLine];
    }
  }
}

function instead(bus: BusPart, file: string): string {
  const isServed = bus.at === 'read' && bus.inspection.workers.some(({ gone }) => !gone);
  return isServed
    ? 'an autopoll that something else started works on this bus'
    : `to start it: warmline poll start --db ${shellWord(file)}`;
}

function queueLines({ inspection, activity }: Extract<BusPart, { at: 'read' }>): string[][] {
  const { pending, leased, complete, failed, dead, expired, oldestPendingMs } = inspection;
  const { lastError } = activity;
  const oldest = pending > 0 ? `, the oldest for ${duration(Math.max(0, oldestPendingMs))}` : '';
  return [
    ['pending', `${pending}${oldest}${expired > 0 ? `; ${expired} in expired conversations` : ''}`],
    ['processing', `${leased}`],
    ['done', `${complete}`],
    ['failed', `${failed}${dead > 0 ? `, and ${dead} given up: warmline dead` : ''}`],
    ['ended', `about ${perMinute(activity)} a minute in the last 5 min`],
    ['last error', lastError === undefined ? 'none' : errorText(lastError)],
  ];
}

function errorText({ messageId, code, message, atUs }: NonNullable<Activity['lastError']>): string {
  const what = oneLine(message === undefined ? code : `${code}: ${message}`, 200);
  return `${what} (message ${messageId}, ${duration(ageMs(atUs))} ago)`;
}

function workersText({ parks, workers }: BusInspection): string[] {
  const reports = workers.map(workerReport);
  return [
    ...parks.map((park) => parkText(parkReport(park), reports)),
    ...reports.flatMap(workerText),
  ];
}
