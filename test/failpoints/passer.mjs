/** Passes a failpoint for ever, as it was told to, and says so each time. */
import { setTimeout as sleep } from 'node:timers/promises';
import { armFailpoints, failpoint, openHistory } from '../../dist/src/failpoints/index.js';

const [failpoints, history] = process.argv.slice(2);
openHistory(history);
armFailpoints(failpoints);
for (let passed = 1; ; passed += 1) {
  failpoint('ans.commit');
  process.stdout.write(`passed ${passed}\n`);
  await sleep(1);
}
