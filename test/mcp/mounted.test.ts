import { once } from 'node:events';
import { createServer } from 'node:http';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { Backend, createMcpServer } from '../../clients/mcp/index.js';
import { emptyBus, startBridge, toResult } from './client.js';

test('the same server is carried by HTTP, one for each connection, with the limits of all', async () => {
  const port = Number(await startBridge());
  const backend = new Backend({
    db: await emptyBus(),
    session: 'b',
    bridge: { port },
    callsPerMinute: 2,
    log: pino({ level: 'silent' }),
  });
  onTestFinished(() => backend.close());
  const http = createServer(async (request, response) => {
    const transport = new StreamableHTTPServerTransport({});
    await createMcpServer(backend).connect(transport as never);
    await transport.handleRequest(request, response);
  }).listen(0, '127.0.0.1');
  await once(http, 'listening');
  onTestFinished(async () => {
    http.close();
    http.closeAllConnections();
    await once(http, 'close');
  });
  const { port: httpPort } = http.address() as { port: number };

  const ask = async (question: string) => {
    const client = new Client({ name: 'test', version: '1' }, { capabilities: {} });
    const url = new URL(`http://127.0.0.1:${httpPort}/mcp`);
    await client.connect(new StreamableHTTPClientTransport(url) as never);
    const told: string[] = [];
    const result = await client.callTool({ name: 'ask', arguments: { question } }, undefined, {
      onprogress: ({ message = '' }) => told.push(message),
    });
    await client.close();
    return { ...toResult(result), told };
  };
  const first = await ask('!fake delay=300 deltas=3 One?');
  expect(first).toMatchObject({ isError: false, data: { answer: 'fake: One?' } });
  expect(first.told.length).toBeGreaterThan(0);
  expect((await ask('Two?')).isError).toBe(false);
  expect((await ask('Three?')).code).toBe('rate_limited');
});
