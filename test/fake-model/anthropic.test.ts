import Anthropic from '@anthropic-ai/sdk';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type FakeModel, startFakeModel } from '../../src/fake-model/index.js';
import { failure } from './failure.js';

let model: FakeModel;
let client: Anthropic;

beforeEach(async () => {
  model = await startFakeModel();
  client = new Anthropic({
    baseURL: model.url,
    apiKey: 'sk-ant-test',
    maxRetries: 0,
    logLevel: 'off',
  });
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

test('a message of the system behind the question does not hide it', async () => {
  const messages = [
    { role: 'user', content: 'Is it warm? [[fake: text=yes]]' },
    { role: 'system', content: 'It is Saturday.' },
  ] as unknown as Anthropic.MessageParam[];
  const message = await client.messages.create({ ...asking(''), messages });
  expect(textOf(message)).toBe('yes');
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

test('the tokens of a prompt are counted as the answer counts them', async () => {
  const { max_tokens: _, ...question } = asking('How many tokens is this?');
  const { input_tokens } = await client.messages.countTokens(question);
  const { usage } = await client.messages.create(asking('How many tokens is this?'));
  expect(input_tokens).toBe(usage.input_tokens);
  expect(model.requests).toHaveLength(1);
  expect(model.probes).toHaveLength(1);
});

test('models are listed', async () => {
  const { data } = await client.models.list();
  expect(data.map(({ id }) => id)).toEqual(['fake-model']);
});

test.each([
  ['401', Anthropic.AuthenticationError, 'authentication_error'],
  ['status=403', Anthropic.PermissionDeniedError, 'permission_error'],
  ['429', Anthropic.RateLimitError, 'rate_limit_error'],
  ['500', Anthropic.InternalServerError, 'api_error'],
  ['529', Anthropic.InternalServerError, 'overloaded_error'],
  ['too-long', Anthropic.BadRequestError, 'prompt is too long'],
  ['400 text=No thanks', Anthropic.BadRequestError, 'No thanks'],
] as const)('%s fails as the API does, streamed or not', async (words, kind, says) => {
  const question = asking(`[[fake: ${words}]]`);
  for (const stream of [false, true]) {
    const error = await failure(client.messages.create({ ...question, stream }));
    expect(error).toBeInstanceOf(kind);
    expect(error.message).toContain(says);
  }
});

test('a limit says until when', async () => {
  const before = Date.now();
  const error = await failure(client.messages.create(asking('[[fake: status=429 reset=60]]')));
  const { headers } = error as InstanceType<typeof Anthropic.RateLimitError>;
  expect(headers?.get('retry-after')).toBe('60');
  const reset = Number(headers?.get('anthropic-ratelimit-unified-reset')) * 1000;
  expect(reset).toBeGreaterThanOrEqual(before + 60_000);
  expect(Date.parse(headers?.get('anthropic-ratelimit-requests-reset') ?? '')).toBeGreaterThan(
    before + 58_000,
  );
});

test('a client tries again by itself, but not when it is told that it is no use', async () => {
  const patient = new Anthropic({ baseURL: model.url, apiKey: 'sk-ant-test', maxRetries: 1 });
  model.next('529 reset=0');
  const message = await patient.messages.create(asking('Again?'));
  expect(textOf(message)).toBe('The fake model heard: Again?');
  expect(model.requests.map(({ status }) => status)).toEqual([529, 200]);
  await failure(patient.messages.create(asking('[[fake: 529 no-retry]]')));
  expect(model.requests).toHaveLength(3);
});

test.each(['half', 'half-end', 'half-error', 'hang-up', 'bad-json'])(
  'a stream that ends by %s fails in the client',
  async (words) => {
    const stream = client.messages.stream(asking(`A question of some length [[fake: ${words}]]`));
    const error = await failure(stream.finalMessage());
    expect(error).toBeInstanceOf(Error);
    expect(model.requests.at(-1)).toMatchObject({ aborted: false, stream: true });
  },
);

test('half a stream is text of the answer and no reason to stop', async () => {
  const question = asking('A question of some length [[fake: half]]');
  const stream = await client.messages.create({ ...question, stream: true });
  const types: string[] = [];
  const read = async () => {
    for await (const event of stream) types.push(event.type);
  };
  await failure(read());
  expect(types).toContain('content_block_delta');
  expect(types).not.toContain('message_delta');
});

test('a tool is called, and its result gets a usual answer', async () => {
  const question = asking('[[fake: tool=Read:{"file_path":"/etc/hostname"}]]');
  for (const message of [
    await client.messages.create(question),
    await client.messages.stream(question).finalMessage(),
  ]) {
    expect(message).toMatchObject({
      stop_reason: 'tool_use',
      content: [{ type: 'tool_use', name: 'Read', input: { file_path: '/etc/hostname' } }],
    });
    const [use] = message.content;
    const result = { type: 'tool_result' as const, tool_use_id: idOf(use), content: 'a result' };
    const after = await client.messages.create({
      ...question,
      messages: [
        ...question.messages,
        { role: 'assistant', content: message.content },
        { role: 'user', content: [result] },
      ],
    });
    expect(after.stop_reason).toBe('end_turn');
  }
});

test.each(['max_tokens', 'refusal'])('an answer can stop by %s', async (stop) => {
  const question = asking(`[[fake: stop=${stop}]]`);
  const whole = await client.messages.create(question);
  const streamed = await client.messages.stream(question).finalMessage();
  expect([whole.stop_reason, streamed.stop_reason]).toEqual([stop, stop]);
});

test('an empty answer has no content', async () => {
  const question = asking('[[fake: empty]]');
  const whole = await client.messages.create(question);
  const streamed = await client.messages.stream(question).finalMessage();
  expect([whole.content, streamed.content]).toEqual([[], []]);
});

test('bytes that are no UTF-8 are inside the text', async () => {
  const question = asking('[[fake: bad-encoding text=Grüße]]');
  const whole = textOf(await client.messages.create(question));
  const streamed = textOf(await client.messages.stream(question).finalMessage());
  expect([whole, streamed]).toEqual([expect.stringMatching(/\ufffd.*Grüße/), whole]);
});

test.each(['silence', 'stall', 'half-silence', 'endless', 'pings', 'delay=3600000'])(
  'a client that leaves during %s is noticed',
  async (words) => {
    for (const stream of [true, false]) {
      const leaving = new AbortController();
      const question = { ...asking(`A question [[fake: ${words}]]`), stream };
      const asked = client.messages.create(question, { signal: leaving.signal });
      const read = async () => {
        const answer = await asked;
        if (Symbol.asyncIterator in answer) for await (const _ of answer);
      };
      const failing = failure(read());
      const received = await model.waitForRequest(
        (request) => request.stream === stream && !request.ended,
      );
      leaving.abort();
      await model.waitForRequest(({ id, aborted }) => id === received.id && aborted);
      await failing;
    }
  },
);

function idOf(block: Anthropic.ContentBlock | undefined): string {
  return block?.type === 'tool_use' ? block.id : '';
}
