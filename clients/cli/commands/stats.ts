import { type BusInspection, inspectBus } from '../../../src/bus/index.js';
import type { Settings } from '../../../src/config/index.js';
import { BridgeError } from '../../socket/index.js';
import { errorFields, withBridge } from '../bridge-client.js';
import { EXIT } from '../failure.js';
import { settingsFor, type Words } from '../options.js';
import { paint, printableLine, printJson, printText } from '../output.js';
import { linesOf, withoutEnvelope } from '../report.js';
import { nobodyWorks, parkReport, parkText, workerReport, workerText } from '../worker-report.js';

export async function stats(words: Words): Promise<number> {
  const settings = await settingsFor(words, 'address', 'bus');
  const { db, session } = settings.bus;
  const bus = db === undefined ? undefined : toWire(inspectBus(db, session));
  if (words.json === true) return printAsJson(settings, bus);
  if (db === undefined || bus === undefined) {
    printText(bridgeText(await bridgeStats(settings)));
    return EXIT.ok;
  }
  printText(`${paint('bold', `Bus ${printableLine(db)}`)}\n${busText(bus, db)}\n`);
  try {
    printText(bridgeText(await bridgeStats(settings)));
  } catch (error) {
    if (!isAbsent(error)) throw error;
    printText(`${paint('bold', 'Bridge')}: not running (${printableLine(error.message)})`);
  }
  return EXIT.ok;
}

/** The bus is what was asked for, so that nobody answers at the address is no failure beside it. */
function isAbsent(error: unknown): error is BridgeError {
  return error instanceof BridgeError && error.code === 'unreachable';
}

async function printAsJson(settings: Settings, bus: object | undefined): Promise<number> {
  try {
    printJson({ ...(await bridgeStats(settings)), bus });
    return EXIT.ok;
  } catch (error) {
    const fields = errorFields(error);
    printJson(bus === undefined ? { type: 'error', ...fields } : { error: fields, bus });
    return bus !== undefined && isAbsent(error) ? EXIT.ok : EXIT.failed;
  }
}

async function bridgeStats(settings: Settings) {
  return withoutEnvelope(await withBridge(settings, (client) => client.stats()));
}

function toWire(inspection: BusInspection) {
  const { oldestPendingMs, walBytes, parks, workers, ...counts } = inspection;
  return {
    ...counts,
    oldest_pending_ms: oldestPendingMs,
    wal_bytes: walBytes,
    parks: parks.map(parkReport),
    workers: workers.map(workerReport),
  };
}

function bridgeText(report: Awaited<ReturnType<typeof bridgeStats>>): string {
  return `${paint('bold', 'Bridge')}\n${linesOf(report)}`;
}

function busText({ parks, workers, ...counts }: ReturnType<typeof toWire>, db: string): string {
  const isWorkedOn = workers.some(({ gone }) => !gone);
  return [
    linesOf(counts),
    ...parks.map((park) => parkText(park, workers)),
    ...workers.flatMap(workerText),
    ...(isWorkedOn ? [] : [nobodyWorks(db)]),
  ].join('\n');
}
