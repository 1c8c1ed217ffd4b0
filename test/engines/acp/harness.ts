/** The engine `acp` with the echo agent, and what is needed to see what it leaves behind. */
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import type { ContextFile } from '../../../src/context/index.js';
import { type AcpOptions, createAcpEngine } from '../../../src/engines/acp/index.js';
import type { EngineSession, TurnEvent, TurnResult } from '../../../src/engines/index.js';

export const AGENT = resolve(import.meta.dirname, '../../support/echo-agent.mjs');

export const never = new AbortController().signal;

/** @param words how the agent starts, see `echo-agent.mjs` */
export function acpOptions(words: readonly string[] = [], more: Partial<AcpOptions> = {}) {
  return {
    name: 'echo',
    command: [process.execPath, AGENT, ...words],
    env: { PATH: process.env.PATH, HOME: tmpdir() },
    log: pino({ level: 'silent' }),
    ...more,
  };
}

export async function openEngine(words: readonly string[] = [], more: Partial<AcpOptions> = {}) {
  const engine = await createAcpEngine(acpOptions(words, more));
  const opened: EngineSession[] = [];
  onTestFinished(async () => {
    await Promise.all(opened.map((session) => session.close()));
    await engine.close();
  });
  const open = async (context?: ContextFile, signal = never) => {
    const session = await engine.open({ context, sticky: undefined, signal });
    opened.push(session);
    return session;
  };
  return { engine, open };
}

export async function openSession(words: readonly string[] = [], more: Partial<AcpOptions> = {}) {
  const { engine, open } = await openEngine(words, more);
  const session = await open();
  const ask = (question: string, emit: (event: TurnEvent) => void = () => {}) =>
    session.turn({ question, context: undefined }, emit);
  /** What the agent says of itself. */
  const facts = async () => JSON.parse((await ask('facts')).answer);
  return { engine, session, ask, facts };
}

/** A context file that holds this text. */
export function contextOf(text: string, name = 'NOTES.md'): ContextFile {
  const bytes = Buffer.from(text);
  return {
    name,
    path: join('/nowhere', name),
    identity: `${name}:${text.length}:${text.slice(0, 20)}`,
    sizeBytes: bytes.length,
    read: async () => bytes,
  };
}

/** Directories of agents that are there now. */
export function agentHomes(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith('warmline-acp-'));
}

type Ask = (question: string, emit: (event: TurnEvent) => void) => Promise<TurnResult>;

/** A turn, and when the first of it is heard. */
export function begin(ask: Ask, question: string) {
  let hear = () => {};
  const begun = new Promise<void>((resolve) => {
    hear = resolve;
  });
  return { turn: ask(question, hear), begun };
}

/** A question that does not hold the words it has the agent say. */
export function hidden(question: string): string {
  return `hidden ${Buffer.from(question).toString('base64')}`;
}
