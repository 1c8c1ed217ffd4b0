// Watches messages and writes down each change as it is told: one write for each, so that a kill
// leaves whole lines. Ends by itself when all are finished.
import { openSync, readFileSync, writeSync } from 'node:fs';
import { MessageMonitor } from '../../../dist/clients/monitor/index.js';

const [file, idsFile, outFile, since] = process.argv.slice(2);
const out = openSync(outFile, 'a');
const say = (line) => process.stdout.write(`${line}\n`);
const monitor = new MessageMonitor({ db: file, since: since && Number(since) });
for (const id of JSON.parse(readFileSync(idsFile, 'utf8'))) monitor.add(id);
let told = 0;
const end = () => {
  if (monitor.active.length === 0) monitor.close().then(() => say('finished'));
};
monitor.on('statusChange', ({ seq, messageId, status, attempt, atUs }) => {
  writeSync(out, `${seq} ${messageId} ${status}:${attempt} ${atUs ?? ''}\n`);
  told += 1;
  if (told % 1000 === 0) say(told);
});
monitor.on('gap', () => say('gap'));
monitor.on('complete', end);
monitor.on('fail', end);
