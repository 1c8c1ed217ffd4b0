import { setProbes } from '../../../src/failpoints/index.js';
import { runUntilStopped } from '../../../src/lifecycle.js';
import { createLogger } from '../../../src/log.js';
import { Backend, serveStdio } from '../../mcp/index.js';
import { clientOptions } from '../bridge-client.js';
import { needBus, settingsFor, type Words } from '../options.js';
import { MCP } from '../sections.js';

/** Standard output carries the protocol and nothing else. */
export async function mcp(words: Words): Promise<number> {
  const settings = await settingsFor(words, ...MCP);
  const { logLevel, drainMs } = settings.process;
  const log = createLogger({ level: logLevel });
  setProbes(settings.process, log);
  const backend = new Backend({
    db: needBus(settings),
    session: settings.bus.session,
    create: words.create === true,
    bridge: clientOptions(settings, 'warmline-mcp'),
    callsPerMinute: settings.mcp.mcpCallsPerMinute,
    log,
  });
  return await runUntilStopped({ log, drainMs }, async ({ stopping }) => {
    await serveStdio(backend, process, stopping);
    await backend.close();
  });
}
