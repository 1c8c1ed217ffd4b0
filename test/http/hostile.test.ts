/** Input that nobody honest sends: refused with a code, and nobody else notices. */
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createBridge } from '../../src/bridge/index.js';
import { systemClock } from '../../src/clock.js';
import { createContextRoots } from '../../src/context/index.js';
import { FakeEngine } from '../../src/engines/fake/index.js';
import { createHttpDoor, type HttpDoor } from '../../src/http/index.js';
import { createLogger } from '../../src/log.js';
import { ask, call, chat, type Running } from './support.js';

const log = createLogger({ level: 'silent' });
const limits = { headersMs: 300, requestMs: 600, stallMs: 300, slowestBytesPerMs: 100_000 };
let bridge: ReturnType<typeof createBridge>;
let door: HttpDoor;
let server: Running;

beforeAll(async () => {
  const contexts = await createContextRoots({ roots: [import.meta.dirname], maxBytes: 1024 });
  const engine = new FakeEngine({ name: 'fake' });
  bridge = createBridge({ engines: [{ engine }], contexts, clock: systemClock, log });
  door = createHttpDoor(
    {
      ...{ host: '127.0.0.1', port: 0, tasksAtOnce: 5, maxTasks: 10, maxRequests: 3 },
      ...{
        names: [],
        origins: [],
        strictModels: false,
        timeouts: { settingMs: 300_000, bounds: { floorMs: 30_000, ceilingMs: 600_000 } },
        limits,
      },
    },
    bridge,
    log,
  );
  const port = await door.listen();
  server = { url: `http://127.0.0.1:${port}`, port } as Running;
});

afterAll(async () => {
  await door.close();
  await bridge.close();
});

/** Says the bytes, then whatever `more` gives, until the other side closes. */
function say(bytes: string, more?: () => string): Promise<string> {
  return new Promise((resolve) => {
    let heard = '';
    const socket = connect(server.port, '127.0.0.1', () => {
      socket.write(bytes);
      const timer = more && setInterval(() => socket.writable && socket.write(more()), 20);
      socket.on('close', () => {
        clearInterval(timer);
        resolve(heard);
      });
    });
    socket.on('data', (chunk) => {
      heard += chunk;
    });
    socket.on('error', () => undefined);
  });
}

const HEAD = () => `POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\n`;
const TYPE = 'Content-Type: application/json\r\n';

const ONE = '{"messages":[{"role":"user","content":"x"}]';

test.each([
  ['no JSON', '{"messages":', 'bad_json'],
  ['an empty body', '', 'bad_request'],
  ['a list', '[]', 'bad_request'],
  ['null', 'null', 'bad_request'],
  ['a NUL', '{"messages":\u0000[]}', 'bad_json'],
  ['a number for the messages', '{"messages":7}', 'bad_request'],
  ['no messages', '{}', 'bad_request'],
  ['a message that is none', '{"messages":[7]}', 'bad_request'],
  ['an unknown role', '{"messages":[{"role":"root","content":"x"}]}', 'bad_request'],
  ['a number for the text', '{"messages":[{"role":"user","content":7}]}', 'bad_request'],
  ['a picture', { content: [{ type: 'image_url', image_url: { url: 'x' } }] }, 'bad_request'],
  ['a time that never ends', `${ONE},"timeout":1e400}`, 'bad_request'],
  ['a time before now', { timeout: -1 }, 'bad_request'],
  ['a text for a switch', { stream: 'yes' }, 'bad_request'],
  ['a priority out of range', { priority: 1e9 }, 'bad_request'],
  ['two answers', { n: 2 }, 'bad_request'],
  ['a model without a name', { model: '' }, 'bad_request'],
  ['a prototype', `${ONE},"__proto__":{"a":1}}`, 'bad_json'],
  ['half a character', '{"messages":[{"role":"user","content":"\\ud800"}]}', undefined],
])('%s is refused by a code of its own, or harmless', async (_what, given, code) => {
  const body =
    typeof given === 'string'
      ? given
      : { messages: [{ role: 'user', content: 'x', ...given }], ...given };
  const reply = await chat(server, body);
  if (code === undefined) expect(reply.status).toBe(200);
  else expect(reply).toMatchObject({ status: 400, body: { error: { code } } });
});

test('the field that is wrong is named', async () => {
  const { body } = await chat(server, {
    messages: [{ role: 'user', content: 'x' }],
    timeout: 'soon',
  });
  expect(body).toMatchObject({ error: { param: 'timeout', type: 'invalid_request_error' } });
});

test('JSON a hundred thousand levels deep is refused or answered, and quickly', async () => {
  for (const deep of [`${'['.repeat(100_000)}${']'.repeat(100_000)}`, '{"a":'.repeat(100_000)]) {
    expect((await chat(server, deep)).status).toBe(400);
    const inside = `{"messages":[{"role":"user","content":"x"}],"x":${deep}}`;
    expect((await chat(server, inside)).status).toBeOneOf([200, 400]);
  }
});

test('a body over the limit, said or unsaid, is not read to its end', async () => {
  const long = JSON.stringify(ask('x'.repeat(2 * 1024 * 1024)));
  expect(await chat(server, long).catch(() => ({ status: 413 }))).toMatchObject({ status: 413 });
  const said = await say(`${HEAD()}${TYPE}Content-Length: 99999999\r\n\r\n{`);
  expect(said).toMatch(/^HTTP\/1.1 413[\s\S]*body_too_large/);
});

test('headers over the limit are refused', async () => {
  const heard = await say(`${HEAD()}X-Long: ${'x'.repeat(100_000)}\r\n\r\n`);
  expect(heard).toMatch(/^HTTP\/1.1 431[\s\S]*headers_too_large/);
});

test('a client that says a byte at a time is not waited for', async () => {
  expect(await say(HEAD(), () => 'X')).toMatch(/^HTTP\/1.1 408[\s\S]*too_slow/);
  const body = await say(`${HEAD()}${TYPE}Content-Length: 100000\r\n\r\n`, () => ' ');
  expect(body).toMatch(/^HTTP\/1.1 408|^$/);
});

test('two lengths, or a body hidden behind another, are refused', async () => {
  const both = `${HEAD()}${TYPE}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /`;
  expect(await say(both)).toMatch(/^HTTP\/1.1 400/);
  const two = `${HEAD()}${TYPE}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`;
  expect(await say(two)).toMatch(/^HTTP\/1.1 400/);
});

test('an address that is none, and a method that is none, say so', async () => {
  expect(await call(`${server.url}/v1/nothing`)).toMatchObject({
    status: 404,
    body: { error: { code: 'not_found' } },
  });
  expect(await call(`${server.url}/v1/models`, { method: 'DELETE' })).toMatchObject({
    status: 404,
  });
  expect((await call(`${server.url}/v1/polling/status/%00`)).status).toBe(404);
  const reply = await chat(server, ask('x'), { 'idempotency-key': 'k'.repeat(300) });
  expect(reply).toMatchObject({ status: 400, body: { error: { code: 'bad_request' } } });
});

test('an address that cannot be read is refused like any other request', async () => {
  expect(await call(`${server.url}/v1/polling/status/%ff`)).toMatchObject({
    status: 400,
    body: { error: { code: 'bad_request' } },
  });
  const id = 'x'.repeat(2000);
  expect(await call(`${server.url}/v1/polling/status/${id}`)).toMatchObject({
    status: 404,
    body: { detail: `Task ${id} not found` },
  });
});

test('without a bus a task is refused with what to do', async () => {
  const refused = await chat(server, ask('later', { polling_mode: true }));
  expect(refused).toMatchObject({ status: 503, body: { error: { code: 'no_bus' } } });
  expect((refused.body.error as { message: string }).message).toContain('--db');
  const { body } = await call(`${server.url}/health`);
  expect(body).toMatchObject({ status: 'healthy', polling_support: false, database_path: '' });
});

test('more requests than are held open are told to come back', async () => {
  const gone = new AbortController();
  const waiting = Array.from({ length: 3 }, () =>
    fetch(`${server.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(ask('!fake silent')),
      signal: gone.signal,
    }).catch(() => undefined),
  );
  for (;;) {
    const { status, headers } = await chat(server, ask('hello'));
    if (status !== 429) continue;
    expect(headers.get('retry-after')).toBe('1');
    break;
  }
  gone.abort();
  await Promise.all(waiting);
  for (;;) if ((await chat(server, ask('hello'))).status === 200) break;
});

test.each([
  ['stream', '!fake flood=4000000', { stream: true }],
  ['reply', '!fake size=4000000', {}],
])('a client that takes nothing of its %s is dropped', async (_what, question, more) => {
  const body = JSON.stringify(ask(question, more));
  const socket = connect(server.port, '127.0.0.1');
  socket.pause();
  const closed = new Promise<void>((resolve) => {
    socket.on('error', () => undefined).on('close', () => resolve());
  });
  const request = `${HEAD()}${TYPE}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
  // More than the buffers of the system hold.
  for (let n = 0; n < 3; n += 1) socket.write(request);
  // One that reads nothing learns of the end when it writes.
  const writing = setInterval(() => socket.write('\r\n'), 50);
  await closed;
  clearInterval(writing);
});
