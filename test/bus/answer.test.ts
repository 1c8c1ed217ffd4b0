import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { answerMessage, answerMetadata, MAX_MESSAGE_CHARS } from '../../src/bus/answer.js';
import type { Answer } from '../../src/bus/index.js';
import { type ParsedQuestion, parseQuestion } from '../../src/bus/index.js';
import { answer, query } from '../support/temp-bus.js';

const QUESTION = parseQuestion(query('why?'), null);

/** Text as it should not be: lone surrogates, controls, quotes, and a lot of it. */
const wildText = (maxLength: number) =>
  fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc
      .tuple(
        fc.constantFrom('a', '"', '\\', '\u0000', '\ud800', '\udc00', '\u{1F600}', 'é', '日'),
        fc.nat(maxLength),
      )
      .map(([unit, count]) => unit.repeat(count)),
  );

const wildAnswer: fc.Arbitrary<Answer> = fc.record(
  {
    answer: wildText(120_000),
    sources: fc.array(wildText(20_000), { maxLength: 60 }),
    shardId: wildText(3000),
    llmType: wildText(3000),
    responseTimeSec: fc.double(),
    error: fc.option(
      fc.record({
        code: wildText(2000),
        message: wildText(60_000),
        attempts: fc.nat(100),
        dead: fc.boolean(),
      }),
      { nil: undefined },
    ),
  },
  { requiredKeys: ['answer', 'sources', 'shardId', 'llmType', 'responseTimeSec'] },
);

const wildQuestion: fc.Arbitrary<ParsedQuestion> = wildText(300).map((queryId) =>
  parseQuestion(query('why?', { query_id: queryId }), null),
);

describe('an answer row', () => {
  test('is valid JSON that every reader can parse, and fits the bus, whatever the engine said', () => {
    fc.assert(
      fc.property(wildQuestion, wildAnswer, (question, given) => {
        const text = answerMessage(7, question, given);
        expect(text.length).toBeLessThanOrEqual(MAX_MESSAGE_CHARS);
        expect(text.isWellFormed()).toBe(true);
        const row = JSON.parse(text);
        expect(row.type).toBe('response');
        for (const field of ['query_id', 'answer', 'shard_id', 'llm_type'] as const) {
          expect(typeof row[field]).toBe('string');
          expect(row[field].isWellFormed()).toBe(true);
        }
        for (const source of row.sources) expect(source.isWellFormed()).toBe(true);
        expect(row.response_time_sec).toBeGreaterThanOrEqual(0);
        expect('error' in row).toBe(given.error !== undefined);
        if (given.error) expect(row.answer.startsWith('Error:')).toBe(true);
      }),
    );
  });

  test('is cut only as far as it must be, and says so', () => {
    const row = JSON.parse(answerMessage(7, QUESTION, answer('x'.repeat(100_000))));
    expect(row.answer).toMatch(/^x{49000,}\n\[answer cut: too long for the bus\]$/);
    expect(row.truncated).toEqual({ answer_chars: 100_000 });
    expect(row.sources).toEqual(['GUIDE.md:1-3']);
  });

  test('is not cut when it just fits', () => {
    const room = MAX_MESSAGE_CHARS - answerMessage(7, QUESTION, answer('')).length;
    const row = JSON.parse(answerMessage(7, QUESTION, answer('x'.repeat(room))));
    expect(row.answer).toHaveLength(room);
    expect(row).not.toHaveProperty('truncated');
    const longer = JSON.parse(answerMessage(7, QUESTION, answer('x'.repeat(room + 1))));
    expect(longer.truncated).toEqual({ answer_chars: room + 1 });
  });

  test('is never cut in the middle of a character', () => {
    const row = JSON.parse(answerMessage(7, QUESTION, answer('\u{1F600}'.repeat(60_000))));
    expect(row.answer).toMatch(/^\u{1F600}+\n\[answer cut/u);
  });

  test('keeps the first sources when there are too many', () => {
    const sources = Array.from({ length: 2000 }, (_, n) => `FILE-${n}.md:1-9`);
    const row = JSON.parse(answerMessage(7, QUESTION, answer('short', { sources })));
    expect(row.answer).toBe('short');
    expect(row.sources.length).toBeGreaterThan(300);
    expect(row.sources).toEqual(sources.slice(0, row.sources.length));
  });

  test('of a failure begins with Error:, once', () => {
    const error = { code: 'timeout', message: 'too slow', attempts: 3, dead: true };
    const textOf = (text: string) =>
      JSON.parse(answerMessage(7, QUESTION, answer(text, { error }))).answer;
    expect(textOf('too slow')).toBe('Error: too slow');
    expect(textOf('Error: too slow')).toBe('Error: too slow');
  });

  test('tells a number for the time, even when the clock told none', () => {
    const timeOf = (responseTimeSec: number) =>
      JSON.parse(answerMessage(7, QUESTION, answer('x', { responseTimeSec }))).response_time_sec;
    expect([0.12345, -1, Number.NaN, Number.POSITIVE_INFINITY].map(timeOf)).toEqual([
      0.123, 0, 0, 0,
    ]);
  });

  test('has metadata that names its question', () => {
    expect(JSON.parse(answerMetadata(12))).toEqual({ action_type: 'response', in_reply_to: 12 });
  });
});
