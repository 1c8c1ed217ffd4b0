/**
 * Fails at each question once and answers it then, as fast as the bus takes it; prints how many
 * changes of status that made in a second.
 */
import { openSqliteBus } from '../src/bus/index.js';

const [file = ''] = process.argv.slice(2);
const bus = openSqliteBus({ file });
const answer = { answer: 'yes', sources: [], shardId: 'x', llmType: 'fake', responseTimeSec: 0 };
let changes = 0;

const started = performance.now();
for (;;) {
  const leases = await bus.claim({ limit: 40, leaseMs: 60_000 });
  if (leases.length === 0) break;
  const settled = leases.map((lease) =>
    lease.attempt === 1
      ? bus.retry(lease, { delayMs: 0, code: 'timeout', message: 'once more' })
      : bus.complete(lease, answer),
  );
  await Promise.all<unknown>(settled);
  changes += 2 * leases.length;
}
const seconds = (performance.now() - started) / 1000;
await bus.close();
console.log(JSON.stringify({ changes, rate: changes / seconds }));
