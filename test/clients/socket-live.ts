/** A real server for the clients: the real bridge over the fake engine, on free ports. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createBridge } from '../../src/bridge/index.js';
import { systemClock } from '../../src/clock.js';
import { createContextRoots, DEFAULT_MAX_CONTEXT_BYTES } from '../../src/context/index.js';
import { FakeEngine } from '../../src/engines/fake/index.js';
import { createLogger } from '../../src/log.js';
import { createServer } from '../../src/server/index.js';

export interface LiveServer {
  readonly port: number;
  close(): Promise<void>;
  /** Answers what runs, then ends. */
  drain(): Promise<void>;
}

export interface LiveOptions {
  readonly port?: number;
  readonly token?: string;
  readonly socketPath?: string;
}

export async function startServer(options: LiveOptions = {}): Promise<LiveServer> {
  const log = createLogger({ level: 'silent' });
  const root = await mkdtemp(join(tmpdir(), 'warmline-live-'));
  const bridge = createBridge({
    engines: [{ engine: new FakeEngine() }],
    contexts: await createContextRoots({ roots: [root], maxBytes: DEFAULT_MAX_CONTEXT_BYTES }),
    clock: systemClock,
    log,
  });
  const server = createServer({ host: '127.0.0.1', port: 0, ...options }, bridge, log);
  const { port } = await server.listen();
  return {
    port,
    close: async () => {
      await server.close();
      await bridge.close();
      await rm(root, { recursive: true });
    },
    drain: async () => {
      await Promise.all([server.drain(20_000), bridge.drain()]);
      await bridge.close();
      await rm(root, { recursive: true });
    },
  };
}
