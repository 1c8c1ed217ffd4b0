/** Claims each question as it is noticed and prints when, in microseconds since the epoch. */
import { openSqliteBus } from '../src/bus/index.js';
import { systemClock } from '../src/clock.js';

const [file = '', samples = '0', idleMs = '0'] = process.argv.slice(2);
const bus = openSqliteBus({ file });
let claimed = 0;

const claim = async () => {
  for (const lease of await bus.claim({ limit: 16, leaseMs: 30_000 })) {
    console.log(JSON.stringify({ id: lease.questionId, at: systemClock.wallUs() }));
    claimed += 1;
    void bus.release(lease, 3_600_000);
  }
  if (claimed === Number(samples)) setTimeout(measureIdle, 1000);
};

const measureIdle = () => {
  const before = process.cpuUsage();
  setTimeout(async () => {
    const { user, system } = process.cpuUsage(before);
    console.log(JSON.stringify({ idleShare: (user + system) / 1000 / Number(idleMs) }));
    await bus.close();
  }, Number(idleMs));
};

bus.watch(() => void claim());
console.log(JSON.stringify({ event: 'ready' }));
