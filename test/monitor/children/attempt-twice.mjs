// Fails at each question once and answers it then, each step in a commit of its own, as fast as it goes.
// Half way it says so, and waits for a line.
import { once } from 'node:events';
import { openSqliteBus } from '../../../dist/src/bus/index.js';

const [file, half] = process.argv.slice(2);
const bus = openSqliteBus({ file });
const TURN = { delayMs: 0, code: 'timeout', message: 'once more' };
const ANSWER = { answer: 'yes', sources: [], shardId: 'x', llmType: 'fake', responseTimeSec: 0 };
let steps = 0;

for (;;) {
  const leases = await bus.claim({ limit: 40, leaseMs: 60_000 });
  if (leases.length === 0) break;
  const before = steps;
  steps += leases.length;
  if (before < half && steps >= half) {
    process.stdout.write('half\n');
    await once(process.stdin, 'data');
    process.stdin.destroy();
  }
  await Promise.all(
    leases.map((lease) =>
      lease.attempt === 1 ? bus.retry(lease, TURN) : bus.complete(lease, ANSWER),
    ),
  );
}
await bus.close();
process.stdout.write('drained\n');
