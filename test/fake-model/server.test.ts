import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ConfigError } from '../../src/errors.js';
import { type FakeModel, startFakeModel, WordError } from '../../src/fake-model/index.js';
import { failure } from './failure.js';

let model: FakeModel;

beforeEach(async () => {
  model = await startFakeModel();
});

afterEach(() => model.close());

function post(path: string, body: unknown, headers: Record<string, string> = {}, to = model) {
  return fetch(to.url + path, {
    method: 'POST',
    headers,
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

function ask(content: unknown, more: Record<string, unknown> = {}, to = model): Promise<Response> {
  const messages = [{ role: 'user', content }];
  return post('/v1/messages', { model: 'm', max_tokens: 1, messages, ...more }, {}, to);
}

async function answer(response: Response): Promise<string> {
  const { content } = (await response.json()) as { content: { text: string }[] };
  return content.map(({ text }) => text).join('');
}

test('what reached it can be looked at, without the secrets', async () => {
  const headers = {
    'x-api-key': 'sk-ant-secret',
    authorization: 'Bearer secret',
    cookie: 'session=secret',
    'x-other': 'seen',
  };
  const messages = [
    { role: 'user', content: 'first' },
    { role: 'assistant', content: [{ type: 'text', text: 'second' }] },
    {
      role: 'user',
      content: [
        { type: 'tool_result', tool_use_id: 't', content: [{ type: 'text', text: 'third' }] },
        { type: 'text', text: 'fourth [[fake: text=done]]' },
      ],
    },
  ];
  const system = [{ type: 'text', text: 'Be brief.' }];
  const body = { model: 'm', max_tokens: 1, system, messages };
  expect(await answer(await post('/v1/messages?beta=true', body, headers))).toBe('done');
  const received = await model.waitForRequest(({ ended }) => ended);
  expect(received).toMatchObject({
    id: 1,
    api: 'anthropic',
    method: 'POST',
    path: '/v1/messages?beta=true',
    body,
    model: 'm',
    stream: false,
    system: 'Be brief.',
    messages: [
      { role: 'user', text: 'first' },
      { role: 'assistant', text: 'second' },
      { role: 'user', text: 'third\nfourth [[fake: text=done]]' },
    ],
    question: 'fourth',
    status: 200,
    aborted: false,
  });
  expect(received.headers).toMatchObject({ 'x-api-key': '[masked]', 'x-other': 'seen' });
  expect(JSON.stringify(received)).not.toContain('secret');
});

test('only the last message of the user tells it what to do', async () => {
  const messages = [
    { role: 'user', content: '[[fake: 401]]' },
    { role: 'assistant', content: '[[fake: 402]]' },
    { role: 'user', content: 'Is it warm?' },
  ];
  const system = '[[fake: 403]]';
  const response = await post('/v1/messages', { model: 'm', max_tokens: 1, system, messages });
  expect(response.status).toBe(200);
});

test('words that make no sense are answered with those that do', async () => {
  const response = await ask('[[fake: stal]]');
  expect(response.status).toBe(400);
  expect(await response.text()).toMatch(/stal.*stall/);
});

test('an echo is the request as it was received', async () => {
  const text = await answer(await ask('canary [[fake: echo]]', { system: 'kept secret' }));
  expect(JSON.parse(text)).toEqual({
    model: 'm',
    max_tokens: 1,
    messages: [{ role: 'user', content: 'canary [[fake: echo]]' }],
    system: 'kept secret',
  });
});

test('a source is cited after the text', async () => {
  const question = 'Where? [[fake: cite=FILE.md:3-5 text=There.]]';
  expect(await answer(await ask(question))).toBe('There. (FILE.md:3-5)');
  expect(await answer(await ask('Where? [[fake: cite=FILE.md:3-5]]'))).toBe(
    'The fake model heard: Where? (FILE.md:3-5)',
  );
});

test.each([false, true])(
  'a huge answer has the size it should have (streamed: %s)',
  async (stream) => {
    const body = await (await ask('[[fake: huge=5000000]]', { stream })).text();
    const letters = body.match(/(?:filling )/g)?.length ?? 0;
    expect(letters).toBeGreaterThan(5_000_000 / 8 - 200);
    expect(letters).toBeLessThanOrEqual(5_000_000 / 8);
  },
);

test('a gap and pieces shape a stream', async () => {
  const body = await (await ask('[[fake: gap=1 deltas=7]]', { stream: true })).text();
  expect(body.match(/event: content_block_delta/g)).toHaveLength(7);
});

test('half an answer that is not streamed is cut off', async () => {
  const response = await ask('[[fake: half]]');
  expect(response.status).toBe(200);
  await failure(response.text());
});

test('what is said for the next requests is done once each, in turn', async () => {
  model.next('529', 2);
  model.next({ status: 503 });
  const statuses = [];
  for (let asked = 0; asked < 4; asked += 1) statuses.push((await ask('?')).status);
  expect(statuses).toEqual([529, 529, 503, 200]);
  expect(() => model.next('stal')).toThrow(WordError);
});

test('the nearest word wins: of the message, of the next in line, of the script', async () => {
  const scripted = await startFakeModel({ delayMs: 1, script: 'text=of the script' });
  try {
    scripted.next('text=of the next', 2);
    expect(await answer(await ask('[[fake: text=of the message]]', {}, scripted))).toBe(
      'of the message',
    );
    expect(await answer(await ask('?', {}, scripted))).toBe('of the next');
    expect(await answer(await ask('?', {}, scripted))).toBe('of the script');
  } finally {
    await scripted.close();
  }
});

test('a script may look at the request', async () => {
  const scripted = await startFakeModel({
    script: ({ question }) => (question === 'fail' ? { status: 500 } : undefined),
  });
  try {
    expect((await ask('fail', {}, scripted)).status).toBe(500);
    expect((await ask('answer', {}, scripted)).status).toBe(200);
  } finally {
    await scripted.close();
  }
});

test('with a key, only those who bear it are answered', async () => {
  const locked = await startFakeModel({ apiKey: 'the-key' });
  try {
    const body = { model: 'm', max_tokens: 1, messages: [{ role: 'user', content: '?' }] };
    const statuses = [];
    for (const headers of [
      {},
      { 'x-api-key': 'other' },
      { 'x-api-key': 'the-key' },
      { authorization: 'Bearer the-key' },
    ] as Record<string, string>[]) {
      statuses.push((await post('/v1/messages', body, headers, locked)).status);
    }
    expect(statuses).toEqual([401, 401, 200, 200]);
  } finally {
    await locked.close();
  }
});

test('requests on a connection that is kept bear its number', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const path = '/v1/messages';
  const { host, port } = model;
  for (let asked = 0; asked < 2; asked += 1) {
    const asking = request({ host, port, path, agent, method: 'POST' }).end();
    const [response] = await once(asking, 'response');
    await once(response.resume(), 'end');
  }
  await (await ask('?')).text();
  expect(model.requests.map(({ connection }) => connection)).toEqual([1, 1, 2]);
  expect(model.connections).toBe(2);
  agent.destroy();
});

test('waiting for a request ends with its signal', async () => {
  const leaving = new AbortController();
  const waiting = failure(model.waitForRequest(() => false, { signal: leaving.signal }));
  leaving.abort(new Error('enough'));
  expect((await waiting).message).toBe('enough');
  await expect(model.waitForRequest(() => true, { signal: leaving.signal })).rejects.toThrow(
    'enough',
  );
});

test('waiting for a request fails as its predicate does', async () => {
  const waiting = failure(
    model.waitForRequest(() => {
      throw new Error('no such field');
    }),
  );
  await ask('?');
  expect((await waiting).message).toBe('no such field');
});

test('the newest thousand requests are kept', async () => {
  const big = 'x'.repeat(1000);
  for (let batch = 0; batch < 101; batch += 1) {
    await Promise.all(Array.from({ length: 10 }, async () => (await ask(big)).text()));
  }
  expect(model.requests).toHaveLength(1000);
  expect(model.requests[0]?.id).toBe(11);
});

test('another process can tell it what to do and see what it received', async () => {
  const queued = await post('/__fake/script', { words: 'status=429 reset=5', times: 1 });
  expect(queued.status).toBe(200);
  expect((await ask('canary')).status).toBe(429);
  await fetch(`${model.url}/v1/models`);
  const shown = (await (await fetch(`${model.url}/__fake/requests`)).json()) as Shown;
  expect(shown.requests).toMatchObject([{ api: 'anthropic', question: 'canary', status: 429 }]);
  expect(shown.requests[0]?.raw).toContain('canary');
  expect(shown.probes).toMatchObject([{ api: 'probe', path: '/v1/models' }]);
  await post('/__fake/script', { words: '529' });
  await fetch(`${model.url}/__fake/requests`, { method: 'DELETE' });
  expect(model.requests).toEqual([]);
  expect((await ask('?')).status).toBe(200);
});

interface Shown {
  readonly requests: readonly { readonly raw: string }[];
  readonly probes: readonly unknown[];
}

test.each([
  ['not JSON', '{'],
  ['no words', {}],
  ['unknown words', { words: 'stal' }],
  ['no number of times', { words: '529', times: 0 }],
])('a script with %s is refused', async (_what, body) => {
  expect((await post('/__fake/script', body)).status).toBe(400);
  expect((await ask('?')).status).toBe(200);
});

test('web pages cannot look at it or tell it what to do', async () => {
  const foreign = await fetch(`${model.url}/__fake/requests`, {
    headers: { origin: 'http://example.org' },
  });
  expect(foreign.status).toBe(403);
  expect(await raw('GET /__fake/requests HTTP/1.1\r\nHost: example.org\r\n\r\n')).toContain(
    ' 403 ',
  );
});

test.each(['HEAD', 'GET'])('%s of its root does no harm', async (method) => {
  expect((await fetch(model.url, { method })).status).toBe(200);
});

test.each([
  ['POST', '/api/event_logging/batch', 200],
  ['POST', '/api/generate', 200],
  ['GET', '/api/tags', 200],
  ['GET', '/v1/models/claude-test', 200],
  ['GET', '/nothing', 404],
  ['GET', '/v1/messages', 404],
  ['DELETE', '/v1/models', 404],
])('%s %s is answered with %d', async (method, path, status) => {
  const init = method === 'POST' ? { method, body: '{}' } : { method };
  expect((await fetch(model.url + path, init)).status).toBe(status);
  expect(model.requests).toEqual([]);
});

const DEEP = '['.repeat(100_000);

test.each([
  ['nothing', ''],
  ['no JSON', '{"model":'],
  ['another value', '[]'],
  ['no messages', { model: 'm', max_tokens: 1 }],
  ['no model', { max_tokens: 1, messages: [{ role: 'user', content: '?' }] }],
  ['no limit', { model: 'm', messages: [{ role: 'user', content: '?' }] }],
  ['messages of no kind', { model: 'm', max_tokens: 1, messages: [1, null, 'x'] }],
  ['nesting without end', DEEP],
])('a body with %s is refused', async (_what, body) => {
  const response = await post('/v1/messages', body);
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ error: { type: 'invalid_request_error' } });
});

test.each([
  ['content of no kind', { content: [1, null, { text: 5 }, { content: { deep: [] } }] }],
  ['a role of no kind', { role: {}, content: '?' }],
])('a message with %s is answered', async (_what, message) => {
  const messages = [message];
  const response = await post('/v1/messages', { model: 'm', max_tokens: 1, messages });
  expect(response.status).toBe(200);
});

test('depth that JSON can hold and cannot write harms nobody', async () => {
  const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
  const body = `{"model":"m","max_tokens":1,"tools":[{"a":${deep}}],"messages":[{"role":"user","content":"?"}]}`;
  await post('/v1/messages', body).catch(() => undefined);
  expect((await fetch(`${model.url}/__fake/requests`)).status).toBe(200);
  expect((await ask('?')).status).toBe(200);
});

test('a body beyond the bound is refused before it has all come', async () => {
  const response = await post('/v1/messages', 'x'.repeat(33 * 1024 * 1024)).catch(() => undefined);
  // A client that is still sending may see the connection end before it sees the response.
  if (response !== undefined) expect(response.status).toBe(413);
  expect(model.requests).toEqual([]);
  expect((await ask('?')).status).toBe(200);
});

test.each([
  'no HTTP at all\r\n\r\n',
  'GET // HTTP/1.1\r\nHost: x\r\n\r\n',
  'GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n',
  'CONNECT example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n',
  'POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n',
  'POST /v1/messages HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
  'GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
])('%j does no harm', async (bytes) => {
  await raw(bytes);
  expect((await ask('?')).status).toBe(200);
});

/** Sends bytes, ends, and gives what comes back. */
async function raw(bytes: string): Promise<string> {
  const socket = connect(model.port, model.host);
  let heard = '';
  socket.on('data', (chunk) => {
    heard += chunk;
  });
  socket.on('error', () => undefined);
  socket.end(bytes);
  await once(socket, 'close');
  return heard;
}

test('it ends although clients are waiting', async () => {
  const closing = await startFakeModel();
  const stalled = await ask('[[fake: stall]]', { stream: true }, closing);
  const silent = failure(ask('[[fake: silence]]', {}, closing));
  await closing.waitForRequest(({ id }) => id === 2);
  await closing.close();
  await failure(stalled.text());
  await silent;
});

test.each(['0.0.0.0', '::', '192.168.0.1', 'example.org', '', '127.evil.org'])(
  'it does not listen on %j',
  async (host) => {
    expect(await failure(startFakeModel({ host }))).toBeInstanceOf(ConfigError);
  },
);

test('a port that is taken is said', async () => {
  const error = await failure(startFakeModel({ port: model.port }));
  expect(error).toBeInstanceOf(ConfigError);
  expect(error.message).toContain(String(model.port));
});
