// Starts one tree as a server does, says the pids of all it started, and ends as told, on SIGHUP.
import { createInterface } from 'node:readline';
import { cleanEnvironment, spawnTree } from '../../../dist/src/processes/index.js';

const [script, ending] = process.argv.slice(2);
const tree = spawnTree({
  command: 'sh',
  args: ['-c', script],
  cwd: '/',
  env: cleanEnvironment(process.env),
});
for await (const line of createInterface({ input: tree.stdout })) {
  if (line === 'up') break;
}
process.once('SIGHUP', () => {
  if (ending === 'exit') process.exit(0);
  throw new Error('as nobody expected');
});
console.log(`pid ${tree.pid}`);
setInterval(() => {}, 1e6);
