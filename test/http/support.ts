/** The HTTP door as people run it: real processes, real ports, a real bus. */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import Database from 'better-sqlite3';
import OpenAI from 'openai';
import { onTestFinished } from 'vitest';
import { type Program, start } from '../support/process.js';

const FIXTURES = resolve(import.meta.dirname, '../fixtures');

export interface Running {
  readonly program: Program;
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  readonly port: number;
  readonly dir: string;
  readonly db: string;
  readonly pids: { readonly bridge: number; readonly autopoll: number };
}

/** A directory with a document, gone when the test ends. */
export function documents(): string {
  const dir = mkdtempSync(join(tmpdir(), 'warmline-http-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  copyFileSync(join(FIXTURES, 'SESSION-RESUME.md'), join(dir, 'SESSION-RESUME.md'));
  return dir;
}

/** Bridge, autopoll and a bus. */
export async function startUp(...words: string[]): Promise<Running> {
  const dir = documents();
  const db = join(dir, 'bus.db');
  const program = start(
    ['up', '--db', db, '--create', '--port', '0', '--http-port', '0', ...QUIET, ...words],
    { cwd: dir, env: { HOME: dir } },
  );
  return running(program, dir, db);
}

/** The bridge alone; with `--db` among the words it has a bus that nobody drains. */
export async function startServe(dir: string, ...words: string[]): Promise<Running> {
  const program = start(['serve', '--port', '0', '--http-port', '0', ...QUIET, ...words], {
    cwd: dir,
    env: { HOME: dir },
  });
  return running(program, dir, '');
}

/** What is left over when a test ends is not waited for. */
const QUIET = ['--log-level', 'warn', '--drain-ms', '500'];

async function running(program: Program, dir: string, db: string): Promise<Running> {
  const { http_port: port, pids } = (await program.ready()) as unknown as {
    readonly http_port: number;
    readonly pids: Running['pids'];
  };
  return { program, url: `http://127.0.0.1:${port}`, port, dir, db, pids };
}

/** The official client, unchanged but for the address. */
export function openai({ url }: Running, more: object = {}): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', ...more });
}

export type Json = Readonly<Record<string, unknown>>;

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Json;
}

export async function call(url: string, init: RequestInit = {}): Promise<Reply> {
  const reply = await fetch(url, init);
  const text = await reply.text();
  return {
    status: reply.status,
    headers: reply.headers,
    body: text === '' ? {} : JSON.parse(text),
  };
}

/** @param more headers beside that of JSON */
export function chat({ url }: Running, body: unknown, more: Record<string, string> = {}) {
  return call(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...more },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

export function ask(content: string, more: object = {}): Json {
  return { messages: [{ role: 'user', content }], ...more };
}

/** The id of a task that was just started. */
export async function startTask(server: Running, content: string, more: object = {}, headers = {}) {
  const { body } = await chat(server, ask(content, { polling_mode: true, ...more }), headers);
  return String(body.task_id);
}

export async function status(server: Running, id: string): Promise<Json> {
  return (await call(`${server.url}/v1/polling/status/${id}`)).body;
}

/** Waits until the task is in one of these states; nothing tells when it changes. */
export async function reaches(server: Running, id: string, ...words: string[]): Promise<Json> {
  for (;;) {
    const found = await status(server, id);
    if (words.includes(String(found.status))) return found;
    await new Promise((done) => setTimeout(done, 20));
  }
}

export async function ended(server: Running, id: string): Promise<Json> {
  return await reaches(server, id, 'completed', 'failed', 'timeout', 'cancelled');
}

/** What another program reads from the bus. */
export function rows<R>(db: string, sql: string, ...values: unknown[]): R[] {
  const peer = new Database(db, { readonly: true });
  try {
    return peer.prepare(sql).all(...values) as R[];
  } finally {
    peer.close();
  }
}
