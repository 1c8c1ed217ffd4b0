/** The official client of the protocol, and the real `warmline mcp` behind it. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import type { RequestOptions } from '@modelcontextprotocol/sdk/shared/protocol.js';
import { onTestFinished } from 'vitest';
import { CLI, makeBus, start, tempDir, withDatabase } from '../e2e/warmline.js';

export interface Result {
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: each tool has data of its own
  readonly data: any;
  readonly isError: boolean;
  /** The code of an error. */
  readonly code: string | undefined;
}

export interface Mcp {
  readonly client: Client;
  readonly pid: number;
  /** What the server wrote to standard error so far. */
  readonly stderr: () => string;
  call(name: string, given?: object, options?: RequestOptions): Promise<Result>;
}

/** Starts `warmline mcp` with these words, and closes it when the test ends. */
export async function startMcp(...words: string[]): Promise<Mcp> {
  const transport = new StdioClientTransport({
    command: process.execPath,
    // Tests call more often than models.
    args: [CLI, 'mcp', '--log-level', 'info', '--mcp-calls-per-minute', '0', ...words],
    stderr: 'pipe',
  });
  let stderr = '';
  transport.stderr?.on('data', (chunk) => {
    stderr += String(chunk);
  });
  const client = new Client({ name: 'test', version: '1' }, { capabilities: {} });
  await client.connect(transport);
  onTestFinished(() => client.close());
  return {
    client,
    pid: transport.pid ?? 0,
    stderr: () => stderr,
    call: async (name, given = {}, options) => {
      const params = { name, arguments: given as Record<string, unknown> };
      return toResult(await client.callTool(params, undefined, options));
    },
  };
}

export function toResult(given: unknown): Result {
  const result = given as {
    content: { text: string }[];
    structuredContent?: { error?: { code: string } };
    isError?: boolean;
  };
  return {
    text: result.content.map(({ text }) => text).join('\n'),
    data: result.structuredContent,
    isError: result.isError === true,
    code: result.isError === true ? result.structuredContent?.error?.code : undefined,
  };
}

/** An empty bus in a directory of its own. */
export async function emptyBus(): Promise<string> {
  const file = join(tempDir(), 'bus.db');
  await makeBus(file, 0);
  return file;
}

/** Bridge and autopoll with the fake engine; the port of the bridge. */
export async function startUp(db: string, ...words: string[]): Promise<string> {
  const fixed = ['--port', '0', '--engine', 'fake', '--http-port', 'off'];
  const { ready } = await start('up', '--db', db, ...fixed, ...words);
  return String(ready.port);
}

export async function startBridge(...words: string[]): Promise<string> {
  const fixed = ['--port', '0', '--engine', 'fake', '--http-port', 'off'];
  const { ready } = await start('serve', ...fixed, ...words);
  return String(ready.port);
}

/** A conversation, and what each side shows in a call. */
export async function converse(mcp: Mcp) {
  const { data } = await mcp.call('create_conversation', {
    my_role: 'backend',
    partner_role: 'frontend',
  });
  const { conversation_id } = data;
  return {
    id: conversation_id as string,
    a: { conversation_id, session_id: 'a', token: data.session_a_token as string },
    b: { conversation_id, session_id: 'b', token: data.session_b_token as string },
  };
}

export interface AuditRow {
  readonly conversation_id: string | null;
  readonly session_id: string | null;
  readonly action: string;
  readonly details: string;
  readonly timestamp: string;
}

export function auditOf(db: string): AuditRow[] {
  return withDatabase(
    db,
    (open) => open.prepare('SELECT * FROM audit_log ORDER BY id').all() as AuditRow[],
  );
}

/** Waits until something is so that tells nobody when it changes. */
export async function until(look: () => Promise<boolean>): Promise<void> {
  while (!(await look())) await sleep(10);
}
