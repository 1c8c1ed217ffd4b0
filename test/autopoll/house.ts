/** A bus file, a bridge over the engines of a test, and an autopoll between them, all of them real. */
import { onTestFinished } from 'vitest';
import {
  Autopoll,
  type AutopollParts,
  type AutopollSettings,
  Links,
} from '../../clients/autopoll/index.js';
import { connect } from '../../clients/socket/index.js';
import { createBridge } from '../../src/bridge/index.js';
import type { SqliteBus } from '../../src/bus/index.js';
import { systemClock } from '../../src/clock.js';
import { createContextRoots } from '../../src/context/index.js';
import type { Engine, EngineSession, Turn } from '../../src/engines/index.js';
import { createLogger } from '../../src/log.js';
import { createServer } from '../../src/server/index.js';
import { TempBus } from '../support/temp-bus.js';

export const SETTINGS: AutopollSettings = {
  concurrency: 16,
  conversations: undefined,
  includeExpired: false,
  sticky: false,
  shardId: 'warmline',
  turnTimeoutMs: 60_000,
  idleGapMs: 60_000,
  leaseMs: 20_000,
  renewEveryMs: 5_000,
  reapEveryMs: 50,
  heartbeatEveryMs: 30_000,
  retry: { maxAttempts: 3, baseDelayMs: 5, maxDelayMs: 20 },
};

/** The same engine, with something that happens before each of its turns, and may change it. */
export function beforeTurns(
  engine: Engine,
  before: (session: EngineSession, turn: Turn) => Turn | undefined,
): Engine {
  return {
    name: engine.name,
    model: engine.model,
    binds: engine.binds,
    status: () => engine.status(),
    close: () => engine.close(),
    open: async (options) => {
      const session = await engine.open(options);
      const turn = session.turn.bind(session);
      session.turn = async (given, emit) => {
        return await turn(before(session, given) ?? given, emit);
      };
      return session;
    },
  };
}

/** A bridge over these engines; the first answers questions that name none. */
export async function startBridge(...engines: readonly Engine[]): Promise<number> {
  const log = createLogger({ level: 'silent' });
  const temp = new TempBus();
  const bridge = createBridge({
    engines: engines.map((engine) => ({ engine })),
    contexts: await createContextRoots({ roots: [temp.dir], maxBytes: 1 }),
    clock: systemClock,
    log,
  });
  const server = createServer({ host: '127.0.0.1', port: 0 }, bridge, log);
  const { port } = await server.listen();
  onTestFinished(async () => {
    await server.close();
    await bridge.close();
  });
  return port;
}

export interface House {
  readonly temp: TempBus;
  readonly autopoll: Autopoll;
  /** The connection that the autopoll works on. */
  readonly bus: SqliteBus;
  /** Lines of its log, parsed. */
  readonly lines: Record<string, unknown>[];
  health(): Promise<Record<string, unknown>>;
  /** How each question stands in its conversation's queue, or how it ended. */
  outcome(question: number): { outcome: string; attempts: number } | undefined;
}

export async function openHouse(
  port: number,
  change: Partial<AutopollSettings> = {},
  more: Partial<AutopollParts> = {},
  temp = new TempBus(),
): Promise<House> {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line));
  const log = createLogger({ level: 'debug', destination: { write } });
  const bus = temp.open();
  const settings = { ...SETTINGS, ...change };
  const links = new Links({ port }, settings.concurrency);
  const autopoll = new Autopoll({ bus, links, clock: systemClock, log, settings, ...more });
  const client = await connect({ port });
  onTestFinished(async () => {
    await autopoll.stop(0);
    await links.close();
    await client.close();
    await bus.close();
  });
  await links.ready();
  return {
    temp,
    autopoll,
    bus,
    lines,
    health: () => client.health(),
    outcome: (question) =>
      temp.peer
        .prepare<[number], { outcome: string; attempts: number }>(
          'SELECT outcome, attempts FROM warmline_done WHERE question_id = ?',
        )
        .get(question),
  };
}
