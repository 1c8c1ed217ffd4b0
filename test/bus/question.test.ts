import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseQuestion } from '../../src/bus/index.js';
import { glanceAt } from '../../src/bus/question.js';

const ASKED = '{"action_type": "question"}';
const INFO = '{"action_type": "info"}';

describe('a row is a question', () => {
  test.each([
    ['a query, whatever the metadata say', '{"type":"query","question":"why?"}', INFO],
    ['a query without metadata', '{"type":"query","question":"why?"}', null],
    ['plain text sent as a question', 'why?', ASKED],
    ['a text that only looks like JSON', '{why?}', ASKED],
    ['a list sent as a question', '["why", "not"]', ASKED],
    ['a number sent as a question', '42', ASKED],
    ['an object of no type sent as a question', '{"text":"why?"}', ASKED],
    ['metadata with more in them', 'why?', '{"action_type":"question","files":["a.ts"]}'],
  ])('%s', (_, message, metadata) => {
    const parsed = parseQuestion(message, metadata);
    expect(parsed.kind).toBe('question');
  });

  test('plain text is asked as it stands', () => {
    expect(parseQuestion('  why?\n', ASKED)).toMatchObject({
      kind: 'question',
      question: '  why?\n',
      queryId: undefined,
      priority: 0,
    });
  });

  test('a query carries its wishes', () => {
    const wishes = {
      query_id: 'q_1',
      context_file: 'GUIDE.md',
      session: 'mine',
      model: 'large',
      priority: -3,
      timeout_ms: 5000,
      depends_on: [7, 'q_0', 7],
    };
    const message = JSON.stringify({ type: 'query', question: 'why?', urgent: true, ...wishes });
    expect(parseQuestion(message, null)).toEqual({
      kind: 'question',
      question: 'why?',
      queryId: 'q_1',
      contextFile: 'GUIDE.md',
      session: 'mine',
      model: 'large',
      priority: -3,
      timeoutMs: 5000,
      dependsOn: [7, 'q_0'],
    });
  });

  test('null wishes are no wishes', () => {
    const message = '{"type":"query","question":"why?","query_id":null,"priority":null}';
    expect(parseQuestion(message, null)).toMatchObject({ kind: 'question', priority: 0 });
  });
});

describe('a row is refused as a question, with the reason,', () => {
  test.each([
    ['without a question', '{"type":"query","query_id":"q"}', 'field "question"'],
    [
      'with a blank question',
      '{"type":"query","query_id":"q","question":"  "}',
      'field "question"',
    ],
    ['with a question of another type', '{"type":"query","query_id":"q","question":7}', 'question'],
    ['with a priority of another type', query('"priority":"high"'), 'field "priority"'],
    ['with a fractional time-out', query('"timeout_ms":1.5'), 'field "timeout_ms"'],
    ['with a model of another type', query('"model":{}'), 'field "model"'],
    ['with a session of another type', query('"session":[]'), 'field "session"'],
    ['with a context file of another type', query('"context_file":0'), 'field "context_file"'],
    ['with dependencies of another type', query('"depends_on":"q_0"'), 'field "depends_on"'],
    ['cut off in the middle', '{"type":"query","query_id":"q","question":', 'not valid JSON'],
    ['broken by a redactor', '{"query_id":"q","question":"x","PASSWORD_REDACTED"}', 'not valid'],
  ])('%s', (_, message, reason) => {
    const parsed = parseQuestion(message, ASKED);
    expect(parsed).toMatchObject({ kind: 'invalid', queryId: 'q' });
    expect(parsed.kind === 'invalid' && parsed.message).toContain(reason);
  });

  test.each([
    ['blank', '   '],
    ['empty', ''],
    ['not text', Buffer.from('why?')],
    ['nothing', null],
  ])('when it is %s', (_, message) => {
    expect(parseQuestion(message, ASKED).kind).toBe('invalid');
  });

  test('with an overlong query_id, which is not handed back whole', () => {
    const parsed = parseQuestion(
      JSON.stringify({ type: 'query', question: 'why?', query_id: 'x'.repeat(10_000) }),
      null,
    );
    expect(parsed.kind === 'invalid' && parsed.queryId?.length).toBe(256);
  });
});

describe('a row is left alone', () => {
  test.each([
    ['information', 'the build is green', INFO],
    ['text without metadata', 'why?', null],
    ['text with broken metadata', 'why?', '{"action_type": "question"'],
    ['text with metadata of another shape', 'why?', '["question"]'],
    ['an answer', '{"type":"response","answer":"so"}', '{"action_type":"response"}'],
    [
      'an answer labelled as a question, or two shards would talk for ever',
      '{"type":"response"}',
      ASKED,
    ],
    ['a heartbeat', '{"type":"heartbeat"}', ASKED],
    ['a list', '["a", "list"]', INFO],
    ['half a query without a label', '{"type":"query","question":', null],
    ['bytes', Buffer.from([0, 255]), null],
    ['nothing at all', null, null],
  ])('%s', (_, message, metadata) => {
    expect(parseQuestion(message, metadata)).toEqual({ kind: 'ignored' });
  });
});

describe('whatever the columns hold', () => {
  const column = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.json(),
    fc.constantFrom(ASKED, INFO, null, undefined, 7, 1n, Buffer.from('x'), Number.NaN),
    fc.object().map((fields) => JSON.stringify({ type: 'query', question: 'why?', ...fields })),
    fc
      .record({ query_id: fc.anything(), question: fc.anything(), priority: fc.anything() })
      .map((fields) => stringify({ type: 'query', ...fields })),
  );

  test('a row is sorted, and what is asked is worth asking', () => {
    fc.assert(
      fc.property(column, column, (message, metadata) => {
        const parsed = parseQuestion(message, metadata);
        if (parsed.kind === 'ignored') return;
        if (parsed.kind === 'invalid') {
          expect(parsed.message).not.toBe('');
          return;
        }
        expect(parsed.question.trim()).not.toBe('');
        expect(Number.isSafeInteger(parsed.priority)).toBe(true);
        expect(parsed.queryId?.length ?? 0).toBeLessThanOrEqual(256);
      }),
      { numRuns: 2000 },
    );
  });

  const piece = fc.constantFrom(
    ...['"type":"query"', '"type": "query"', '"type":"response"', '"type":7', '"type":'],
    ...['"question":"why?"', '"question":"a \\"model\\" \\u0074"', '"question":" "', '"x":1'],
    ...['"priority":5', '"priority":"5"', '"model":"m"', '"model":7', '"query_id":"q"', 'x'],
    ...['"\\u0074ype":"response"', '"m\\u006fdel":"m"', '"p\\u0072iority":5', '"x":{"type":"y"}'],
  );
  const begin = fc.constantFrom(
    '{"type":"query",',
    '{"type": "query",',
    '{"question":"why?",',
    '{',
  );
  const assembled = fc
    .tuple(begin, fc.array(piece, { maxLength: 4 }), fc.constantFrom('}', '}', '}', '} ', '}x', ''))
    .map(([from, parts, to]) => `${from}${parts.join(',')}${to}`);

  test('a first look tells what the whole parser would tell', () => {
    const message = fc.oneof(column, { arbitrary: assembled, weight: 9 });
    const asked = fc.constantFrom(ASKED, '{"action_type":"question"}');
    const metadata = fc.oneof(column, { arbitrary: asked, weight: 9 });
    fc.assert(
      fc.property(message, metadata, (text, about) => {
        const parsed = parseQuestion(text, about);
        const glance = glanceAt(text, about);
        expect(glance === 'ignored').toBe(parsed.kind === 'ignored');
        if (parsed.kind !== 'question') return;
        expect(glance).toEqual({ priority: parsed.priority, model: parsed.model });
      }),
      { numRuns: 5000 },
    );
  });

  test('a message of any depth or size is sorted', () => {
    const deep = `{"type":"query","question":"why?","x":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    expect(parseQuestion(deep, null).kind).toBe('question');
    expect(parseQuestion(`{"type":"query","question":${'['.repeat(100_000)}`, ASKED).kind).toBe(
      'invalid',
    );
    expect(parseQuestion('x'.repeat(5_000_000), ASKED).kind).toBe('question');
  });

  test('a message reaches for no prototype', () => {
    const parsed = parseQuestion(
      '{"type":"query","question":"why?","__proto__":{"model":"evil"},"constructor":1}',
      null,
    );
    expect(parsed).toMatchObject({ kind: 'question', model: undefined });
  });
});

function query(field: string): string {
  return `{"type":"query","query_id":"q","question":"why?",${field}}`;
}

function stringify(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch {
    return '{"type":"query"}';
  }
}

test('a query without rare fields is judged as the whole schema judges it', () => {
  const field = fc.oneof(
    fc.string(),
    fc.constantFrom('', ' ', '\u00a0\ufeff', 'x'.repeat(257)),
    fc.anything(),
  );
  const body = fc.record(
    { query_id: field, question: field, context_file: field },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(body, (fields) => {
      const query = { type: 'query', ...(JSON.parse(JSON.stringify(fields)) as object) };
      const plain = parseQuestion(JSON.stringify(query), null);
      // A rare field that is null counts as absent, but takes the way through the schema.
      const whole = parseQuestion(JSON.stringify({ ...query, model: null }), null);
      expect(plain).toEqual(whole);
    }),
    { numRuns: 1000 },
  );
});
