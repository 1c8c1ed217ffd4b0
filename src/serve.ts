/** Wires the server process: context roots, engines, bridge and the two doors, TCP and HTTP. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bridge, type ConfiguredEngine, createBridge } from './bridge/index.js';
import { systemClock } from './clock.js';
import {
  type EngineSettings,
  type Environment,
  environment,
  readKey,
  readToken,
  type Settings,
  stateHome,
} from './config/index.js';
import { type ContextRoots, createContextRoots } from './context/index.js';
import type { Engine, EngineStatus } from './engines/index.js';
import { ConfigError } from './errors.js';
import type { Guest, HttpDoor, HttpOptions } from './http/index.js';
import type { Log } from './log.js';
import { createServer, type ListenAddress, type SocketServer } from './server/index.js';
import { DEFAULT_LIMITS, type PoolLimits } from './sessions/index.js';

export type { Guest } from './http/index.js';

/** What the HTTP door of a server with a bus may have besides its own. */
export interface Guests {
  /** The MCP server, made when somebody asks for it. @param port of the bridge */
  readonly mcp?: (port: number) => Promise<Guest>;
}

export interface RunningServer {
  readonly address: ListenAddress;
  /** Of the HTTP door; undefined when it is off. */
  readonly httpPort: number | undefined;
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
  guests: Guests = {},
): Promise<RunningServer> {
  const { roots, defaultContext, maxBytes } = contextOptions(settings);
  const contexts = await createContextRoots({ roots, defaultContext, maxBytes });
  if (defaultContext !== undefined) await requireDefault(contexts);
  const { tokenFile } = settings.address;
  const token = tokenFile === undefined ? undefined : readToken(tokenFile);
  const bridge = createBridge({
    engines: await createEngines(settings, log),
    defaultEngine: settings.engine.engine,
    contexts,
    clock: systemClock,
    log,
  });
  const { host, port, socket: socketPath } = settings.address;
  const { maxConnections } = settings.server;
  const options = { host, port, socketPath, token, limits: { maxConnections } };
  let server: SocketServer | undefined;
  let http: HttpDoor | undefined;
  try {
    const address = await listen(
      () => {
        server = createServer(options, bridge, log);
        return server.listen();
      },
      log,
      signal,
    );
    const httpPort = await listen(
      async () => {
        http = await createHttp(settings, token, bridge, log, guestsAt(guests, address.port));
        return await http?.listen();
      },
      log,
      signal,
    ).catch(async (error: unknown) => {
      if (!settings.http.isPortUsual || !isTaken(error)) throw error;
      log.warn(`there is no HTTP door: ${(error as Error).message}`);
      await http?.close();
      http = undefined;
      return undefined;
    });
    return {
      address,
      httpPort,
      running: () => Number(bridge.stats().in_flight),
      stop: async (drainMs) => {
        await Promise.all([server?.drain(drainMs), http?.drain(drainMs)]);
        await bridge.close();
        await http?.close();
      },
    };
  } catch (error) {
    await Promise.allSettled([server?.close(), http?.close()]);
    await bridge.close();
    throw error;
  }
}

/** Its code loads when it is wanted. */
async function createHttp(
  { http, server, address, bus, turns, autopoll }: Settings,
  token: string | undefined,
  bridge: Bridge,
  log: Log,
  guests: HttpOptions['guests'],
): Promise<HttpDoor | undefined> {
  const { httpPort: port } = http;
  if (port === 'off') return undefined;
  const { createHttpDoor } = await import('./http/index.js');
  const options: HttpOptions = {
    host: address.host,
    port,
    token,
    bus: bus.db === undefined ? undefined : { file: bus.db, session: bus.session },
    tasksAtOnce: http.httpTasks,
    maxTasks: http.httpMaxTasks,
    maxRequests: http.httpMaxRequests,
    names: http.httpName,
    origins: http.httpOrigin,
    hooks: hookSettings(http, bus.db),
    strictModels: http.strictModels,
    timeouts: {
      settingMs: turns.turnTimeoutMs,
      bounds: { floorMs: autopoll.adaptiveFloorMs, ceilingMs: autopoll.adaptiveCeilingMs },
    },
    limits: { maxConnections: server.maxConnections },
    guests: bus.db === undefined ? {} : guests,
  };
  return createHttpDoor(options, bridge, log);
}

function guestsAt({ mcp }: Guests, port: number): HttpOptions['guests'] {
  return mcp === undefined ? {} : { '/mcp': () => mcp(port) };
}

/** @throws ConfigError when nothing can be signed, or nobody would be told */
function hookSettings(
  { httpHook: urls, httpHookSecretFile: file }: Settings['http'],
  db: string | undefined,
) {
  if (urls.length === 0 && file === undefined) return undefined;
  if (file === undefined) throw new ConfigError('--http-hook needs --http-hook-secret-file FILE');
  if (db === undefined) throw new ConfigError('--http-hook needs a bus: --db FILE');
  if (urls.length === 0) throw new ConfigError('--http-hook-secret-file needs --http-hook URL');
  return { urls, secret: readToken(file) };
}

/** A default that cannot be used would fail each question that names no document. */
async function requireDefault(contexts: ContextRoots): Promise<void> {
  try {
    await contexts.resolve(undefined);
  } catch (cause) {
    throw new ConfigError(`--context: ${(cause as Error).message}`, { cause });
  }
}

/** @param attempt makes what is to listen, and lets it */
async function listen<T>(attempt: () => Promise<T>, log: Log, signal: AbortSignal): Promise<T> {
  const deadlineMs = systemClock.monotonicMs() + PORT_WAIT_MS;
  let told = false;
  for (;;) {
    try {
      return await attempt();
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

/** All or none: what was made is released when another one cannot be. */
async function createEngines(
  { engines, address }: Settings,
  log: Log,
): Promise<ConfiguredEngine[]> {
  const made: ConfiguredEngine[] = [];
  try {
    for (const settings of engines) {
      const { kind, aliases, fallback } = settings;
      const engine = await createEngine(settings, address.port, log);
      made.push({ engine, kind, aliases, fallback, limits: poolLimits(settings) });
    }
    return made;
  } catch (error) {
    await Promise.allSettled(made.map(({ engine }) => engine.close()));
    throw error;
  }
}

/** An engine's code loads when it is one that is used. */
async function createEngine(settings: EngineSettings, port: number, log: Log): Promise<Engine> {
  const { name, kind, model, baseUrl, maxContextBytes } = settings;
  const env = environment();
  const common = { name, model, baseUrl, maxContextBytes, key: readKey(settings, env), env, log };
  switch (kind) {
    case 'extract': {
      const { createExtractEngine } = await import('./engines/extract/index.js');
      return createExtractEngine({ name });
    }
    case 'fake': {
      const { FakeEngine } = await import('./engines/fake/index.js');
      const { fakeDelayMs: delayMs, fakeDeltas: deltas } = settings;
      return new FakeEngine({ name, model, delayMs, deltas });
    }
    case 'claude': {
      const { createClaudeEngine } = await import('./engines/claude/index.js');
      const { claudePath, firstByteMs } = settings;
      const stateDir = settings.stateDir ?? usualStateDir(env, port, log);
      const apiTimeoutMs = Math.ceil(firstByteMs * API_TIME);
      return createClaudeEngine({ ...common, claudePath, stateDir, apiTimeoutMs });
    }
    case 'acp': {
      const { createAcpEngine } = await import('./engines/acp/index.js');
      const { command, preset } = settings;
      return createAcpEngine({ ...common, command, preset });
    }
    case 'openai': {
      const { createOpenAiEngine } = await import('./engines/openai/index.js');
      return createOpenAiEngine({ ...common, ...apiOptions(settings) });
    }
    case 'anthropic': {
      const { createAnthropicEngine } = await import('./engines/anthropic/index.js');
      return createAnthropicEngine({ ...common, ...apiOptions(settings) });
    }
  }
}

function apiOptions(settings: EngineSettings) {
  const { name, maxOutputTokens, prefetch, cacheTtl, keepAlive, caFile } = settings;
  const ca = caFile === undefined ? undefined : readCertificates(name, caFile);
  return { maxOutputTokens, prefetch, cacheTtl, keepAlive, ca };
}

function readCertificates(engine: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new ConfigError(`engine ${engine}: ca_file ${file} cannot be read`, { cause });
  }
}

/**
 * Makes an engine and opens one session as a bridge would, for whoever wants to know whether that
 * works; nothing of it is left.
 * @param signal ends a start that takes too long
 * @returns how long the session took to open, in milliseconds, and what the engine knows of its login
 * @throws ConfigError or WarmlineError that says what is missing
 */
export async function tryEngine(
  settings: EngineSettings,
  log: Log,
  signal: AbortSignal,
): Promise<{ readonly openMs: number; readonly status: EngineStatus }> {
  // Conversations are left alone: they are those of a bridge that may be running.
  const engine = await createEngine({ ...settings, stateDir: undefined }, 0, log);
  try {
    const startedMs = systemClock.monotonicMs();
    const session = await engine.open({ context: undefined, sticky: undefined, signal });
    const openMs = systemClock.monotonicMs() - startedMs;
    await session.close();
    return { openMs, status: engine.status() };
  } finally {
    await engine.close();
  }
}

/** Part of the first-byte clock that an API gets: its own error says more than the clock's. */
const API_TIME = 0.9;

/** Apart for each port, so that two bridges of one user do not meet; none for a port by chance. */
function usualStateDir(env: Environment, port: number, log: Log): string | undefined {
  const home = stateHome(env);
  if (home === undefined || port === 0) return undefined;
  const directory = join(home, 'warmline', `port-${port}`);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return directory;
  } catch (error) {
    log.warn({ err: error }, 'conversations are not remembered: their directory cannot be made');
    return undefined;
  }
}

function poolLimits(engine: EngineSettings): PoolLimits {
  return {
    ...DEFAULT_LIMITS,
    size: engine.maxSessions,
    spares: engine.spares,
    queueLimit: engine.maxQueued,
    idleMs: engine.sessionIdleMs,
    openMs: engine.sessionOpenMs,
    maxTurns: engine.sessionMaxTurns,
    maxAgeMs: engine.sessionMaxAgeMs,
    maxMemoryBytes: engine.sessionMaxBytes,
    maxAnswerChars: engine.answerMaxChars,
    firstByteMs: engine.firstByteMs,
    idleGapMs: engine.idleGapMs,
    totalMs: engine.turnTimeoutMs,
    scheduleToCloseMs: engine.questionTimeoutMs,
  };
}
