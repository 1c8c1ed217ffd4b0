/** Real agents over the Agent Client Protocol, in front of the fake model. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import type { ContextFile } from '../../src/context/index.js';
import { type AcpOptions, createAcpEngine } from '../../src/engines/acp/index.js';
import type { EngineSession, TurnEvent } from '../../src/engines/index.js';
import {
  type FakeModelOptions,
  type ReceivedRequest,
  startFakeModel,
} from '../../src/fake-model/index.js';

export const KEY = 'sk-fake-key-of-an-acp-test';

const never = new AbortController().signal;

export interface AcpSetting {
  readonly preset: NonNullable<AcpOptions['preset']>;
  readonly command: readonly string[];
  /** What comes after the address of the fake model. */
  readonly path?: string;
  readonly variables?: Readonly<Record<string, string>>;
}

/** An engine with such an agent, a fake model behind it, and a home of its own. */
export async function startAgent(
  setting: AcpSetting,
  options: FakeModelOptions = {},
  more: Partial<AcpOptions> = {},
) {
  const model = await startFakeModel({ script: wordsIn, ...options });
  const home = mkdtempSync(join(tmpdir(), 'warmline-agents-'));
  const engine = await createAcpEngine({
    name: setting.preset,
    preset: setting.preset,
    command: setting.command,
    baseUrl: `${model.url}${setting.path ?? ''}`,
    key: KEY,
    env: { PATH: process.env.PATH, HOME: home, ...setting.variables },
    log: pino({ level: 'silent' }),
    ...more,
  });
  const opened: EngineSession[] = [];
  onTestFinished(async () => {
    await Promise.all(opened.map((session) => session.close()));
    await engine.close();
    await model.close();
    rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  });
  const open = async (context?: ContextFile) => {
    const session = await engine.open({ context, sticky: undefined, signal: never });
    opened.push(session);
    const ask = (question: string, emit: (event: TurnEvent) => void = () => {}) =>
      session.turn({ question, context }, emit);
    return { session, ask };
  };
  return { model, engine, home, open };
}

/** Agents put messages of their own behind a question; the words for the fake model are in it. */
function wordsIn({ raw }: ReceivedRequest): string | undefined {
  return [...raw.matchAll(/\[\[fake: ([^\]"\\]*)\]\]/g)].at(-1)?.[1];
}

/** A context file that holds this text. */
export function contextOf(text: string): ContextFile {
  const bytes = Buffer.from(text);
  const name = 'NOTES.md';
  const identity = `${name}:${bytes.length}`;
  return {
    name,
    path: '/nowhere/NOTES.md',
    identity,
    sizeBytes: bytes.length,
    read: async () => bytes,
  };
}
