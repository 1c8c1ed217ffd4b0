import { afterEach, beforeEach, expect, test } from 'vitest';
import { type FakeModel, startFakeModel } from '../../src/fake-model/index.js';

let model: FakeModel;

beforeEach(async () => {
  model = await startFakeModel();
});

afterEach(() => model.close());

function ask(method: string, text: string): Promise<Response> {
  return fetch(`${model.url}/v1beta/models/gemini-test:${method}`, {
    method: 'POST',
    headers: { 'x-goog-api-key': 'secret-key' },
    body: JSON.stringify({
      systemInstruction: { parts: [{ text: 'Be brief.' }] },
      contents: [{ role: 'user', parts: [{ text }] }],
    }),
  });
}

async function eventsOf(response: Response): Promise<Record<string, unknown>[]> {
  const blocks = (await response.text()).split('\n\n').filter((block) => block !== '');
  return blocks.map((block) => JSON.parse(block.replace(/^data: /, '')));
}

test('a question is answered whole', async () => {
  const response = await ask('generateContent', 'Is it warm?');
  expect(await response.json()).toMatchObject({
    candidates: [
      {
        content: { role: 'model', parts: [{ text: 'The fake model heard: Is it warm?' }] },
        finishReason: 'STOP',
      },
    ],
    usageMetadata: { promptTokenCount: 5, candidatesTokenCount: 9, totalTokenCount: 14 },
    modelVersion: 'gemini-test',
  });
  expect(model.requests).toMatchObject([
    { api: 'gemini', model: 'gemini-test', system: 'Be brief.', question: 'Is it warm?' },
  ]);
});

test('a streamed answer ends with its reason', async () => {
  const events = await eventsOf(await ask('streamGenerateContent?alt=sse', 'Is it warm?'));
  const candidates = events.map(({ candidates }) => (candidates as Candidate[])[0]);
  const text = candidates.map((candidate) => candidate?.content.parts[0]?.text).join('');
  expect(text).toBe('The fake model heard: Is it warm?');
  expect(candidates.map((candidate) => candidate?.finishReason).filter(Boolean)).toEqual(['STOP']);
  expect(candidates.at(-1)?.finishReason).toBe('STOP');
});

interface Candidate {
  readonly content: { readonly parts: readonly { readonly text: string }[] };
  readonly finishReason?: string;
}

test('a limit says until when', async () => {
  const response = await ask('generateContent', '[[fake: 429 reset=30]]');
  expect(response.status).toBe(429);
  expect(await response.json()).toMatchObject({
    error: { code: 429, status: 'RESOURCE_EXHAUSTED', details: [{ retryDelay: '30s' }] },
  });
});

test('a function is called, and its result gets a usual answer', async () => {
  const words = '[[fake: tool=read_file:{"path":"a"}]]';
  const call = { functionCall: { name: 'read_file', args: { path: 'a' } } };
  const response = await ask('generateContent', words);
  expect(await response.json()).toMatchObject({ candidates: [{ content: { parts: [call] } }] });
  const after = await fetch(`${model.url}/v1beta/models/gemini-test:generateContent`, {
    method: 'POST',
    body: JSON.stringify({
      contents: [
        { role: 'user', parts: [{ text: words }] },
        { role: 'model', parts: [call] },
        { role: 'user', parts: [{ functionResponse: { name: 'read_file', response: {} } }] },
      ],
    }),
  });
  expect(await after.text()).toContain('The fake model heard');
});

test('a stall shows that the answer has begun', async () => {
  const leaving = new AbortController();
  const url = `${model.url}/v1beta/models/gemini-test:streamGenerateContent?alt=sse&key=secret-key`;
  const contents = [{ parts: [{ text: '[[fake: stall]]' }] }];
  const response = await fetch(url, {
    method: 'POST',
    body: JSON.stringify({ contents }),
    signal: leaving.signal,
  });
  expect(response.status).toBe(200);
  leaving.abort();
  const { path } = await model.waitForRequest(({ aborted }) => aborted);
  expect(path).toBe('/v1beta/models/gemini-test:streamGenerateContent?alt=sse&key=[masked]');
});

test('tokens are counted', async () => {
  const response = await ask('countTokens', 'Is it warm?');
  expect(await response.json()).toEqual({ totalTokens: 3 });
});
