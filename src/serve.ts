/** Wires the server process: context roots, engine, bridge and the TCP door. */
import { setTimeout as sleep } from 'node:timers/promises';
import { createBridge } from './bridge/index.js';
import { systemClock } from './clock.js';
import { readToken, type Settings } from './config/index.js';
import { type ContextRoots, createContextRoots } from './context/index.js';
import type { Engine } from './engines/index.js';
import { ConfigError } from './errors.js';
import type { Log } from './log.js';
import { createServer, type ListenAddress, type SocketServer } from './server/index.js';
import { DEFAULT_LIMITS, type PoolLimits } from './sessions/index.js';

export interface RunningServer {
  readonly address: ListenAddress;
  /** Queries that have been taken and not answered yet. */
  running(): number;
  /**
   * Lets running queries be answered for up to `drainMs` milliseconds, refusing new ones, then ends
   * every connection and session.
   */
  stop(drainMs: number): Promise<void>;
}

/** A port is waited for this long: a server killed a moment ago may not have let go of it yet. */
const PORT_WAIT_MS = 2_000;
const PORT_RETRY_MS = 50;

/**
 * Resolves when the server accepts connections.
 * @param signal ends the wait for a port that is taken
 * @throws ConfigError with one line that says what to change
 */
export async function startServer(
  settings: Settings,
  log: Log,
  signal: AbortSignal,
): Promise<RunningServer> {
  const { roots, defaultContext, maxBytes } = contextOptions(settings);
  const contexts = await createContextRoots({ roots, defaultContext, maxBytes });
  if (defaultContext !== undefined) await requireDefault(contexts);
  const { tokenFile } = settings.address;
  const token = tokenFile === undefined ? undefined : readToken(tokenFile);
  const engine = await createEngine(settings.engine);
  const bridge = createBridge({
    engines: [{ engine, limits: poolLimits(settings) }],
    contexts,
    clock: systemClock,
    log,
  });
  const { host, port, socket: socketPath } = settings.address;
  const { maxConnections } = settings.server;
  const options = { host, port, socketPath, token, limits: { maxConnections } };
  try {
    const { server, address } = await listen(() => createServer(options, bridge, log), log, signal);
    return {
      address,
      running: () => Number(bridge.stats().in_flight),
      stop: async (drainMs) => {
        await server.drain(drainMs);
        await bridge.close();
      },
    };
  } catch (error) {
    await bridge.close();
    throw error;
  }
}

/** A default that cannot be used would fail each question that names no document. */
async function requireDefault(contexts: ContextRoots): Promise<void> {
  try {
    await contexts.resolve(undefined);
  } catch (cause) {
    throw new ConfigError(`--context: ${(cause as Error).message}`, { cause });
  }
}

async function listen(
  create: () => SocketServer,
  log: Log,
  signal: AbortSignal,
): Promise<{ readonly server: SocketServer; readonly address: ListenAddress }> {
  const deadlineMs = systemClock.monotonicMs() + PORT_WAIT_MS;
  let told = false;
  for (;;) {
    const server = create();
    try {
      return { server, address: await server.listen() };
    } catch (error) {
      const late = systemClock.monotonicMs() >= deadlineMs || signal.aborted;
      if (late || !isTaken(error)) throw error;
      if (!told) log.info('the port is in use; waiting a moment for it');
      told = true;
      await sleep(PORT_RETRY_MS);
    }
  }
}

function isTaken(error: unknown): boolean {
  const cause = error instanceof ConfigError ? (error.cause as NodeJS.ErrnoException) : undefined;
  return cause?.code === 'EADDRINUSE';
}

function contextOptions({ context }: Settings) {
  const { contextRoot: roots, context: defaultContext, contextMaxBytes: maxBytes } = context;
  return { roots, defaultContext, maxBytes };
}

/** An engine's code loads when it is the one that is used. */
async function createEngine(settings: Settings['engine']): Promise<Engine> {
  switch (settings.engine) {
    case 'extract': {
      const { createExtractEngine } = await import('./engines/extract/index.js');
      return createExtractEngine();
    }
    case 'fake': {
      const { FakeEngine } = await import('./engines/fake/index.js');
      return new FakeEngine({ delayMs: settings.fakeDelayMs, deltas: settings.fakeDeltas });
    }
  }
}

function poolLimits({ sessions, turns }: Settings): PoolLimits {
  return {
    ...DEFAULT_LIMITS,
    size: sessions.maxSessions,
    spares: sessions.spares,
    queueLimit: sessions.maxQueued,
    idleMs: sessions.sessionIdleMs,
    openMs: sessions.sessionOpenMs,
    maxTurns: sessions.sessionMaxTurns,
    maxAgeMs: sessions.sessionMaxAgeMs,
    maxMemoryBytes: sessions.sessionMaxBytes,
    firstByteMs: sessions.firstByteMs,
    idleGapMs: turns.idleGapMs,
    totalMs: turns.turnTimeoutMs,
    scheduleToCloseMs: sessions.questionTimeoutMs,
  };
}
