import fc from 'fast-check';
import { expect, test } from 'vitest';
import { finishReason, usageOf } from '../../src/http/openai/completion.js';
import { asJsonObject } from '../../src/http/openai/json-answer.js';
import { toQuestion } from '../../src/http/openai/prompt.js';
import { ChatRequest, type Message } from '../../src/http/openai/schema.js';

const plain = { remembers: false, wordsOnly: false, wantsJson: false };
const said = (role: Message['role'], content: Message['content']): Message => ({ role, content });
const chat = [
  said('system', 'Be brief.'),
  said('user', 'Who is Ada?'),
  said('assistant', 'A programmer.'),
  said('user', 'Since when?'),
];

test('a question that stands alone is asked as it is', () => {
  const text = '  Which port?\n';
  expect(toQuestion([said('user', text)], plain)).toEqual({ ok: true, question: text });
  const parts = [
    said('user', [
      { type: 'text', text: 'one' },
      { type: 'text', text: 'two' },
    ]),
  ];
  expect(toQuestion(parts, plain)).toEqual({ ok: true, question: 'one\ntwo' });
});

test('what was said before stands in front of the question, under headings of its own', () => {
  expect(toQuestion(chat, plain)).toEqual({
    ok: true,
    question: `Instructions:
Be brief.

What was said so far:
User: Who is Ada?
Assistant: A programmer.

The question:
Since when?`,
  });
});

test('a session that remembers is told only what is new', () => {
  const remembers = { ...plain, remembers: true };
  expect(toQuestion(chat, remembers)).toEqual({ ok: true, question: 'Since when?' });
  expect(toQuestion(chat.slice(0, 2), remembers)).toEqual({
    ok: true,
    question: 'Instructions:\nBe brief.\n\nThe question:\nWho is Ada?',
  });
});

test('an engine that looks for words gets those of the question alone', () => {
  const words = { ...plain, wordsOnly: true, wantsJson: true };
  expect(toQuestion(chat, words)).toEqual({ ok: true, question: 'Since when?' });
});

test('without a user who says something there is no question', () => {
  for (const messages of [[], [said('system', 'x')], [said('user', ' ')], [said('user', null)]]) {
    expect(toQuestion(messages, plain)).toEqual({ ok: false, why: 'no user message' });
  }
  const picture = [said('user', [{ type: 'image_url' }])];
  expect(toQuestion(picture, plain)).toEqual({ ok: false, why: 'not text' });
});

test('the last user message is in the question, whatever else was said', () => {
  const message = fc.record({
    role: fc.constantFrom('system', 'developer', 'user', 'assistant', 'tool', 'function' as const),
    content: fc.oneof(fc.string(), fc.constant(null)),
  }) as fc.Arbitrary<Message>;
  fc.assert(
    fc.property(
      fc.array(message),
      fc.record({ remembers: fc.boolean(), wordsOnly: fc.boolean(), wantsJson: fc.boolean() }),
      (messages, options) => {
        const prompt = toQuestion(messages, options);
        const last = messages.findLast(({ role }) => role === 'user')?.content ?? '';
        expect(prompt.ok).toBe(String(last).trim() !== '');
        if (prompt.ok) expect(prompt.question.endsWith(String(last))).toBe(true);
      },
    ),
  );
});

test.each([
  ['bare', '{"a":1}', { a: 1 }],
  ['in a fence', 'Here:\n```json\n{"a": [1]}\n```\nThat is it.', { a: [1] }],
  ['in a fence without a name', '```\n{"a":1}\n```', { a: 1 }],
  ['in prose', 'The object is {"a":{"b":2}}, as asked.', { a: { b: 2 } }],
  ['none', 'no object', { answer: 'no object' }],
  ['a list', '[1,2]', { answer: '[1,2]' }],
  ['broken', '{"a":', { answer: '{"a":' }],
  ['empty', '', { answer: '' }],
])('a JSON object is found where it is: %s', (_where, answer, object) => {
  expect(JSON.parse(asJsonObject(answer))).toEqual(object);
});

test('whatever an engine says, what comes of it is an object', () => {
  fc.assert(
    fc.property(fc.string(), (answer) => {
      expect(JSON.parse(asJsonObject(answer))).toBeTypeOf('object');
    }),
  );
});

test('what was read from a cache is part of the prompt', () => {
  const usage = { input_tokens: 10, output_tokens: 5, cache_read_input_tokens: 90 };
  expect(usageOf(usage)).toEqual({
    ...{ prompt_tokens: 100, completion_tokens: 5, total_tokens: 105 },
    prompt_tokens_details: { cached_tokens: 90 },
  });
  expect(usageOf(undefined)).toBeUndefined();
});

test('an answer that was cut says so', () => {
  expect(['max_tokens', 'length', 'refusal', 'end_turn', undefined].map(finishReason)).toEqual([
    'length',
    'length',
    'content_filter',
    'stop',
    'stop',
  ]);
});

test('no JSON makes the schema of requests throw', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const body = { messages: [{ role: 'user', content: 'x' }], model: value, stream: value };
      expect([true, false]).toContain(ChatRequest.safeParse(body).success);
      expect([true, false]).toContain(ChatRequest.safeParse(value).success);
    }),
  );
});
