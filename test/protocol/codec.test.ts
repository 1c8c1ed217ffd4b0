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
import { readCommon } from '../../src/protocol/short-cut.js';

const RESPONSE = {
  type: 'response' as const,
  answer: 'yes',
  sources: [],
  model: 'm',
  engine: 'e',
  session: 's',
  elapsed_ms: 1,
  queued_ms: 0,
};

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
    ['turn_timeout_ms', { type: 'query', question: 'q', turn_timeout_ms: 86_400_001 }],
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

  test('is read the same on its short cut as by the schema', () => {
    const text = fc.oneof(
      fc.string(),
      fc.constantFrom('', ' ', '\u00a0', '\ufeff\n', '\u0085', 'finish', 'cancel'),
      fc.nat({ max: 4100 }).map((length) => 'x'.repeat(length)),
      fc.constantFrom(128, 129, 256, 257, 4096, 4097).map((length) => 'x'.repeat(length)),
    );
    const number = fc.oneof(
      fc.integer(),
      fc.double(),
      fc.constantFrom(0, -0, 1, 86_400_000, 86_400_001, -1000, -1001, 1000, 1001, 2 ** 53, 1e300),
    );
    const value = fc.oneof(text, number, fc.boolean(), fc.jsonValue());
    const known = (right: fc.Arbitrary<unknown>) =>
      fc.oneof({ weight: 5, arbitrary: right }, { weight: 1, arbitrary: value });
    const fields = fc.record(
      {
        type: fc.constantFrom('query', 'query', 'query', 'ping'),
        id: known(fc.oneof(text, fc.integer())),
        question: known(text),
        context_file: known(text),
        session: known(text),
        model: known(text),
        stream: known(fc.boolean()),
        progress: known(fc.boolean()),
        timeout_ms: known(number),
        turn_timeout_ms: known(number),
        priority: known(number),
        request_id: known(text),
        on_disconnect: known(fc.constantFrom('finish', 'cancel')),
        pad: value,
      },
      { requiredKeys: ['type'] },
    );
    let short = 0;
    fc.assert(
      fc.property(fields, (request) => {
        const json = JSON.stringify(request);
        const parsed = Request.safeParse(JSON.parse(json));
        const decoded = decodeRequest(json);
        expect(decoded.ok).toBe(parsed.success);
        if (decoded.ok && parsed.success) expect(decoded.request).toEqual(parsed.data);
        if (readCommon(JSON.parse(json)) !== undefined) short += 1;
        expect(readCommon(JSON.parse(json)) !== undefined).toBe(
          parsed.success && (request.type === 'query' || request.id !== undefined),
        );
      }),
      { numRuns: 3000 },
    );
    expect(short).toBeGreaterThan(0);
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
      elapsed_ms: fc.nat().map((us) => us / 1000),
      queued_ms: fc.nat(),
      first_byte_ms: fc.option(fc.nat(), { nil: undefined }),
    });
    fc.assert(
      fc.property(required, optional, (always, sometimes) => {
        const reply = { type: 'response' as const, ...always, ...sometimes };
        const line = encodeResponse(reply);
        expect(line.indexOf('\n')).toBe(line.length - 1);
        expect(JSON.parse(line)).toEqual(reply);
      }),
    );
  });

  test('to a query tells its times to the microsecond, whatever they are', () => {
    const edges = fc.constantFrom(
      0,
      0.0004,
      0.0005,
      0.9995,
      2 ** 31 - 0.0001,
      2 ** 31,
      1e300,
      -7.5,
    );
    const ms = fc.oneof(fc.double({ noNaN: true, min: 0, max: 100_000 }), edges);
    fc.assert(
      fc.property(ms, ms, (elapsed_ms, queued_ms) => {
        const line = JSON.parse(encodeResponse({ ...RESPONSE, elapsed_ms, queued_ms }));
        const rounded = (time: number) => (time < 2 ** 31 ? Math.round(time * 1000) / 1000 : time);
        expect(line.elapsed_ms).toBe(rounded(elapsed_ms));
        expect(line.queued_ms).toBe(rounded(queued_ms));
      }),
    );
  });

  test('to a query names the model, engine and session that answered, whoever answered before', () => {
    const name = fc.oneof(fc.constantFrom('a', 'b'), fc.string(), fc.string({ minLength: 300 }));
    fc.assert(
      fc.property(name, name, name, (model, engine, session) => {
        const reply = { ...RESPONSE, model, engine, session };
        expect(JSON.parse(encodeResponse(reply))).toEqual(reply);
      }),
      { numRuns: 1000 },
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
