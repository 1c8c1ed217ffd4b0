import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { expect, onTestFinished, test } from 'vitest';
import { connect } from '../../clients/socket/index.js';
import { start, tempDir } from '../e2e/warmline.js';
import { emptyBus, toResult, until } from './client.js';

const TOKEN = 'a-token-of-some-length';

/** Bridge, autopoll and the HTTP door; where MCP is served. */
async function startUp(...words: string[]) {
  const fixed = ['--db', await emptyBus(), '--engine', 'fake', '--port', '0', '--http-port', '0'];
  const { ready } = await start('up', ...fixed, ...words);
  return { url: `http://127.0.0.1:${ready.http_port}/mcp`, port: ready.port };
}

async function connected(url: string, headers: Record<string, string> = {}) {
  const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
  const client = new Client({ name: 'test', version: '1' }, { capabilities: {} });
  await client.connect(transport as never);
  onTestFinished(() => client.close());
  const call = async (name: string, given: object = {}, options = {}) => {
    const params = { name, arguments: given as Record<string, unknown> };
    return toResult(await client.callTool(params, undefined, options));
  };
  return { client, transport, call };
}

test('the HTTP door serves the tools, with progress, and questions on the bus are answered', async () => {
  const { url } = await startUp();
  const { client, call } = await connected(url);
  expect((await client.listTools()).tools.map(({ name }) => name)).toContain('check_messages');
  const told: string[] = [];
  const asked = await call(
    'ask',
    { question: '!fake delay=300 deltas=3 One?' },
    { onprogress: ({ message = '' }) => told.push(message) },
  );
  expect(asked).toMatchObject({ isError: false, data: { answer: 'fake: One?' } });
  expect(told.length).toBeGreaterThan(0);
  const answered = await call('ask_over_bus', { question: 'Two?' });
  expect(answered.data).toMatchObject({ status: 'complete', answer: 'fake: Two?' });
  expect((await call('status')).isError).toBe(false);
});

test('a call that is cancelled over HTTP stops its turn', async () => {
  const { url, port } = await startUp();
  const { call } = await connected(url);
  const bridge = await connect({ port });
  onTestFinished(() => bridge.close());
  const busy = async () => JSON.stringify(await bridge.sessions()).includes('"state":"busy"');
  const wanted = new AbortController();
  const asked = call('ask', { question: '!fake delay=600000 never' }, { signal: wanted.signal });
  asked.catch(() => undefined);
  await until(busy);
  wanted.abort();
  await expect(asked).rejects.toThrow();
  await until(async () => !(await busy()));
});

test('a session ends by DELETE, and its client is told so', async () => {
  const { url } = await startUp();
  const { transport, call } = await connected(url);
  const headers = {
    'mcp-session-id': String(transport.sessionId),
    accept: 'application/json, text/event-stream',
    'content-type': 'application/json',
  };
  expect((await fetch(url, { headers })).status).toBe(405);
  await transport.terminateSession();
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
  expect((await fetch(url, { method: 'POST', headers, body })).status).toBe(404);
  await expect(call('status')).rejects.toThrow();
  const nothing = { ...headers, 'mcp-session-id': '' };
  expect((await fetch(url, { method: 'POST', headers: nothing, body })).status).toBe(404);
});

test('the rules of the door hold for MCP: token, host, origin, and one limit for all sessions', async () => {
  const file = join(tempDir(), 'token');
  writeFileSync(file, TOKEN, { mode: 0o600 });
  const { url } = await startUp('--token-file', file, '--mcp-calls-per-minute', '2');
  await expect(connected(url)).rejects.toThrow();
  const known = { authorization: `Bearer ${TOKEN}` };
  await expect(connected(url, { ...known, origin: 'http://elsewhere.example' })).rejects.toThrow();
  const [one, other] = [await connected(url, known), await connected(url, known)];
  expect((await one.call('ask', { question: 'One?' })).isError).toBe(false);
  expect((await other.call('ask', { question: 'Two?' })).isError).toBe(false);
  expect((await other.call('ask', { question: 'Three?' })).code).toBe('rate_limited');
});

test('without a bus there is no MCP at the door', async () => {
  const { ready } = await start('serve', '--engine', 'fake', '--port', '0', '--http-port', '0');
  expect((await fetch(`http://127.0.0.1:${ready.http_port}/mcp`)).status).toBe(404);
});
