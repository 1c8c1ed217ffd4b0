import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { loadSettings } from '../../src/config/index.js';
import { createLogger } from '../../src/log.js';
import { startServer } from '../../src/serve.js';
import { TempBus } from '../support/temp-bus.js';

async function takenPort(): Promise<number> {
  const holder = createServer();
  holder.listen(0, '127.0.0.1');
  await once(holder, 'listening');
  onTestFinished(() => void holder.close());
  return (holder.address() as AddressInfo).port;
}

async function settingsWith(flags: Record<string, unknown>) {
  const { dir: cwd, file: db } = new TempBus();
  return loadSettings({ flags: { port: 0, db, ...flags }, env: {}, cwd });
}

test('the HTTP port is the usual one until a flag, a variable or the file asks for one', async () => {
  const cwd = new TempBus().dir;
  const usual = async (flags: object, env: Record<string, string>, text = '') =>
    (await loadSettings({ flags: { ...flags }, env, cwd, text })).http.isPortUsual;
  expect(await usual({}, {})).toBe(true);
  expect(await usual({ httpPort: 3010 }, {})).toBe(false);
  expect(await usual({}, { WARMLINE_HTTP_PORT: '3010' })).toBe(false);
  expect(await usual({}, {}, 'http_port = 3010')).toBe(false);
});

test('a bridge whose usual HTTP port is taken starts without the door', async () => {
  const settings = await settingsWith({});
  const http = { ...settings.http, httpPort: await takenPort() };
  const log = createLogger({ level: 'silent' });
  // Nobody waits for the port: it is not let go of.
  const server = await startServer({ ...settings, http }, log, AbortSignal.abort());
  onTestFinished(() => server.stop(0));
  expect(server.address.port).toBeGreaterThan(0);
  expect(server.httpPort).toBeUndefined();
});

test('a bridge whose HTTP port was asked for does not start without it', async () => {
  const httpPort = await takenPort();
  const settings = await settingsWith({ httpPort });
  const log = createLogger({ level: 'silent' });
  await expect(startServer(settings, log, AbortSignal.abort())).rejects.toThrow(
    `127.0.0.1:${httpPort} is already in use`,
  );
});
