// Drains the bus named on the command line for ever, and says what it does, a line for each step.
import { openSqliteBus } from '../../../dist/src/bus/index.js';

const [file, name = 'worker', hold, leaseMs = '60000'] = process.argv.slice(2);
const say = (line) => process.stdout.write(`${line}\n`);
const bus = openSqliteBus({
  file,
  observer: { trouble: ({ code }) => say(`trouble ${code}`), recovered: () => say('recovered') },
});
say('ready');

for (;;) {
  await bus.reap();
  const leases = await bus.claim({ limit: 8, leaseMs: Number(leaseMs) });
  if (leases.length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    continue;
  }
  say(`claimed ${leases.map((lease) => lease.questionId).join(' ')}`);
  // A worker that holds waits here for a line before it answers.
  if (hold) await new Promise((resolve) => process.stdin.once('data', resolve));
  const kept = await Promise.all(
    leases.map((lease) =>
      bus.complete(lease, {
        answer: `answered by ${name}`,
        sources: [],
        shardId: name,
        llmType: 'fake',
        responseTimeSec: 0,
      }),
    ),
  );
  say(`settled ${kept.join(' ')}`);
}
