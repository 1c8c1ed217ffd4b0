/** The real `claude`, kept warm behind a bridge, in front of the fake model. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { afterEach } from 'vitest';
import {
  type Bridge,
  createBridge,
  type Query,
  type QueryOutcome,
} from '../../src/bridge/index.js';
import { systemClock } from '../../src/clock.js';
import { type ContextRoots, createContextRoots } from '../../src/context/index.js';
import { type ClaudeOptions, createClaudeEngine } from '../../src/engines/claude/index.js';
import type { Engine, EngineSession, OpenOptions } from '../../src/engines/index.js';
import {
  type FakeModel,
  type FakeModelOptions,
  type ReceivedRequest,
  startFakeModel,
} from '../../src/fake-model/index.js';
import type { PoolLimits } from '../../src/sessions/index.js';
import { findClaude } from './agents.js';

export const CLAUDE = findClaude();

const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** Undone when the test ends, the last first. */
export function atEnd(cleanUp: () => unknown): void {
  cleanUps.push(cleanUp);
}

export function tempDir(): string {
  const folder = mkdtempSync(join(tmpdir(), 'warmline-agents-'));
  atEnd(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

export async function startModel(options: FakeModelOptions = {}): Promise<FakeModel> {
  const model = await startFakeModel(options);
  atEnd(() => model.close());
  return model;
}

/** An engine that counts what it opens. */
export interface CountingEngine extends Engine {
  readonly sessions: readonly EngineSession[];
}

export async function startEngine(
  model: FakeModel,
  options: Partial<ClaudeOptions> = {},
): Promise<CountingEngine> {
  if (CLAUDE === undefined) throw new Error('there is no claude to test with');
  const engine = await createClaudeEngine({
    name: 'claude',
    env: { PATH: process.env.PATH, HOME: tempDir() },
    key: 'sk-ant-fake-key-of-a-test',
    baseUrl: model.url,
    log: pino({ level: 'silent' }),
    sdk: CLAUDE.sdk,
    claudePath: CLAUDE.path,
    ...options,
  });
  atEnd(() => engine.close());
  const sessions: EngineSession[] = [];
  const open = engine.open.bind(engine);
  engine.open = async (how: OpenOptions) => {
    const session = await open(how);
    sessions.push(session);
    return session;
  };
  atEnd(() => Promise.all(sessions.map((session) => session.close())));
  return Object.assign(engine, { sessions });
}

export interface Rig {
  readonly model: FakeModel;
  readonly engine: CountingEngine;
  readonly bridge: Bridge;
  /** A folder context files can be put in. */
  readonly root: string;
  ask(query: Query | string): Promise<QueryOutcome>;
  /** The answer of a question that is answered. */
  answer(query: Query | string): Promise<string>;
}

export interface RigOptions {
  readonly model?: FakeModelOptions;
  readonly engine?: Partial<ClaudeOptions>;
  readonly limits?: Partial<PoolLimits>;
  readonly contexts?: Readonly<Record<string, string>>;
}

export async function startRig(options: RigOptions = {}): Promise<Rig> {
  const model = await startModel(options.model);
  const engine = await startEngine(model, options.engine);
  const root = tempDir();
  for (const [name, text] of Object.entries(options.contexts ?? {})) {
    writeFileSync(join(root, name), text);
  }
  const contexts: ContextRoots = await createContextRoots({
    roots: [root],
    defaultContext: undefined,
    maxBytes: 16 * 1024 * 1024,
  });
  const limits = { size: 1, spares: 1, ...options.limits };
  const bridge = createBridge({
    engines: [{ engine, limits }],
    contexts,
    clock: systemClock,
    log: pino({ level: 'silent' }),
  });
  atEnd(() => bridge.close());
  const ask = (query: Query | string) =>
    new Promise<QueryOutcome>((done) => {
      bridge.ask(typeof query === 'string' ? { question: query } : query, { done });
    });
  const answer = async (query: Query | string) => {
    const outcome = await ask(query);
    if (!outcome.ok) throw outcome.error;
    return outcome.reply.answer;
  };
  return { model, engine, bridge, root, ask, answer };
}

/** Waits until `look` gives something; what it looks at tells nobody when it changes. */
export async function until<T>(
  look: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    await sleep(10);
  }
}

/** The question as the model got it: the last thing the user says in a request. */
export function lastUserText(request: ReceivedRequest | undefined): string {
  const { messages } = (request?.body ?? {}) as { messages?: { role: string; content: unknown }[] };
  const content = messages?.findLast(({ role }) => role === 'user')?.content ?? '';
  if (typeof content === 'string') return content;
  return (content as { text?: string }[]).at(-1)?.text ?? '';
}
