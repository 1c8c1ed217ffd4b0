import { expect, test, vi } from 'vitest';
import {
  type AnthropicOptions,
  createAnthropicEngine,
} from '../../../src/engines/anthropic/index.js';
import type { ApiEngineOptions } from '../../../src/engines/api/index.js';
import type { FakeModel } from '../../../src/fake-model/index.js';
import { atEnd, startServer, streamEvents } from '../api/support.js';
import { ask, contextOf, engineAt, fakeModel, NOTES } from '../api/world.js';

async function open(url: string, options: Partial<AnthropicOptions> = {}) {
  const create = (usual: ApiEngineOptions) => createAnthropicEngine({ ...usual, ...options });
  return (await engineAt(url, create)).open();
}

interface Body {
  readonly system: readonly { readonly text: string; readonly cache_control?: object }[];
  readonly messages: readonly {
    readonly content: readonly { readonly text: string; readonly cache_control?: object }[];
  }[];
  readonly max_tokens: number;
}

function marksOf(fake: FakeModel): (object | undefined)[][] {
  return fake.requests.map(({ body }) => {
    const { system, messages } = body as Body;
    return [...system, ...messages.flatMap(({ content }) => content)].map(
      ({ cache_control }) => cache_control,
    );
  });
}

const MARK = { type: 'ephemeral', ttl: '5m' };

test('the system prompt is marked for the cache, a fresh question is not', async () => {
  const fake = await fakeModel();
  const context = await contextOf(NOTES);
  const session = await open(fake.url);
  const first = await ask(session, 'Which port?', context);
  await session.reset();
  const second = await ask(session, 'Who owns it?', context);
  expect(marksOf(fake)).toEqual([
    [MARK, undefined],
    [MARK, undefined],
  ]);
  const written = first.usage?.cache_creation_input_tokens;
  expect(written).toBeGreaterThan(0);
  expect(second.usage).toMatchObject({
    cache_read_input_tokens: written,
    cache_creation_input_tokens: 0,
  });
});

test('a conversation is marked at its end from the second question on, and read from the cache', async () => {
  const fake = await fakeModel();
  const session = await open(fake.url, { cacheTtl: '1h' });
  const hour = { type: 'ephemeral', ttl: '1h' };
  await ask(session, 'One?');
  const second = await ask(session, 'Two?');
  const third = await ask(session, 'Three?');
  expect(marksOf(fake)).toEqual([
    [hour, undefined],
    [hour, hour, undefined, hour],
    [hour, undefined, undefined, hour, undefined, hour],
  ]);
  expect(third.usage?.cache_read_input_tokens).toBeGreaterThan(
    second.usage?.cache_read_input_tokens ?? 0,
  );
});

test.each([
  ['stop=max_tokens', 'max_tokens'],
  ['stop=refusal', 'refusal'],
])('an answer that ended by %s says so', async (words, stopReason) => {
  const session = await open((await fakeModel()).url);
  await expect(ask(session, `[[fake: ${words}]] Hello?`)).resolves.toMatchObject({ stopReason });
});

test('an answer without message_stop is not complete, whatever its stop reason', async () => {
  const server = await startServer((_, response) => {
    const event = (type: string, data: object) =>
      `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`;
    streamEvents(response, [
      event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'Yes.' } }),
      event('message_delta', { delta: { stop_reason: 'end_turn' }, usage: {} }),
    ]);
    response.end();
  });
  await expect(ask(await open(server.url), 'Well?')).rejects.toMatchObject({
    code: 'engine_error',
  });
});

test('the most tokens of an answer can be set', async () => {
  const fake = await fakeModel();
  await ask(await open(fake.url), 'One?');
  await ask(await open(fake.url, { maxOutputTokens: 77 }), 'Two?');
  expect(fake.requests.map(({ body }) => (body as Body).max_tokens)).toEqual([8_192, 77]);
});

test('the base URL may end with the version of the API', async () => {
  const fake = await fakeModel();
  await ask(await open(`${fake.url}/v1/`), 'Hello?');
  expect(fake.requests[0]?.path).toBe('/v1/messages');
});

test('keys, addresses and logins of the environment are not used', async () => {
  const other = await fakeModel();
  const set = {
    ANTHROPIC_API_KEY: 'from-the-environment',
    ANTHROPIC_AUTH_TOKEN: 'token-of-the-environment',
    ANTHROPIC_BASE_URL: other.url,
  };
  for (const [name, value] of Object.entries(set)) vi.stubEnv(name, value);
  atEnd(() => vi.unstubAllEnvs());
  const server = await startServer((_, response) => response.writeHead(400).end('{}'));
  const session = await open(server.url, { key: undefined });
  await expect(ask(session, 'Hello?')).rejects.toMatchObject({ code: 'bad_request' });
  const sent = JSON.stringify(server.received.map(({ headers }) => headers));
  expect(sent).not.toContain('environment');
  expect(other.connections).toBe(0);
});
