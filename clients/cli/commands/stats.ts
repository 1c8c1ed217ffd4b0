import { type BusInspection, inspectBus } from '../../../src/bus/index.js';
import type { Settings } from '../../../src/config/index.js';
import { errorFields, withBridge } from '../bridge-client.js';
import { EXIT } from '../failure.js';
import { settingsFor, type Words } from '../options.js';
import { paint, printJson, printText } from '../output.js';
import { linesOf, withoutEnvelope } from '../report.js';
import { parkReport, parkText, workerReport, workerText } from '../worker-report.js';

export async function stats(words: Words): Promise<number> {
  const settings = await settingsFor(words, 'address', 'bus');
  const { db, session } = settings.bus;
  const bus = db === undefined ? undefined : toWire(inspectBus(db, session));
  if (words.json === true) return printAsJson(settings, bus);
  if (bus !== undefined) printText(`${paint('bold', `Bus ${db}`)}\n${busText(bus)}\n`);
  printText(`${paint('bold', 'Bridge')}\n${linesOf(await bridgeStats(settings))}`);
  return EXIT.ok;
}

/** What is known of the bus is printed also when there is no bridge. */
async function printAsJson(settings: Settings, bus: object | undefined): Promise<number> {
  try {
    printJson({ ...(await bridgeStats(settings)), bus });
    return EXIT.ok;
  } catch (error) {
    const fields = errorFields(error);
    printJson(bus === undefined ? { type: 'error', ...fields } : { error: fields, bus });
    return EXIT.failed;
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

function busText({ parks, workers, ...counts }: ReturnType<typeof toWire>): string {
  return [linesOf(counts), ...parks.map(parkText), ...workers.flatMap(workerText)].join('\n');
}
