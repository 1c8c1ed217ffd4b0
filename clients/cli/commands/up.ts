import { runUntilStopped } from '../../../src/lifecycle.js';
import { createLogger } from '../../../src/log.js';
import { openBus } from '../bus-file.js';
import { flagsOf, needBus, settingsFor, type Words } from '../options.js';
import { announceReady } from '../output.js';
import { Pair } from '../pair.js';
import { PAIR } from '../sections.js';
import { ChildFailed } from '../supervisor.js';

export async function up(words: Words): Promise<number> {
  const settings = await settingsFor(words, ...PAIR);
  const db = needBus(settings);
  // A bus that cannot be used is found before anything runs.
  await openBus({ file: db, create: words.create === true }).close();
  const { drainMs, logLevel } = settings.process;
  const log = createLogger({ level: logLevel });
  const pair = new Pair({
    flags: flagsOf(words, PAIR),
    drainMs,
    onDeath: (what, delayMs) => log.error({ delayMs }, `${what}; starting it again`),
  });
  // Both drain one after the other.
  const lifetime = { log, drainMs: 2 * drainMs, onEndNow: () => pair.kill() };
  try {
    return await runUntilStopped(lifetime, async (life) => {
      const started = pair.start();
      life.stopping.addEventListener('abort', () => void pair.stop());
      const { host, port, http_port } = await started;
      const { bridge, autopoll } = pair.pids;
      if (!life.stopping.aborted) {
        announceReady({ host, port, http_port, db, pid: process.pid, pids: { bridge, autopoll } });
      }
      await life.stopped;
      await pair.stop();
    });
  } catch (error) {
    if (error instanceof ChildFailed) return error.exitCode;
    throw error;
  }
}
