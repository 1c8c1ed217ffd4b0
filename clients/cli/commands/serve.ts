import type { Settings } from '../../../src/config/index.js';
import { setProbes } from '../../../src/failpoints/index.js';
import { runUntilStopped } from '../../../src/lifecycle.js';
import { createLogger } from '../../../src/log.js';
import { startServer } from '../../../src/serve.js';
import { startWatchdog } from '../../../src/watchdog/index.js';
import { settingsFor, type Words } from '../options.js';
import { announceReady } from '../output.js';
import { BRIDGE } from '../sections.js';

export async function serve(words: Words): Promise<number> {
  const { concurrency, maxSessions = concurrency } = words;
  const settings = await settingsFor({ ...words, maxSessions }, ...BRIDGE);
  const { drainMs, logLevel, watchdogMs } = settings.process;
  const log = createLogger({ level: logLevel });
  setProbes(settings.process, log);
  return runUntilStopped({ log, drainMs }, async (life) => {
    const mcp = async (port: number) =>
      // Its code is large, and few ask for it.
      (await import('../mcp-server.js')).mcpGuest(settings, port, log);
    const server = await startServer(settings, log, life.stopping, { mcp });
    if (watchdogMs > 0) startWatchdog({ stallMs: watchdogMs, log });
    const { host, port, socketPath } = server.address;
    const { httpPort = null } = server;
    const engines = engineNames(settings);
    log.info({ host, port, httpPort, socket: socketPath, engines }, 'listening');
    announceReady({ host, port, http_port: httpPort, socket: socketPath, pid: process.pid });
    await life.stopped;
    log.info({ questions: server.running() }, 'waiting for the questions that run');
    await server.stop(life.drainMs());
    log.info('stopped');
  });
}

/** The default one first. */
function engineNames({ engine, engines }: Settings): string[] {
  const others = engines.map(({ name }) => name).filter((name) => name !== engine.engine);
  return [engine.engine, ...others];
}
