import { inspectBus } from '../../../src/bus/index.js';
import { withBridge } from '../bridge-client.js';
import { EXIT } from '../failure.js';
import { settingsFor, type Words } from '../options.js';
import { paint, printJson, printText } from '../output.js';
import { linesOf } from '../report.js';

export async function stats(words: Words): Promise<number> {
  const settings = await settingsFor(words, 'address', 'bus');
  const { db, session } = settings.bus;
  const bus = db === undefined ? undefined : toWire(inspectBus(db, session));
  if (bus !== undefined && words.json !== true) {
    printText(`${paint('bold', `Bus ${db}`)}\n${linesOf(bus)}\n`);
  }
  const {
    type: _type,
    id: _id,
    ...bridge
  } = await withBridge(settings, (client) => client.stats());
  if (words.json === true) printJson({ ...bridge, bus });
  else printText(`${paint('bold', 'Bridge')}\n${linesOf(bridge)}`);
  return EXIT.ok;
}

function toWire(inspection: ReturnType<typeof inspectBus>) {
  const { oldestPendingMs, walBytes, ...counts } = inspection;
  return { ...counts, oldest_pending_ms: Math.round(oldestPendingMs), wal_bytes: walBytes };
}
