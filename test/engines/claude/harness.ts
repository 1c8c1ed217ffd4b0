import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pino } from 'pino';
import { afterEach } from 'vitest';
import type { ContextFile } from '../../../src/context/index.js';
import { type ClaudeOptions, createClaudeEngine } from '../../../src/engines/claude/index.js';
import type { Engine, EngineSession, TurnEvent } from '../../../src/engines/index.js';

const STAND_IN = join(import.meta.dirname, 'stand-in');

/** The stand-ins for the SDK and for `claude`: see there for what a question can ask of them. */
export const STAND_INS = {
  sdk: join(STAND_IN, 'sdk.mjs'),
  claudePath: join(STAND_IN, 'claude.mjs'),
};

const never = new AbortController().signal;
const opened: { close(): Promise<void> }[] = [];
const folders: string[] = [];

afterEach(async () => {
  // Sessions before the engines that opened them.
  for (const thing of opened.splice(0).reverse()) await thing.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

export function tempDir(): string {
  const folder = mkdtempSync(join(tmpdir(), 'warmline-test-'));
  folders.push(folder);
  return folder;
}

export async function startEngine(options: Partial<ClaudeOptions> = {}): Promise<Engine> {
  const engine = await createClaudeEngine({
    name: 'claude',
    env: { PATH: `${dirname(process.execPath)}:/usr/bin:/bin`, HOME: tempDir() },
    key: 'sk-ant-secret-123',
    log: pino({ level: 'silent' }),
    ...STAND_INS,
    ...options,
  });
  opened.push(engine);
  return engine;
}

export interface Opened {
  readonly session: EngineSession;
  ask(question: string, emit?: (event: TurnEvent) => void): ReturnType<EngineSession['turn']>;
}

export async function openSession(
  engine: Engine,
  { context, sticky }: { context?: ContextFile; sticky?: string } = {},
): Promise<Opened> {
  const session = await engine.open({ context, sticky, signal: never });
  opened.push(session);
  const ask = (question: string, emit: (event: TurnEvent) => void = () => {}) =>
    session.turn({ question, context }, emit);
  return { session, ask };
}

/** A context file with this text. */
export function contextOf(text: string, name = 'NOTES.md'): ContextFile {
  const path = join(tempDir(), name);
  writeFileSync(path, text);
  const bytes = Buffer.from(text);
  return { name, path, identity: path, sizeBytes: bytes.length, read: async () => bytes };
}

/** Whether a process still runs; a zombie does not. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
