import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  BARE_WORDS,
  decodeRequest,
  ErrorReply,
  encodeError,
  encodePong,
  encodeReply,
  encodeResponse,
  PongReply,
  Request,
} from '../../src/protocol/index.js';

const decode = (value: unknown) => decodeRequest(JSON.stringify(value));

describe('a request', () => {
  test('keeps its known fields and loses the unknown ones', () => {
    const known = {
      type: 'query',
      id: 'a',
      question: 'why?',
      timeout_ms: 5,
      on_disconnect: 'cancel',
    };
    expect(decode({ ...known, colour: 'blue' })).toEqual({ ok: true, request: known });
  });

  test.each(BARE_WORDS)('may be the bare word %s', (word) => {
    expect(decodeRequest(` ${word} `)).toEqual({ ok: true, request: { type: word } });
  });

  test.each([
    ['question', { type: 'query' }],
    ['question', { type: 'query', question: ' \n' }],
    ['question', { type: 'query', question: 7 }],
    ['context_file', { type: 'query', question: 'q', context_file: 7 }],
    ['session', { type: 'query', question: 'q', session: '' }],
    ['model', { type: 'query', question: 'q', model: 'm'.repeat(257) }],
    ['stream', { type: 'query', question: 'q', stream: 'yes' }],
    ['progress', { type: 'query', question: 'q', progress: 1 }],
    ['timeout_ms', { type: 'query', question: 'q', timeout_ms: 0 }],
    ['priority', { type: 'query', question: 'q', priority: 1.5 }],
    ['request_id', { type: 'query', question: 'q', request_id: null }],
    ['on_disconnect', { type: 'query', question: 'q', on_disconnect: 'wait' }],
    ['id', { type: 'query', question: 'q', id: 1.5 }],
    ['id', { type: 'ping', id: 'x'.repeat(129) }],
    ['id', { type: 'ping', id: null }],
    ['id', { type: 'cancel' }],
    ['token', { type: 'hello', token: 5 }],
    ['type', { type: 'fetch' }],
    ['type', { question: 'q' }],
  ])('is refused with the name of the wrong field: %s', (field, value) => {
    const decoded = decode(value);
    expect(decoded).toMatchObject({ ok: false, code: 'bad_request' });
    expect(!decoded.ok && decoded.message.startsWith(`${field}: `)).toBe(true);
  });

  test('that is refused keeps a readable id, and says whether its sender waits for one line', () => {
    expect(decode({ type: 'query', id: 7 })).toMatchObject({ id: 7, oneShot: false });
    expect(decode({ type: 'query' })).toMatchObject({ id: undefined, oneShot: true });
    expect(decode({ type: 'query', id: {} })).toMatchObject({ id: undefined, oneShot: false });
    expect(decode({ type: 'cancel' })).toMatchObject({ oneShot: false });
  });

  test.each([
    '',
    'nul',
    'null',
    '42',
    '"ping"',
    '[]',
    '[{"type":"ping"}]',
    '{"type":"ping"',
    'PING',
    'GET / HTTP/1.1',
  ])('is not %j: bad_json', (text) => {
    expect(decodeRequest(text)).toMatchObject({ ok: false, code: 'bad_json' });
  });

  test('gains nothing from __proto__', () => {
    const decoded = decodeRequest('{"type":"query","question":"q","__proto__":{"stream":true}}');
    expect(decoded).toEqual({ ok: true, request: { type: 'query', question: 'q' } });
    expect(decodeRequest('{"__proto__":{"type":"ping"}}')).toMatchObject({ code: 'bad_request' });
    expect(({} as Record<string, unknown>).stream).toBeUndefined();
  });

  test('of any shape is decoded or refused, and never throws', () => {
    const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
    expect(decodeRequest(deep).ok).toBe(false);
    expect(decodeRequest(`{"type":"query","question":${deep}}`).ok).toBe(false);
    const field = fc.constantFrom(
      'type',
      'id',
      'question',
      'session',
      'stream',
      '__proto__',
      'token',
    );
    const value = fc.oneof(fc.constantFrom('query', 'ping', 'cancel', 'hello'), fc.jsonValue());
    fc.assert(
      fc.property(fc.dictionary(field, value), (object) => {
        const decoded = decode(object);
        if (decoded.ok) expect(Request.safeParse(decoded.request).success).toBe(true);
        else expect(decoded.message).not.toBe('');
      }),
      { numRuns: 1000 },
    );
  });

  test('that is a ping is read the same on its short cut as by the schema', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.integer(), fc.double(), fc.jsonValue()), (id) => {
        const text = JSON.stringify({ type: 'ping', id, pad: 'x' });
        const parsed = Request.safeParse(JSON.parse(text));
        const decoded = decodeRequest(text);
        expect(decoded.ok).toBe(parsed.success);
        if (decoded.ok && parsed.success) expect(decoded.request).toEqual(parsed.data);
      }),
    );
  });
});

describe('a reply', () => {
  test('is one line, whatever text it carries', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const line = encodeReply({ type: 'delta', id: 1, seq: 0, text });
        expect(line.indexOf('\n')).toBe(line.length - 1);
        expect(JSON.parse(line).text).toBe(text);
      }),
    );
  });

  test('to a query is what JSON makes of its fields', () => {
    const text = fc.string({ unit: 'binary' });
    const optional = fc.record(
      {
        id: fc.oneof(text, fc.integer()),
        usage: fc.constant({ input_tokens: 1, output_tokens: 2 }),
        stop_reason: text,
        request_id: text,
      },
      { requiredKeys: [] },
    );
    const required = fc.record({
      answer: text,
      sources: fc.array(text),
      model: text,
      engine: text,
      session: text,
      elapsed_ms: fc.double({ noNaN: true, noDefaultInfinity: true, min: 0 }),
      queued_ms: fc.nat(),
    });
    fc.assert(
      fc.property(required, optional, (always, sometimes) => {
        const line = encodeResponse({ ...always, ...sometimes });
        expect(line.indexOf('\n')).toBe(line.length - 1);
        expect(JSON.parse(line)).toEqual({ type: 'response', ...always, ...sometimes });
      }),
    );
  });

  test('to a ping carries its id', () => {
    for (const id of ['a"\n', 7, -1, undefined]) {
      const reply = PongReply.parse(JSON.parse(encodePong(id)));
      expect(reply.id).toBe(id);
    }
  });

  test('that is an error without id can be read by a client that only knows answers', () => {
    const line = JSON.parse(encodeError({ code: 'busy', message: 'try later', retryAfterMs: 50 }));
    expect(ErrorReply.parse(line)).toEqual({
      type: 'error',
      code: 'busy',
      message: 'try later',
      retryable: true,
      retry_after_ms: 50,
      answer: 'Error: try later',
      sources: [],
    });
  });

  test('that is an error with id carries no answer', () => {
    const line = JSON.parse(encodeError({ code: 'bad_request', message: 'no', id: 4, line: 9 }));
    expect(line).toEqual({
      type: 'error',
      id: 4,
      code: 'bad_request',
      message: 'no',
      retryable: false,
      line: 9,
    });
  });
});
