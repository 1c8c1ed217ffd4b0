/** Door 1: newline-delimited JSON over TCP and, when asked for, a Unix socket. */
import {
  type AddressInfo,
  createServer as createNetServer,
  type Server,
  type Socket,
} from 'node:net';
import type { Bridge } from '../bridge/index.js';
import { type Clock, systemClock } from '../clock.js';
import { ConfigError } from '../errors.js';
import { failpoint } from '../failpoints/index.js';
import { listenOn, listenOnSocket, resolveHost, TokenGate } from '../listening/index.js';
import type { Log } from '../log.js';
import { encodeError } from '../protocol/index.js';
import { Connection } from './connection.js';
import { countError, newCounters } from './counters.js';
import type { Hub } from './hub.js';
import { connectionBudget, DEFAULT_LIMITS, type Limits } from './limits.js';
import { serverStats } from './reports.js';

export interface ServerOptions {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly socketPath?: string | undefined;
  /** Asked of every client when set. Never logged, and not kept. */
  readonly token?: string | undefined;
  readonly limits?: Partial<Limits> | undefined;
  readonly clock?: Clock | undefined;
}

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
  readonly socketPath?: string | undefined;
}

export interface SocketServer {
  /** @throws ConfigError with one line that says what to change */
  listen(): Promise<ListenAddress>;
  /**
   * Accepts and starts nothing new, lets running queries be answered and read, then ends every
   * connection. Queries still unanswered after `deadlineMs` milliseconds fail with `shutting_down`.
   */
  drain(deadlineMs: number): Promise<void>;
  /** Ends every connection now. May be called during a drain, and twice. */
  close(): Promise<void>;
  stats(): Record<string, unknown>;
}

const KEEP_ALIVE_MS = 30_000;
const SWEEP_MS = 1_000;
const FOREIGN_LOG_MS = 60_000;

/** Clients over the cap that are told so at the same time; those beyond are closed unanswered. */
const MAX_TURNED_AWAY = 64;

/** @throws ConfigError when the token is empty */
export function createServer(options: ServerOptions, bridge: Bridge, log: Log): SocketServer {
  if (options.token?.trim() === '') {
    throw new ConfigError('the token is empty: put a long random text into the --token-file');
  }
  const clock = options.clock ?? systemClock;
  const wanted = { ...DEFAULT_LIMITS, ...options.limits };
  const limits = { ...wanted, maxConnections: connectionBudget(wanted.maxConnections) };
  const turnAwayAtOnce = Math.min(MAX_TURNED_AWAY, Math.ceil(limits.maxConnections / 4));
  const counters = newCounters();
  const connections = new Set<Connection>();
  const turnedAway = new Set<Socket>();
  const listeners: Server[] = [];
  let sweeping: NodeJS.Timeout | undefined;
  let allClosed: (() => void) | undefined;

  const hub: Hub = {
    bridge,
    log,
    clock,
    limits,
    counters,
    gate: new TokenGate(options.token),
    startedMs: clock.monotonicMs(),
    draining: false,
    openConnections: () => connections.size,
    relieve,
    reportForeign: foreignReporter(log, clock),
  };

  function relieve(): void {
    const bySize = [...connections].sort((one, other) => other.waitingBytes - one.waitingBytes);
    let waiting = bySize.reduce((sum, { waitingBytes }) => sum + waitingBytes, 0);
    for (const connection of bySize) {
      if (waiting <= limits.maxAllWaitingBytes) return;
      waiting -= connection.waitingBytes;
      connection.dropFlooded();
    }
  }

  function accept(socket: Socket): void {
    if (connections.size >= limits.maxConnections) {
      turnAway(socket);
      return;
    }
    failpoint('srv.accept');
    counters.accepted += 1;
    connections.add(new Connection(hub, socket, forget));
  }

  function forget(connection: Connection): void {
    connections.delete(connection);
    bridge.forgetQueue(connection);
    if (connections.size === 0) allClosed?.();
  }

  function turnAway(socket: Socket): void {
    counters.refused += 1;
    countError(counters, 'busy');
    turnedAway.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => turnedAway.delete(socket));
    const message = `the server has all of its ${limits.maxConnections} connections in use; try again`;
    socket.end(encodeError({ code: 'busy', message, retryAfterMs: 1000 }));
    // What the client sent is read and dropped: unread bytes would reset our line away.
    socket.resume();
    // From now, whatever the client goes on sending.
    const timer = setTimeout(() => socket.destroy(), limits.lingerMs);
    socket.on('close', () => clearTimeout(timer));
  }

  function newListener(): Server {
    const listener = createNetServer(
      {
        allowHalfOpen: true,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: KEEP_ALIVE_MS,
      },
      accept,
    );
    listener.maxConnections = limits.maxConnections + turnAwayAtOnce;
    listener.on('error', (error) => log.debug({ err: error }, 'listener reported an error'));
    listener.on('drop', () => {
      counters.refused += 1;
    });
    listeners.push(listener);
    return listener;
  }

  async function listen(): Promise<ListenAddress> {
    const { port, socketPath } = options;
    const host = await resolveHost(options.host, hub.gate.required);
    try {
      const tcp = newListener();
      await listenOn(tcp, { host, port });
      if (socketPath !== undefined) await listenOnSocket(newListener(), socketPath);
      const everyMs = Math.min(SWEEP_MS, shortestMs(limits) / 4);
      sweeping = setInterval(sweep, everyMs);
      sweeping.unref();
      return { host, port: (tcp.address() as AddressInfo).port, socketPath };
    } catch (error) {
      await close();
      throw error;
    }
  }

  function sweep(): void {
    const nowMs = clock.monotonicMs();
    for (const connection of connections) connection.checkDeadlines(nowMs);
  }

  function stopAccepting(): void {
    hub.draining = true;
    for (const listener of listeners) listener.close();
  }

  async function drain(deadlineMs: number): Promise<void> {
    stopAccepting();
    failpoint('srv.drain');
    for (const connection of connections) connection.drain();
    if (connections.size > 0) {
      await new Promise<void>((resolve) => {
        const deadline = setTimeout(resolve, deadlineMs);
        allClosed = () => {
          clearTimeout(deadline);
          resolve();
        };
      });
    }
    for (const connection of connections) connection.giveUp();
    await close();
  }

  async function close(): Promise<void> {
    clearInterval(sweeping);
    const closed = listeners.map((listener) => closing(listener));
    stopAccepting();
    for (const connection of connections) connection.destroy();
    for (const socket of turnedAway) socket.destroy();
    await Promise.all(closed);
  }

  return { listen, drain, close, stats: () => serverStats(hub) };
}

/** Resolves when the listener is closed and none of its sockets is open. */
function closing(listener: Server): Promise<void> {
  return new Promise((resolve) => {
    listener.once('close', resolve);
    if (!listener.listening) listener.close(() => resolve());
  });
}

/** Limits of time are kept to within this; tests set them short and the sweep follows. */
function shortestMs(limits: Limits): number {
  const { firstLineMs, authMs, partialLineMs, writeStallMs, lingerMs } = limits;
  return Math.min(firstLineMs, authMs, partialLineMs, writeStallMs, lingerMs);
}

function foreignReporter(log: Log, clock: Clock): (remote: string) => void {
  let nextMs = Number.NEGATIVE_INFINITY;
  let unreported = 0;
  return (remote) => {
    unreported += 1;
    const nowMs = clock.monotonicMs();
    if (nowMs < nextMs) return;
    log.warn({ remote, clients: unreported }, 'closed a client that does not speak this protocol');
    nextMs = nowMs + FOREIGN_LOG_MS;
    unreported = 0;
  };
}
