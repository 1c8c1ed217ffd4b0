import { setProbes } from '../../../src/failpoints/index.js';
import { runUntilStopped } from '../../../src/lifecycle.js';
import { createLogger } from '../../../src/log.js';
import { serveStdio } from '../../mcp/index.js';
import { mcpBackend } from '../mcp-server.js';
import { settingsFor, type Words } from '../options.js';
import { MCP } from '../sections.js';

/** Standard output carries the protocol and nothing else. */
export async function mcp(words: Words): Promise<number> {
  const settings = await settingsFor(words, ...MCP);
  const { logLevel, drainMs } = settings.process;
  const log = createLogger({ level: logLevel });
  setProbes(settings.process, log);
  const backend = mcpBackend(settings, log, words.create === true);
  return await runUntilStopped({ log, drainMs }, async ({ stopping }) => {
    await serveStdio(backend, process, stopping);
    await backend.close();
  });
}
