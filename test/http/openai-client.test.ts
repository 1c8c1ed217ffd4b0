/** The official client, unchanged but for its address. */
import OpenAI from 'openai';
import { expect, onTestFinished, test } from 'vitest';
import { startFakeModel } from '../../src/fake-model/index.js';
import { call, documents, ended, openai, rows, startServe, startUp } from './support.js';

const messages = (content: string) => [{ role: 'user' as const, content }];

test('it is answered from a document, with the model that answered and the sources', async () => {
  const client = openai(await startUp('--engine', 'extract'));
  const answered = await client.chat.completions.create({
    model: 'gpt-4o',
    messages: [
      { role: 'system', content: 'You are a helpful assistant.' },
      { role: 'user', content: [{ type: 'text', text: 'Which port does the bridge listen on?' }] },
    ],
  });
  expect(answered.model).toMatch(/extract/);
  expect(answered.choices[0]?.finish_reason).toBe('stop');
  expect(answered.choices[0]?.message).toMatchObject({ role: 'assistant', refusal: null });
  expect(answered).toMatchObject({
    warmline: { engine: 'extract', sources: [expect.stringMatching(/^SESSION-RESUME\.md:\d/)] },
  });
});

test.each([
  ['over a bus', (words: string[]) => startUp(...words)],
  ['without a bus', (words: string[]) => startServe(documents(), ...words)],
])('%s it streams, and the pieces are the answer', async (_how, startIt) => {
  const client = openai(await startIt(['--engine', 'fake']));
  const stream = await client.chat.completions.create({
    model: 'fake',
    messages: messages('!fake deltas=7 how long is a piece of string?'),
    stream: true,
    stream_options: { include_usage: true },
  });
  const pieces: string[] = [];
  let finish: string | null | undefined;
  let last: object | undefined;
  for await (const chunk of stream) {
    const [choice] = chunk.choices;
    if (choice?.delta.content) pieces.push(choice.delta.content);
    finish = choice?.finish_reason ?? finish;
    last = chunk;
  }
  expect(pieces.length).toBeGreaterThan(3);
  expect(pieces.join('')).toBe('fake: how long is a piece of string?');
  expect(finish).toBe('stop');
  expect(last).toMatchObject({ choices: [], usage: null });
});

test('a stream that its reader leaves is stopped, and its session serves the next', async () => {
  const server = await startUp('--engine', 'fake', '--max-sessions', '1');
  const client = openai(server);
  const stream = await client.chat.completions.create({
    model: 'fake',
    messages: messages(`!fake delay=600000 deltas=6000 ${'long '.repeat(5000)}`),
    stream: true,
  });
  for await (const chunk of stream) {
    if (chunk.choices[0]?.delta.content) break;
  }
  stream.controller.abort();
  const next = await client.chat.completions.create({ model: 'fake', messages: messages('next') });
  expect(next.choices[0]?.message.content).toBe('fake: next');
});

test('a time-out is an error that names the task, which goes on and is asked once', async () => {
  const server = await startUp('--engine', 'fake');
  const asked = openai(server).chat.completions.create({
    model: 'fake',
    messages: messages('!fake delay=1000 slow'),
    ...{ timeout: 0.2 },
  });
  const error = await asked.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(OpenAI.APIError);
  expect(error).toMatchObject({ status: 408 });
  expect(rows(server.db, `SELECT id FROM messages WHERE to_session = 'b'`)).toHaveLength(1);
  const { body } = await call(`${server.url}/v1/polling/active`);
  const [task] = body.active_tasks as { task_id: string }[];
  expect(await ended(server, task?.task_id as string)).toMatchObject({ status: 'completed' });
});

test('without a bus a time-out ends the turn', async () => {
  const server = await startServe(documents(), '--engine', 'fake', '--max-sessions', '1');
  const client = openai(server);
  const late = client.chat.completions.create({
    model: 'fake',
    messages: messages('!fake silent slow'),
    ...{ timeout: 0.2 },
  });
  await expect(late).rejects.toMatchObject({ status: 408, code: 'timeout' });
  const next = await client.chat.completions.create({ model: 'fake', messages: messages('next') });
  expect(next.choices[0]?.message.content).toBe('fake: next');
});

test("the client's own time-out leaves nothing at work", async () => {
  const server = await startUp('--engine', 'fake', '--max-sessions', '1');
  const client = openai(server, { timeout: 300, maxRetries: 0 });
  const asked = client.chat.completions.create({
    model: 'fake',
    messages: messages('!fake silent for ever'),
  });
  await expect(asked).rejects.toBeInstanceOf(OpenAI.APIConnectionTimeoutError);
  const patient = openai(server);
  const next = await patient.chat.completions.create({ model: 'fake', messages: messages('next') });
  expect(next.choices[0]?.message.content).toBe('fake: next');
});

test('the models are listed, the default one first', async () => {
  const client = openai(await startServe(documents(), '--engine', 'fake'));
  const models: string[] = [];
  for await (const model of client.models.list()) {
    expect(model).toMatchObject({ object: 'model', created: expect.any(Number) });
    models.push(model.id);
  }
  expect(models).toEqual(['fake-1', 'fake']);
});

test('an unknown model is answered by the default one, unless models are strict', async () => {
  const strict = openai(await startServe(documents(), '--engine', 'fake', '--strict-models'));
  const asked = strict.chat.completions.create({ model: 'gpt-9', messages: messages('who?') });
  await expect(asked).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  await expect(asked).rejects.toMatchObject({ code: 'model_not_found', param: 'model' });
  const known = await strict.chat.completions.create({ model: 'fake', messages: messages('who?') });
  expect(known.model).toBe('fake-1');
});

test('an engine that fails is an error with its own code', async () => {
  const client = openai(await startServe(documents(), '--engine', 'fake'), { maxRetries: 0 });
  const fails = (code: string) =>
    client.chat.completions.create({ model: 'fake', messages: messages(`!fake error=${code}`) });
  await expect(fails('context_denied')).rejects.toMatchObject({ status: 403 });
  const stream = client.chat.completions.create({
    model: 'fake',
    messages: messages('!fake error=context_denied'),
    stream: true,
  });
  await expect(stream).rejects.toMatchObject({ status: 403, code: 'context_denied' });
  // Last, for the engine takes nothing then.
  await expect(fails('engine_limit')).rejects.toBeInstanceOf(OpenAI.RateLimitError);
});

test('a question that failed on the bus is asked once: it was tried again there', async () => {
  const server = await startUp('--engine', 'fake', '--retry-base-ms', '1');
  const client = openai(server);
  const asked = client.chat.completions.create({
    model: 'fake',
    messages: messages('!fake error=engine_error'),
  });
  await expect(asked).rejects.toMatchObject({ status: 502, code: 'engine_error' });
  expect(rows(server.db, `SELECT id FROM messages WHERE to_session = 'b'`)).toHaveLength(1);
});

test('figures of a model API, and why it stopped, reach the client', async () => {
  const model = await startFakeModel();
  onTestFinished(() => model.close());
  const words = ['--engine', 'openai', '--base-url', `${model.url}/v1`, '--engine-model', 'small'];
  for (const server of [await startUp(...words), await startServe(documents(), ...words)]) {
    const client = openai(server);
    const whole = await client.chat.completions.create({ model: 'x', messages: messages('hello') });
    const { prompt_tokens = 0, completion_tokens = 0, total_tokens } = whole.usage ?? {};
    expect(prompt_tokens).toBeGreaterThan(0);
    expect(completion_tokens).toBeGreaterThan(0);
    expect(total_tokens).toBe(prompt_tokens + completion_tokens);
    const stream = await client.chat.completions.create({
      model: 'x',
      messages: messages('hello'),
      stream: true,
      stream_options: { include_usage: true },
    });
    let usage: unknown;
    for await (const chunk of stream) usage = chunk.usage ?? usage;
    expect(usage).toMatchObject({ total_tokens: expect.any(Number) });
  }
});

test('a JSON object that was asked for is one, whatever the engine wrote around it', async () => {
  const client = openai(await startUp('--engine', 'fake'));
  const ask = async (content: string, stream: boolean) => {
    const response_format = { type: 'json_object' as const };
    if (!stream) {
      const whole = await client.chat.completions.create({
        ...{ model: 'fake', messages: messages(content), response_format },
      });
      return JSON.parse(whole.choices[0]?.message.content ?? '');
    }
    const pieces = await client.chat.completions.create({
      ...{ model: 'fake', messages: messages(content), response_format, stream: true as const },
    });
    let text = '';
    for await (const chunk of pieces) text += chunk.choices[0]?.delta.content ?? '';
    return JSON.parse(text);
  };
  for (const stream of [false, true]) {
    expect(await ask('!fake echo x', stream)).toMatchObject({ answer: expect.any(String) });
  }
});
