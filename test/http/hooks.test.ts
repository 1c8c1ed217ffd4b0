/** Web hooks: each end of a task told, signed, tried again, and gone on with after a restart. */
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openSqliteBus } from '../../src/bus/index.js';
import { signature } from '../../src/http/push/delivery.js';
import { start, warmline } from '../support/process.js';
import { call, documents, ended, reaches, startServe, startTask } from './support.js';

const SECRET = 'a-long-random-secret-41c9-0e77';

interface Delivery {
  readonly id: number;
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly path: string;
  readonly isSigned: boolean;
}

class Receiver {
  readonly taken: Delivery[] = [];
  attempts = 0;
  url = '';
  #heard: (() => void)[] = [];

  /** @param answer the status of each attempt; 0: none at all */
  static async start(answer: (attempt: number) => number, port = 0): Promise<Receiver> {
    const receiver = new Receiver();
    const server = createServer(async (request, reply) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      const signed = String(request.headers['warmline-signature']);
      const [, seconds = '', hex = ''] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(signed) ?? [];
      const due = createHmac('sha256', SECRET).update(`${seconds}.${body}`).digest('hex');
      receiver.attempts += 1;
      const status = answer(receiver.attempts);
      if (status >= 200 && status < 300) {
        const isSigned = hex === due && Math.abs(Number(seconds) - Date.now() / 1000) < 60;
        receiver.taken.push({ ...JSON.parse(body), path: request.url ?? '', isSigned });
      }
      for (const heard of receiver.#heard.splice(0)) heard();
      if (status > 0) reply.writeHead(status, { location: '/elsewhere' }).end('x');
    });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    receiver.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return receiver;
  }

  async until(isEnough: () => boolean): Promise<void> {
    while (!isEnough()) await new Promise<void>((resolve) => this.#heard.push(resolve));
  }
}

async function place(...urls: string[]) {
  const dir = documents();
  const db = join(dir, 'bus.db');
  await openSqliteBus({ file: db, create: true }).close();
  const secret = join(dir, 'secret');
  writeFileSync(secret, SECRET, { mode: 0o600 });
  const hooks = urls.flatMap((url) => ['--http-hook', url]);
  const words = ['--db', db, '--engine', 'fake', '--http-hook-secret-file', secret, ...hooks];
  const server = await startServe(dir, ...words);
  const { port } = (await server.program.ready()) as { port: number };
  start(['autopoll', '--db', db, '--port', String(port), '--drain-ms', '500'], {
    cwd: dir,
    env: { HOME: dir },
  });
  return { server, again: () => startServe(dir, ...words, '--port', String(port)) };
}

test('the end of each task is told, signed, to each hook, in order', async () => {
  const one = await Receiver.start(() => 200);
  const two = await Receiver.start(() => 204);
  const { server } = await place(`${one.url}/hook?a=1`, two.url);
  const answered = await startTask(server, 'hooked?');
  await ended(server, answered);
  const cancelled = await startTask(server, '!fake silent');
  await reaches(server, cancelled, 'running');
  await call(`${server.url}/v1/polling/cancel/${cancelled}`, { method: 'POST' });
  for (const receiver of [one, two]) {
    await receiver.until(() => receiver.taken.length === 2);
    expect(receiver.taken.map(({ type, data }) => [type, data.task_id])).toEqual([
      ['task.completed', answered],
      ['task.cancelled', cancelled],
    ]);
    expect(receiver.taken.every(({ isSigned, id, data }) => isSigned && id === data.seq)).toBe(
      true,
    );
  }
  expect(one.taken[0]?.path).toBe('/hook?a=1');
});

test('a failed delivery is made again; one that is refused is not, nor does it follow a redirect', async () => {
  const failing = await Receiver.start((attempt) => (attempt === 1 ? 503 : 200));
  const refusing = await Receiver.start((attempt) => (attempt === 1 ? 302 : 200));
  const { server } = await place(failing.url, refusing.url);
  const first = await startTask(server, 'first');
  await failing.until(() => failing.taken.length === 1);
  expect(failing.taken[0]?.data.task_id).toBe(first);
  const second = await startTask(server, 'second');
  await refusing.until(() => refusing.taken.length === 1);
  expect(refusing.taken[0]).toMatchObject({ path: '/', data: { task_id: second } });
  expect(refusing.attempts).toBe(2);
});

test('a receiver that does not answer delays no other', async () => {
  const dead = await Receiver.start(() => 0);
  const lively = await Receiver.start(() => 200);
  const { server } = await place(dead.url, lively.url);
  for (let n = 0; n < 5; n += 1) await ended(server, await startTask(server, `number ${n}`));
  await lively.until(() => lively.taken.length === 5);
  expect(dead.taken).toEqual([]);
});

test('what nobody took before kill -9 is told after the restart', async () => {
  let isUp = false;
  const receiver = await Receiver.start((attempt) => (isUp || attempt === 1 ? 200 : 500));
  const { server, again } = await place(receiver.url);
  const told = await startTask(server, 'told');
  await receiver.until(() => receiver.taken.length === 1);
  const missed = [await startTask(server, 'one'), await startTask(server, 'two')];
  for (const id of missed) await ended(server, id);
  await receiver.until(() => receiver.attempts > 1);
  await server.program.kill('SIGKILL');
  isUp = true;
  await again();
  await receiver.until(() => new Set(receiver.taken.map(({ id }) => id)).size === 3);
  const ids = receiver.taken.map(({ data }) => data.task_id);
  expect([...new Set(ids)]).toEqual([told, ...missed]);
  expect(receiver.taken.every(({ type }) => type === 'task.completed')).toBe(true);
});

test('hooks are for addresses that keep what they are told, and need a secret', async () => {
  const dir = documents();
  const words = ['serve', '--port', '0', '--http-port', '0', '--engine', 'fake'];
  for (const url of ['http://example.org/', 'https://me:word@example.org/', 'ftp://localhost/']) {
    const { code } = await warmline([...words, '--http-hook', url], { cwd: dir });
    expect(code, url).not.toBe(0);
  }
  const { code, stderr } = await warmline([...words, '--http-hook', 'https://example.org/'], {
    cwd: dir,
  });
  expect(code).toBe(78);
  expect(stderr).toContain('--http-hook-secret-file');
});

test('a signature is the one that was documented', () => {
  expect(signature('key', 1795263652, '{}')).toBe(
    `t=1795263652,v1=${createHmac('sha256', 'key').update('1795263652.{}').digest('hex')}`,
  );
});
