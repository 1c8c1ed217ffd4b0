/** Real `warmline` processes on temporary buses, for tests that look at the whole. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import Database from 'better-sqlite3';
import ndjson from 'ndjson';
import { onTestFinished } from 'vitest';
import { openSqliteBus } from '../../src/bus/index.js';

export const ROOT = resolve(import.meta.dirname, '../..');
export const CLI = join(ROOT, 'dist/clients/cli/main.js');

export interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  /** What the ready line said. */
  readonly ready: Record<string, unknown> & { readonly port: number };
  kill(signal: NodeJS.Signals): Promise<number | null>;
}

/** A directory that is gone, with what is in it, when the test ends. */
export function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'warmline-test-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Starts `warmline` and resolves with its ready line; it is gone when the test ends. */
export async function start(...words: string[]): Promise<Running> {
  const child = spawn(process.execPath, [CLI, ...words, '--log-level', 'warn'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const complaints: string[] = [];
  child.stderr.on('data', (chunk) => complaints.push(String(chunk)));
  const exited = once(child, 'exit');
  const ended = exited.then(([code]) => {
    throw new Error(`warmline ${words.join(' ')}: exit ${code}: ${complaints.join('')}`);
  });
  ended.catch(() => undefined);
  const [ready] = await Promise.race([once(child.stdout.pipe(ndjson.parse()), 'data'), ended]);
  return {
    child,
    pid: child.pid ?? 0,
    ready,
    kill: async (signal) => {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
      child.kill(signal);
      return (await exited)[0];
    },
  };
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. */
export async function run(command: string, ...words: string[]): Promise<Ended> {
  const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'pipe'], cwd: ROOT });
  onTestFinished(() => void child.kill('SIGKILL'));
  const out: string[] = [];
  const err: string[] = [];
  child.stdout.on('data', (chunk) => out.push(String(chunk)));
  child.stderr.on('data', (chunk) => err.push(String(chunk)));
  const [code] = await once(child, 'close');
  return { code, stdout: out.join(''), stderr: err.join('') };
}

export function warmline(...words: string[]): Promise<Ended> {
  return run(process.execPath, CLI, ...words);
}

/** A port that was free a moment ago, for a server that has to come back on the same one. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address ? address.port : 0;
}

/** An empty bus with conversations; returns the ids of these. */
export async function makeBus(file: string, conversations: number): Promise<string[]> {
  const bus = openSqliteBus({ file, create: true });
  const ids = await Promise.all(
    Array.from({ length: conversations }, () =>
      bus.createConversation({ roleA: 'asker', roleB: 'shard', lifetimeMs: 86_400_000 }),
    ),
  );
  await bus.close();
  return ids;
}

export interface Row {
  readonly id: number;
  readonly conversation_id: string;
  readonly from_session: string;
  readonly to_session: string;
  readonly message: string;
  readonly metadata: string;
  readonly timestamp: string;
  readonly read: number;
}

export interface BusView {
  readonly questions: Row[];
  /** Answer rows in the order they were written. */
  readonly answers: (Row & { readonly inReplyTo: number })[];
}

/** What another program would see on the bus: questions to `b`, answers from `b`. */
export function look(file: string): BusView {
  return withDatabase(file, (db) => {
    const rows = db.prepare('SELECT * FROM messages ORDER BY id').all() as Row[];
    const answers = rows
      .filter((row) => row.from_session === 'b' && row.metadata?.includes('"in_reply_to"'))
      .map((row) => ({ ...row, inReplyTo: Number(JSON.parse(row.metadata).in_reply_to) }));
    return { questions: rows.filter((row) => row.to_session === 'b'), answers };
  });
}

export function withDatabase<T>(file: string, use: (db: Database.Database) => T): T {
  const db = new Database(file);
  try {
    return use(db);
  } finally {
    db.close();
  }
}
