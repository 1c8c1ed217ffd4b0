import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Conversation } from '../../../src/engines/api/conversation.js';

const LIMITS = { maxTurns: 5, maxChars: 100 };

test('a conversation gives back what was said, in order, and the next question', () => {
  const conversation = new Conversation();
  conversation.add('one?', 'One.');
  conversation.add('two?', 'Two.');
  expect(conversation.with('three?')).toEqual([
    { role: 'user', content: 'one?' },
    { role: 'assistant', content: 'One.' },
    { role: 'user', content: 'two?' },
    { role: 'assistant', content: 'Two.' },
    { role: 'user', content: 'three?' },
  ]);
  conversation.clear();
  expect(conversation.with('four?')).toEqual([{ role: 'user', content: 'four?' }]);
});

test('a conversation stays within its limits, keeps the latest turns, and roles take turns', () => {
  const text = fc.string({ minLength: 1, maxLength: 40 });
  const step = fc.oneof(fc.tuple(text, text), fc.constantFrom('halve' as const, 'clear' as const));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const conversation = new Conversation(LIMITS);
      let said: (readonly [string, string])[] = [];
      for (const step of steps) {
        if (step === 'clear') said = [];
        else if (step !== 'halve') said.push(step);
        if (typeof step === 'string') conversation[step]();
        else conversation.add(...step);
        said = conversation.turns === 0 ? [] : said.slice(-conversation.turns);
        const messages = conversation.with('next').slice(0, -1);
        expect(messages.map(({ content }) => content)).toEqual(said.flat());
        expect(messages.every(({ role }, n) => role === (n % 2 ? 'assistant' : 'user'))).toBe(true);
        expect(conversation.turns).toBeLessThanOrEqual(LIMITS.maxTurns);
        expect(said.flat().join('').length).toBeLessThanOrEqual(LIMITS.maxChars);
      }
    }),
  );
});

test('a full conversation keeps its beginning for several turns', () => {
  const conversation = new Conversation({ maxTurns: 8, maxChars: 1e6 });
  const beginnings = new Set<string>();
  for (let turn = 0; turn < 24; turn += 1) {
    conversation.add(`question ${turn}`, 'answer');
    beginnings.add(conversation.with('')[0]?.content ?? '');
  }
  expect(beginnings.size).toBeLessThanOrEqual(6);
});

test('a turn larger than the limit is not kept, and does no harm', () => {
  const conversation = new Conversation(LIMITS);
  conversation.add('small', 'small');
  conversation.add('x'.repeat(200), 'y');
  expect(conversation.turns).toBe(0);
  conversation.add('small', 'small');
  expect(conversation.turns).toBe(1);
});
