import { runUntilStopped } from '../../../src/lifecycle.js';
import { createLogger } from '../../../src/log.js';
import { startServer } from '../../../src/serve.js';
import { startWatchdog } from '../../../src/watchdog/index.js';
import { settingsFor, type Words } from '../options.js';
import { announceReady } from '../output.js';

export async function serve(words: Words): Promise<number> {
  const settings = await settingsFor(
    words,
    'address',
    'engine',
    'context',
    'sessions',
    'turns',
    'server',
    'process',
  );
  const { drainMs, logLevel, watchdogMs } = settings.process;
  const log = createLogger({ level: logLevel });
  return runUntilStopped({ log, drainMs }, async (life) => {
    const server = await startServer(settings, log, life.stopping);
    if (watchdogMs > 0) startWatchdog({ stallMs: watchdogMs, log });
    const { host, port, socketPath } = server.address;
    log.info({ host, port, socket: socketPath, engine: settings.engine.engine }, 'listening');
    announceReady({ host, port, http_port: null, socket: socketPath, pid: process.pid });
    await life.stopped;
    log.info({ questions: server.running() }, 'waiting for the questions that run');
    await server.stop(life.drainMs());
    log.info('stopped');
  });
}
