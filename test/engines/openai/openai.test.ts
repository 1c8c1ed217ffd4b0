import { expect, test, vi } from 'vitest';
import type { ApiEngineOptions } from '../../../src/engines/api/index.js';
import { createOpenAiEngine, type OpenAiOptions } from '../../../src/engines/openai/index.js';
import { atEnd, startServer, streamEvents } from '../api/support.js';
import { ask, engineAt, fakeModel, MODEL, testLog } from '../api/world.js';

async function open(url: string, options: Partial<OpenAiOptions> = {}) {
  const create = (usual: ApiEngineOptions) => createOpenAiEngine({ ...usual, ...options });
  const { open } = await engineAt(`${url}/v1`, create);
  return { open, session: await open() };
}

const chunk = (data: object) => `data: ${JSON.stringify(data)}\n\n`;

test('Ollama is told to keep the model as soon as a session opens', async () => {
  const server = await startServer(({ url }, response) => {
    response.end(url === '/api/version' ? '{"version":"0.12.0"}' : '{}');
  });
  await open(server.url);
  await server.until(() => server.received.length === 2);
  expect(server.received.map(({ method, url }) => `${method} ${url}`)).toEqual([
    'GET /api/version',
    'POST /api/generate',
  ]);
  expect(JSON.parse(server.received[1]?.body ?? '')).toEqual({
    model: MODEL,
    keep_alive: '24h',
    stream: false,
  });
});

test('a model that Ollama cannot load is logged, and no session waits for it', async () => {
  let load: (() => void) | undefined;
  const server = await startServer(({ url }, response) => {
    if (url === '/api/version') response.end('{"version":"0.12.0"}');
    else load = () => response.writeHead(404).end('{"error":"model not found"}');
  });
  const logged: string[] = [];
  const warned = new Promise<void>((resolve) => {
    const { log } = testLog((line) => {
      logged.push(line);
      if (line.includes('does not load')) resolve();
    });
    void open(server.url, { log });
  });
  await server.until(() => server.received.length === 2);
  load?.();
  await warned;
  expect(logged.join('')).toContain('404');
});

test('a server that is not Ollama is asked once for all sessions, and never to load a model', async () => {
  const server = await startServer((_, response) => response.writeHead(404).end('{}'));
  const { open: another } = await open(server.url);
  await another();
  expect(server.received.map(({ url }) => url)).toEqual([
    '/api/version',
    `/v1/models/${MODEL}`,
    `/v1/models/${MODEL}`,
  ]);
});

test('tokens read from a cache are told apart from those that were not', async () => {
  const fake = await fakeModel();
  const { session } = await open(fake.url, { ollama: false });
  const first = await ask(session, 'The same?');
  await session.reset();
  const second = await ask(session, 'The same?');
  const total = first.usage?.input_tokens ?? 0;
  expect(first.usage).not.toHaveProperty('cache_read_input_tokens');
  const read = second.usage?.cache_read_input_tokens ?? 0;
  expect(read).toBeGreaterThan(0);
  expect((second.usage?.input_tokens ?? 0) + read).toBe(total);
});

test.each([
  ['stop=max_tokens', 'max_tokens'],
  ['stop=refusal', 'refusal'],
])('an answer that ended by %s says so', async (words, stopReason) => {
  const fake = await fakeModel();
  const { session } = await open(fake.url, { ollama: false });
  await expect(ask(session, `[[fake: ${words}]] Hello?`)).resolves.toMatchObject({ stopReason });
});

test('thoughts are signs of life and no part of the answer', async () => {
  const server = await startServer(({ method }, response) => {
    if (method === 'GET') return response.end('{}');
    const choice = (delta: object, finish_reason: string | null = null) =>
      chunk({ choices: [{ index: 0, delta, finish_reason }] });
    streamEvents(response, [
      choice({ reasoning_content: 'Hm.' }),
      choice({ reasoning: 'Hm!' }),
      choice({ content: 'Yes.' }),
      choice({}, 'stop'),
    ]);
    return response.end();
  });
  const { session } = await open(server.url, { ollama: false });
  await expect(ask(session, 'Well?')).resolves.toMatchObject({ answer: 'Yes.' });
});

test('counts that make no sense are none', async () => {
  const server = await startServer(({ method }, response) => {
    if (method === 'GET') return response.end('{}');
    streamEvents(response, [
      chunk({ choices: [{ delta: { content: 'Yes.' }, finish_reason: 'stop' }] }),
      chunk({ choices: [], usage: { prompt_tokens: -5, completion_tokens: 'many' } }),
    ]);
    return response.end();
  });
  const { session } = await open(server.url, { ollama: false });
  const { usage } = await ask(session, 'Well?');
  expect(usage).toEqual({ input_tokens: 0, output_tokens: 0 });
});

test('the most tokens of an answer are told only when they are set', async () => {
  const fake = await fakeModel();
  await ask((await open(fake.url)).session, 'One?');
  await ask((await open(fake.url, { maxOutputTokens: 77 })).session, 'Two?');
  expect(fake.requests.map(({ body }) => (body as { max_tokens?: number }).max_tokens)).toEqual([
    undefined,
    77,
  ]);
});

test('keys, addresses and organisations of the environment are not used', async () => {
  const other = await fakeModel();
  const set = {
    OPENAI_API_KEY: 'from-the-environment',
    OPENAI_BASE_URL: `${other.url}/v1`,
    OPENAI_ORG_ID: 'org-of-the-environment',
    OPENAI_PROJECT_ID: 'project-of-the-environment',
  };
  for (const [name, value] of Object.entries(set)) vi.stubEnv(name, value);
  atEnd(() => vi.unstubAllEnvs());
  const server = await startServer((_, response) => response.writeHead(400).end('{}'));
  const { session } = await open(server.url, { key: undefined });
  await expect(ask(session, 'Hello?')).rejects.toMatchObject({ code: 'bad_request' });
  const sent = JSON.stringify(server.received.map(({ headers }) => headers));
  expect(sent).not.toContain('environment');
  expect(other.connections).toBe(0);
});
