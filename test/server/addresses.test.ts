import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer as createNetServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ConfigError } from '../../src/errors.js';
import { serve, Wire } from './support.js';

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), 'warmline-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

async function refusal(options: Parameters<typeof serve>[1]): Promise<string> {
  const thrown = await serve(undefined, options).then(
    () => undefined,
    (error) => error,
  );
  expect(thrown).toBeInstanceOf(ConfigError);
  expect(thrown.message).not.toContain('\n');
  return thrown.message;
}

describe('the address', () => {
  test('is told as it really is when the port was left open', async () => {
    const { address } = await serve(undefined, { host: 'localhost' });
    expect(address.port).toBeGreaterThan(0);
    expect(['127.0.0.1', '::1']).toContain(address.host);
  });

  test('that is taken is refused with the next step', async () => {
    const { address } = await serve();
    const message = await refusal({ port: address.port });
    expect(message).toContain(`127.0.0.1:${address.port} is already in use`);
    expect(message).toContain('--port');
  });

  test('that is not of this machine, or has no meaning, is refused', async () => {
    expect(await refusal({ host: '192.0.2.1', token: 't' })).toContain('not an address of this');
    expect(await refusal({ host: '' })).toContain('no address');
    expect(await refusal({ host: 'no-such-host.invalid' })).toContain('no address');
  });

  test('that other machines can reach wants a token', async () => {
    expect(await refusal({ host: '0.0.0.0' })).toContain('--token-file');
    expect(await refusal({ host: '::' })).toContain('--token-file');
    const { address } = await serve(undefined, { host: '0.0.0.0', token: 'secret' });
    expect(address.host).toBe('0.0.0.0');
  });

  test('with an empty token is refused', async () => {
    expect(await refusal({ token: ' \n' })).toContain('token is empty');
  });
});

describe('the Unix socket', () => {
  test('is open to its owner only, speaks the protocol, and is removed at close', async () => {
    const socketPath = join(directory(), 'w.sock');
    const { server } = await serve(undefined, { socketPath });
    expect(statSync(socketPath).mode & 0o777).toBe(0o600);
    const wire = await Wire.open(socketPath);
    wire.send('ping');
    expect(await wire.line()).toEqual({ type: 'pong' });
    await server.close();
    expect(existsSync(socketPath)).toBe(false);
  });

  test('that a killed server left behind is replaced', async () => {
    const socketPath = join(directory(), 'w.sock');
    const leave = `require('net').createServer().listen(${JSON.stringify(socketPath)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', leave]);
    expect(statSync(socketPath).isSocket()).toBe(true);
    await serve(undefined, { socketPath });
    const wire = await Wire.open(socketPath);
    wire.send('ping');
    expect(await wire.line()).toEqual({ type: 'pong' });
  });

  test('that somebody answers on is left alone', async () => {
    const socketPath = join(directory(), 'w.sock');
    const other = createNetServer((socket) => {
      socket.on('error', () => undefined);
      socket.end('mine\n');
    });
    await new Promise<void>((listening) => other.listen(socketPath, listening));
    onTestFinished(() => void other.close());
    expect(await refusal({ socketPath })).toContain('already in use');
    const wire = await Wire.open(socketPath);
    expect(await wire.text()).toBe('mine');
  });

  test('does not overwrite a file that is something else', async () => {
    const socketPath = join(directory(), 'notes.txt');
    writeFileSync(socketPath, 'precious');
    chmodSync(socketPath, 0o600);
    expect(await refusal({ socketPath })).toContain('not a socket');
    expect(statSync(socketPath).isFile()).toBe(true);
  });

  test('in a directory that does not exist is refused, and the port is free again', async () => {
    const socketPath = join(directory(), 'missing', 'w.sock');
    const free = createNetServer();
    const port = await new Promise<number>((resolve) =>
      free.listen(0, '127.0.0.1', () => resolve((free.address() as { port: number }).port)),
    );
    await new Promise((closed) => free.close(closed));
    expect(await refusal({ port, socketPath })).toContain('its directory must exist');
    expect((await serve(undefined, { port })).address.port).toBe(port);
  });
});
