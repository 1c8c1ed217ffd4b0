// Cancels the questions named on the command line, one after another, and says what came of each.
import { cancelQuestion, openSqliteBus } from '../../../dist/src/bus/index.js';
import { armFailpoints } from '../../../dist/src/failpoints/index.js';

const [file, ids, failpoints = ''] = process.argv.slice(2);
armFailpoints(failpoints);
const bus = openSqliteBus({ file });
process.stdout.write('ready\n');
await new Promise((resolve) => process.stdin.once('data', resolve));
for (const id of JSON.parse(ids)) {
  process.stdout.write(`${id} ${await cancelQuestion(bus, id)}\n`);
}
await bus.close();
process.exit(0);
