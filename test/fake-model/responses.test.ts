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

async function streamed(input: string): Promise<OpenAI.Responses.ResponseStreamEvent[]> {
  const events = [];
  const stream = await client.responses.create({ model: 'gpt-test', input, stream: true });
  for await (const event of stream) events.push(event);
  return events;
}

test('a question is answered whole', async () => {
  const answer = await client.responses.create({
    model: 'gpt-test',
    instructions: 'Be brief.',
    input: [{ role: 'user', content: [{ type: 'input_text', text: 'Is it warm?' }] }],
  });
  expect(answer.output_text).toBe('The fake model heard: Is it warm?');
  expect(answer.status).toBe('completed');
  expect(model.requests).toMatchObject([
    {
      api: 'responses',
      system: 'Be brief.',
      messages: [{ role: 'user', text: 'Is it warm?' }],
      question: 'Is it warm?',
    },
  ]);
});

test('a streamed answer is told in numbered events, and again at the end', async () => {
  const events = await streamed('Is it warm?');
  expect(events.map(({ sequence_number }) => sequence_number)).toEqual([...events.keys()]);
  const kinds = new Set(events.map(({ type }) => type.replace('response.', '')));
  expect([...kinds]).toEqual([
    'created',
    'in_progress',
    'output_item.added',
    'content_part.added',
    'output_text.delta',
    'output_text.done',
    'content_part.done',
    'output_item.done',
    'completed',
  ]);
  const deltas = events.map((event) =>
    event.type === 'response.output_text.delta' ? event.delta : '',
  );
  expect(deltas.join('')).toBe('The fake model heard: Is it warm?');
  const stream = client.responses.stream({ model: 'gpt-test', input: 'Is it warm?' });
  const { output, usage } = await stream.finalResponse();
  expect(output).toMatchObject([{ content: [{ text: deltas.join('') }] }]);
  expect(usage?.input_tokens_details.cached_tokens).toBe(3);
});

test('a function is called', async () => {
  const input = '[[fake: tool=shell:{"command":["ls"]}]]';
  const { output } = await client.responses.create({ model: 'gpt-test', input });
  const called = { type: 'function_call', name: 'shell', arguments: '{"command":["ls"]}' };
  expect(output).toMatchObject([called]);
  expect((await streamed(input)).at(-1)).toMatchObject({ response: { output: [called] } });
});

test('an answer cut short is incomplete', async () => {
  const input = '[[fake: stop=max_tokens]]';
  const answer = await client.responses.create({ model: 'gpt-test', input });
  expect(answer).toMatchObject({
    status: 'incomplete',
    incomplete_details: { reason: 'max_output_tokens' },
  });
  expect((await streamed(input)).at(-1)?.type).toBe('response.incomplete');
});

test('a failure in the middle is the last event', async () => {
  const events = await streamed('[[fake: half-error]]');
  expect(events.at(-1)).toMatchObject({ type: 'response.failed', response: { status: 'failed' } });
});

test('an error has the kind of the API', async () => {
  const error = await failure(streamed('[[fake: 429]]'));
  expect(error).toBeInstanceOf(OpenAI.RateLimitError);
});
