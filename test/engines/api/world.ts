/** An engine for a model API with what it needs around it, gone when the test is over. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ContextFile, createContextRoots } from '../../../src/context/index.js';
import type { ApiEngineOptions } from '../../../src/engines/api/index.js';
import type { Engine, EngineSession, TurnEvent } from '../../../src/engines/index.js';
import { type FakeModel, startFakeModel } from '../../../src/fake-model/index.js';
import { createLogger } from '../../../src/log.js';
import { atEnd } from './support.js';

export const MODEL = 'fake-model';
export const KEY = 'k3y-0f-the-tests';
export const NOTES = '# Ports\n\nThe bridge listens on port 9999.\n\n# Owner\n\nAda owns it.\n';

const never = new AbortController().signal;

/** The lines of the log, as text; `onLine` is told of each. */
export function testLog(onLine: (line: string) => void = () => {}) {
  const lines: string[] = [];
  const write = (line: string) => {
    lines.push(line);
    onLine(line);
  };
  return { log: createLogger({ level: 'trace', destination: { write } }), lines };
}

export async function contextOf(text: string): Promise<ContextFile> {
  const directory = mkdtempSync(join(tmpdir(), 'warmline-api-'));
  atEnd(() => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, 'NOTES.md'), text);
  const roots = await createContextRoots({ roots: [directory], maxBytes: 1_000_000 });
  return (await roots.resolve('NOTES.md')) as ContextFile;
}

export async function fakeModel(): Promise<FakeModel> {
  const fake = await startFakeModel();
  atEnd(() => fake.close());
  return fake;
}

/** @param create makes the engine of these options and of its own */
export async function engineAt(
  baseUrl: string,
  create: (options: ApiEngineOptions) => Promise<Engine>,
) {
  const { log, lines: logged } = testLog();
  const engine = await create({ name: 'remote', model: MODEL, baseUrl, key: KEY, log });
  atEnd(() => engine.close());
  const open = async (context?: ContextFile): Promise<EngineSession> => {
    const session = await engine.open({ context, sticky: undefined, signal: never });
    atEnd(() => session.close());
    return session;
  };
  return { engine, open, log, logged };
}

export function ask(
  session: EngineSession,
  question: string,
  context?: ContextFile,
  emit: (event: TurnEvent) => void = () => {},
) {
  return session.turn({ question, context }, emit);
}
