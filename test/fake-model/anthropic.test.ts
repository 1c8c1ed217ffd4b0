import Anthropic from '@anthropic-ai/sdk';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type FakeModel, startFakeModel } from '../../src/fake-model/index.js';

let model: FakeModel;
let client: Anthropic;

beforeEach(async () => {
  model = await startFakeModel();
  client = new Anthropic({ baseURL: model.url, apiKey: 'sk-ant-test', maxRetries: 0 });
});

afterEach(() => model.close());

const asking = (content: string) => ({
  model: 'claude-test',
  max_tokens: 100,
  messages: [{ role: 'user' as const, content }],
});

function textOf({ content }: Anthropic.Message): string {
  return content.map((block) => (block.type === 'text' ? block.text : '')).join('');
}

test('a question is answered whole', async () => {
  const message = await client.messages.create(asking('Is it warm?'));
  expect(textOf(message)).toBe('The fake model heard: Is it warm?');
  expect(message).toMatchObject({ model: 'claude-test', stop_reason: 'end_turn' });
});

test('a streamed answer is the same as a whole one', async () => {
  const whole = await client.messages.create(asking('How long 😀 is a turn? [[fake: deltas=50]]'));
  const stream = client.messages.stream(asking('How long 😀 is a turn? [[fake: deltas=50]]'));
  const deltas: string[] = [];
  stream.on('text', (text) => deltas.push(text));
  const streamed = await stream.finalMessage();
  expect(textOf(streamed)).toBe(textOf(whole));
  expect(deltas.length).toBeGreaterThan(10);
  expect(streamed.usage).toMatchObject({ input_tokens: whole.usage.input_tokens });
});

test('a marked system prompt is written to the cache once and read from it after', async () => {
  const system = [
    {
      type: 'text' as const,
      text: 'd'.repeat(4000),
      cache_control: { type: 'ephemeral' as const },
    },
  ];
  const first = await client.messages.create({ ...asking('one?'), system });
  const second = await client.messages.create({ ...asking('two?'), system });
  expect(first.usage).toMatchObject({
    cache_creation_input_tokens: 1000,
    cache_read_input_tokens: 0,
    input_tokens: 1,
  });
  expect(second.usage).toMatchObject({
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 1000,
    input_tokens: 1,
  });
});
