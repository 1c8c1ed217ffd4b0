/** The MCP server as the settings describe it: for a client's own process, and for the HTTP door. */
import type { Settings } from '../../src/config/index.js';
import type { Log } from '../../src/log.js';
import type { Guest } from '../../src/serve.js';
import { Backend, McpHttp } from '../mcp/index.js';
import { clientOptions } from './bridge-client.js';
import { needBus } from './options.js';

/** @throws ConfigError when no bus is named, or the token file cannot be used */
export function mcpBackend(settings: Settings, log: Log, create = false): Backend {
  return new Backend({
    db: needBus(settings),
    session: settings.bus.session,
    create,
    bridge: clientOptions(settings, 'warmline-mcp'),
    callsPerMinute: settings.mcp.mcpCallsPerMinute,
    log,
  });
}

/** @param port of the bridge, which the settings may have left open */
export function mcpGuest(settings: Settings, port: number, log: Log): Guest {
  const address = { ...settings.address, port };
  const server = new McpHttp(mcpBackend({ ...settings, address }, log));
  return {
    handle: (...request) => server.handle(...request),
    close: () => server.close(),
  };
}
