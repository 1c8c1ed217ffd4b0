import OpenAI from 'openai';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type FakeModel, startFakeModel } from '../../src/fake-model/index.js';
import { failure } from './failure.js';

let model: FakeModel;
let client: OpenAI;

beforeEach(async () => {
  model = await startFakeModel();
  client = new OpenAI({
    baseURL: `${model.url}/v1`,
    apiKey: 'sk-test',
    maxRetries: 0,
    logLevel: 'off',
  });
});

afterEach(() => model.close());

const asking = (content: string) => ({
  model: 'gpt-test',
  messages: [{ role: 'user' as const, content }],
});

async function streamed(content: string): Promise<OpenAI.ChatCompletionChunk[]> {
  const stream = await client.chat.completions.create({ ...asking(content), stream: true });
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

function textOf(chunks: OpenAI.ChatCompletionChunk[]): string {
  return chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('');
}

function lastReason(chunks: OpenAI.ChatCompletionChunk[]): string | null | undefined {
  return chunks.at(-1)?.choices[0]?.finish_reason;
}

test('a question is answered whole', async () => {
  const { choices } = await client.chat.completions.create(asking('Is it warm?'));
  expect(choices[0]?.message.content).toBe('The fake model heard: Is it warm?');
  expect(choices[0]?.finish_reason).toBe('stop');
});

test('a streamed answer ends with its reason', async () => {
  const chunks = await streamed('Is it warm?');
  expect(textOf(chunks)).toBe('The fake model heard: Is it warm?');
  expect(lastReason(chunks)).toBe('stop');
  expect(chunks.every(({ usage }) => usage === undefined)).toBe(true);
});

test('a streamed answer has its usage at the end when that is asked for', async () => {
  const stream = await client.chat.completions.create({
    ...asking('Is it warm?'),
    stream: true,
    stream_options: { include_usage: true },
  });
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  expect(lastReason(chunks.slice(0, -1))).toBe('stop');
  expect(chunks.at(-2)?.usage).toBeNull();
  expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: 12 } });
});

test('the beginning that two prompts share is read from the cache', async () => {
  const system = { role: 'system' as const, content: 'd'.repeat(4000) };
  const ask = async (content: string) => {
    const { model, messages } = asking(content);
    return client.chat.completions.create({ model, messages: [system, ...messages] });
  };
  const cached = [await ask('one?'), await ask('two?')].map(
    ({ usage }) => usage?.prompt_tokens_details?.cached_tokens,
  );
  expect(cached).toEqual([0, 1000]);
});

test.each([
  ['401', OpenAI.AuthenticationError, 'invalid_api_key'],
  ['status=404', OpenAI.NotFoundError, 'model_not_found'],
  ['429 reset=60', OpenAI.RateLimitError, 'rate_limit_exceeded'],
  ['503', OpenAI.InternalServerError, null],
  ['too-long', OpenAI.BadRequestError, 'context_length_exceeded'],
] as const)('%s fails as the API does, streamed or not', async (words, kind, code) => {
  for (const stream of [false, true]) {
    const error = await failure(
      client.chat.completions.create({ ...asking(`[[fake: ${words}]]`), stream }),
    );
    expect(error).toBeInstanceOf(kind);
    expect(error).toMatchObject({ code });
  }
});

test('a limit says until when', async () => {
  const error = await failure(client.chat.completions.create(asking('[[fake: 429 reset=90]]')));
  const { headers } = error as InstanceType<typeof OpenAI.RateLimitError>;
  expect(headers?.get('retry-after')).toBe('90');
  expect(headers?.get('x-ratelimit-reset-requests')).toBe('90s');
});

test.each(['half', 'half-error', 'hang-up', 'bad-json'])(
  'a stream that ends by %s fails in the client',
  async (words) => {
    const error = await failure(streamed(`A question of some length [[fake: ${words}]]`));
    expect(error).toBeInstanceOf(Error);
    expect(model.requests.at(-1)).toMatchObject({ aborted: false });
  },
);

test('a stream that ends in the middle as if it were whole has no reason to stop', async () => {
  const chunks = await streamed('A question of some length [[fake: half-end]]');
  expect('The fake model heard: A question of some length').toContain(textOf(chunks));
  expect(lastReason(chunks)).toBeNull();
});

test('a tool is called, and its result gets a usual answer', async () => {
  const question = asking('[[fake: tool=read:{"path":"/etc/hostname"}]]');
  const { choices } = await client.chat.completions.create(question);
  const message = choices[0]?.message;
  const call = message?.tool_calls?.[0];
  const called = { name: 'read', arguments: '{"path":"/etc/hostname"}' };
  expect(choices[0]?.finish_reason).toBe('tool_calls');
  expect(call).toMatchObject({ function: called });
  const chunks = await streamed('[[fake: tool=read:{"path":"/etc/hostname"}]]');
  expect(chunks.flatMap(({ choices }) => choices[0]?.delta.tool_calls ?? [])).toMatchObject([
    { index: 0, function: called },
  ]);
  if (message === undefined || call === undefined) throw new Error('no call');
  const result = { role: 'tool' as const, tool_call_id: call.id, content: 'a result' };
  const after = await client.chat.completions.create({
    ...question,
    messages: [...question.messages, message, result],
  });
  expect(after.choices[0]?.finish_reason).toBe('stop');
});

test.each([
  ['max_tokens', 'length'],
  ['refusal', 'content_filter'],
])('an answer can stop by %s', async (stop, reason) => {
  const { choices } = await client.chat.completions.create(asking(`[[fake: stop=${stop}]]`));
  expect(choices[0]?.finish_reason).toBe(reason);
  expect(lastReason(await streamed(`[[fake: stop=${stop}]]`))).toBe(reason);
});

test('an empty answer has no text', async () => {
  const { choices } = await client.chat.completions.create(asking('[[fake: empty]]'));
  expect(choices[0]?.message.content).toBe('');
  expect(textOf(await streamed('[[fake: empty]]'))).toBe('');
});

test('a client that leaves in the middle of a stream is noticed', async () => {
  const leaving = new AbortController();
  const stream = await client.chat.completions.create(
    { ...asking('[[fake: endless gap=0]]'), stream: true },
    { signal: leaving.signal },
  );
  for await (const _ of stream) leaving.abort();
  const left = await model.waitForRequest(({ aborted }) => aborted);
  expect(left).toMatchObject({ status: 200, ended: true });
});
