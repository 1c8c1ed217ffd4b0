import OpenAI from 'openai';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type FakeModel, startFakeModel } from '../../src/fake-model/index.js';

let model: FakeModel;
let client: OpenAI;

beforeEach(async () => {
  model = await startFakeModel();
  client = new OpenAI({ baseURL: `${model.url}/v1`, apiKey: 'sk-test', maxRetries: 0 });
});

afterEach(() => model.close());

const asking = (content: string) => ({
  model: 'gpt-test',
  messages: [{ role: 'user' as const, content }],
});

test('a question is answered whole', async () => {
  const { choices } = await client.chat.completions.create(asking('Is it warm?'));
  expect(choices[0]?.message.content).toBe('The fake model heard: Is it warm?');
  expect(choices[0]?.finish_reason).toBe('stop');
});

test('a streamed answer ends with its reason and, when asked for, its usage', async () => {
  const stream = await client.chat.completions.create({
    ...asking('Is it warm?'),
    stream: true,
    stream_options: { include_usage: true },
  });
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  const text = chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('');
  expect(text).toBe('The fake model heard: Is it warm?');
  expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe('stop');
  expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: 12 } });
});

test('an error has the envelope and the headers of the API', async () => {
  const failing = client.chat.completions.create(asking('[[fake: status=429 reset=60]]'));
  const error: unknown = await failing.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(OpenAI.RateLimitError);
  const { headers, code } = error as InstanceType<typeof OpenAI.RateLimitError>;
  expect(headers?.get('retry-after')).toBe('60');
  expect(code).toBe('rate_limit_exceeded');
});
