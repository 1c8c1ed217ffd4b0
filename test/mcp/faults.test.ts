import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import { connect } from '../../clients/socket/index.js';
import { CLI, run, tempDir } from '../e2e/warmline.js';
import { isAlive } from '../support/process.js';
import { converse, emptyBus, startBridge, startMcp, until } from './client.js';

test('a bridge that is down is named with the next step, and the server goes on', async () => {
  const mcp = await startMcp('--db', await emptyBus(), '--port', '1');
  const { code, text } = await mcp.call('ask', { question: 'Anybody?' });
  expect(code).toBe('unreachable');
  expect(text).toContain('warmline serve');
  expect((await mcp.call('status')).isError).toBe(false);
});

test('a bridge that goes away in the midst of an answer ends the call, and a new one is asked', async () => {
  const bridge = spawn(process.execPath, [
    CLI,
    'serve',
    '--port',
    '0',
    '--engine',
    'fake',
    '--http-port',
    'off',
  ]);
  onTestFinished(() => void bridge.kill('SIGKILL'));
  const [line] = await once(bridge.stdout, 'data');
  const { port } = JSON.parse(String(line).split('\n')[0] ?? '');
  const mcp = await startMcp('--db', await emptyBus(), '--port', String(port));
  const asked = mcp.call('ask', { question: '!fake silent' });
  const watcher = await connect({ port, reconnect: false });
  await until(async () => JSON.stringify(await watcher.health()).includes('"busy":1'));
  await watcher.close();
  bridge.kill('SIGKILL');
  expect((await asked).code).toBe('connection_lost');
  expect((await mcp.call('ask', { question: 'Again?' })).code).toBe('unreachable');
});

test('the code of the bridge is the code of the error', async () => {
  const mcp = await startMcp('--db', await emptyBus(), '--port', await startBridge());
  const missing = await mcp.call('ask', { question: 'What?', context_file: 'no-such-file.md' });
  expect(missing.code).toBe('context_missing');
  const late = await mcp.call('ask', { question: '!fake silent', timeout_ms: 50 });
  expect(late.code).toBe('timeout');
  const limit = await mcp.call('ask', { question: '!fake error=engine_limit retry_after_ms=5000' });
  expect(limit.data.error).toMatchObject({
    code: 'engine_limit',
    retry_after_ms: expect.any(Number),
  });
});

test('a bus that is missing is named, and used as soon as it is there', async () => {
  const db = await emptyBus();
  const away = `${db}.away`;
  for (const end of ['', '-wal', '-shm']) rename(db + end, away + end);
  const mcp = await startMcp('--db', db);
  const roles = { my_role: 'one', partner_role: 'other' };
  const { code, text } = await mcp.call('create_conversation', roles);
  expect(code).toBe('bus_missing');
  expect(text).toContain('--create');
  for (const end of ['', '-wal', '-shm']) rename(away + end, db + end);
  expect((await mcp.call('create_conversation', roles)).isError).toBe(false);
  // It goes away while it is in use, too.
  for (const end of ['', '-wal', '-shm']) rename(db + end, away + end);
  expect((await mcp.call('create_conversation', roles)).code).toBe('bus_missing');
  expect((await mcp.call('create_conversation', roles)).code).toBe('bus_missing');
  for (const end of ['', '-wal', '-shm']) rename(away + end, db + end);
  expect((await mcp.call('create_conversation', roles)).isError).toBe(false);
});

test('with --create a bus is made, once', async () => {
  const db = join(tempDir(), 'new.db');
  const mcp = await startMcp('--db', db, '--create');
  const { a } = await converse(mcp);
  expect((await mcp.call('check_messages', a)).isError).toBe(false);
  // One that was there and is gone is not made anew: somebody may bring it back.
  for (const end of ['', '-wal', '-shm']) rename(db + end, `${db}.away${end}`);
  expect((await mcp.call('check_messages', a)).code).toBe('bus_missing');
  expect((await mcp.call('check_messages', a)).code).toBe('bus_missing');
});

test('while another program holds the lock for long, a call fails and nothing is written later', async () => {
  const db = await emptyBus();
  const mcp = await startMcp('--db', db);
  const { a, b } = await converse(mcp);
  const other = new Database(db);
  onTestFinished(() => void other.close());
  other.exec('BEGIN IMMEDIATE');
  const sent = await mcp.call('send_to_partner', { ...a, message: 'Now or never' });
  expect(sent.code).toBe('bus_busy');
  expect(sent.text).toContain('nothing was changed');
  other.exec('COMMIT');
  // Behind whatever still waits to be written.
  await mcp.call('update_my_status', { ...b, status: 'waiting' });
  expect((await mcp.call('check_messages', b)).data.messages).toEqual([]);
});

test('a call that is cancelled while it waits for the lock writes nothing', async () => {
  const db = await emptyBus();
  const mcp = await startMcp('--db', db);
  const { a, b } = await converse(mcp);
  const other = new Database(db);
  onTestFinished(() => void other.close());
  other.exec('BEGIN IMMEDIATE');
  const stop = new AbortController();
  const sent = mcp.call(
    'send_to_partner',
    { ...a, message: 'Never mind' },
    { signal: stop.signal },
  );
  // Answered after it, on the same connection: by then the call waits.
  await mcp.client.ping();
  stop.abort('never mind');
  await expect(sent).rejects.toThrow('never mind');
  await mcp.client.ping();
  other.exec('COMMIT');
  await mcp.call('update_my_status', { ...b, status: 'waiting' });
  expect((await mcp.call('check_messages', b)).data.messages).toEqual([]);
});

test('standard output carries the protocol alone, whatever is sent', async () => {
  const child = startRaw(await emptyBus());
  const token = 'f'.repeat(64);
  child.stdin.write(`not JSON ${token}\n{"jsonrpc":"2.0"}\n\n[]\nnull\n`);
  child.stdin.write(`{"jsonrpc":"2.0","method":"x","id":{},"params":{"token":"${token}"}}\n`);
  child.stdin.write(`${INITIALIZE}\n{"jsonrpc":"2.0","id":2,"method":"no/such"}\n`);
  const lines = await child.lines(2);
  const replies = lines.map((line) => JSON.parse(line));
  expect(replies.sort((one, other) => one.id - other.id)).toMatchObject([
    { jsonrpc: '2.0', id: 1, result: { serverInfo: { name: 'warmline' } } },
    { jsonrpc: '2.0', id: 2, error: { code: -32601 } },
  ]);
  child.stdin.end();
  const { code, stderr } = await child.ended;
  expect(code).toBe(0);
  expect(stderr).toContain('a message that makes no sense');
  expect(stderr).not.toContain(token);
});

test('the process ends with its client, and takes the turn along', async () => {
  const port = await startBridge();
  const child = startRaw(await emptyBus(), '--port', port);
  child.stdin.write(`${INITIALIZE}\n`);
  const params = { name: 'ask', arguments: { question: '!fake silent' } };
  child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'tools/call', params })}\n`);
  const watcher = await connect({ port: Number(port), reconnect: false });
  onTestFinished(() => watcher.close());
  const isBusy = async () => JSON.stringify(await watcher.health()).includes('"busy":1');
  await until(isBusy);
  child.stdin.end();
  expect((await child.ended).code).toBe(0);
  expect(isAlive(child.pid)).toBe(false);
  await until(async () => !(await isBusy()));
});

test('a client that is killed leaves no server behind', async () => {
  const db = await emptyBus();
  const keeper = `
    const { spawn } = require('node:child_process');
    const child = spawn(process.execPath, ${JSON.stringify([CLI, 'mcp', '--db', db])});
    child.stdin.write(${JSON.stringify(`${INITIALIZE}\n`)});
    child.stdout.once('data', () => console.log(child.pid));`;
  const client = spawn(process.execPath, ['-e', keeper], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void client.kill('SIGKILL'));
  const [pid] = await once(client.stdout, 'data');
  expect(isAlive(Number(pid))).toBe(true);
  client.kill('SIGKILL');
  await until(async () => !isAlive(Number(pid)));
});

test('a signal ends it as well, with 0', async () => {
  const child = startRaw(await emptyBus());
  child.stdin.write(`${INITIALIZE}\n`);
  await child.lines(1);
  process.kill(child.pid, 'SIGTERM');
  expect((await child.ended).code).toBe(0);
});

test('a line without end ends the connection, not the memory', async () => {
  const child = startRaw(await emptyBus());
  child.stdin.on('error', () => undefined);
  child.stdin.write(`${INITIALIZE}\n`);
  await child.lines(1);
  child.stdin.write('x'.repeat(9 * 1024 * 1024));
  const { code, stderr } = await child.ended;
  expect(code).toBe(0);
  expect(stderr).toContain('exceeded maximum size');
});

test('without a bus it is configured wrongly', async () => {
  const { code, stderr, stdout } = await run(process.execPath, CLI, 'mcp');
  expect(code).toBe(78);
  expect(stderr).toContain('--db FILE');
  expect(stdout).toBe('');
});

const INITIALIZE = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'raw', version: '1' },
  },
});

/** The server without a client, for what a client would not send. */
function startRaw(db: string, ...words: string[]) {
  const child = spawn(process.execPath, [CLI, 'mcp', '--db', db, ...words]);
  onTestFinished(() => void child.kill('SIGKILL'));
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += String(chunk);
  });
  child.stderr.on('data', (chunk) => {
    stderr += String(chunk);
  });
  const ended = once(child, 'close').then(([code]) => ({ code: code as number, stdout, stderr }));
  async function lines(count: number): Promise<string[]> {
    await until(async () => stdout.split('\n').length > count);
    return stdout.trimEnd().split('\n');
  }
  return { stdin: child.stdin, pid: child.pid ?? 0, ended, lines };
}

function rename(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
