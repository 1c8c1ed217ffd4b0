/** A process with a life of its own, told by its argument what is to happen to it. */
import { runUntilStopped } from '../../../dist/src/lifecycle.js';
import { createLogger } from '../../../dist/src/log.js';

const log = createLogger({ level: 'info' });
const say = (text) => process.stdout.write(`${text}\n`);

const failures = {
  throws: () => {
    throw new Error('thrown by nobody in particular');
  },
  rejects: () => void Promise.reject(new Error('rejected by nobody in particular')),
};

const code = await runUntilStopped({ log, drainMs: 60_000 }, async (life) => {
  const alive = setInterval(() => undefined, 1000);
  const what = process.argv[2];
  if (what === 'rejected-body') throw new Error('the body failed');
  if (failures[what]) setImmediate(failures[what]);
  say('runs');
  await life.stopped;
  say(`may drain for ${life.drainMs()} ms`);
  if (what === 'hangs') await new Promise(() => undefined);
  clearInterval(alive);
});
say(`ended with ${code}`);
process.exit(code);
