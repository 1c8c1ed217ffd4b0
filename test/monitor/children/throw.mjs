// One listener throws each time it is called; says what the others were told.
import { MessageMonitor } from '../../../dist/clients/monitor/index.js';

const [file, ...ids] = process.argv.slice(2);
const monitor = new MessageMonitor({ db: file });
let thrown = 0;
process.on('uncaughtException', () => {
  thrown += 1;
});
const told = [];
monitor.on('complete', ({ messageId }) => {
  told.push(messageId);
  if (told.length === ids.length) {
    // After the last throw has been counted.
    setImmediate(() => {
      process.stdout.write(`${JSON.stringify({ told, thrown })}\n`);
      void monitor.close();
    });
  }
});
monitor.on('statusChange', () => {
  throw new Error('a listener in trouble');
});
for (const id of ids) monitor.add(Number(id), { timeoutMs: 3_600_000 });
