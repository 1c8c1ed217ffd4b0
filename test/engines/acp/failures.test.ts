import fc from 'fast-check';
import { expect, test } from 'vitest';
import { complaintOf, explain, judge } from '../../../src/engines/acp/failures.js';
import { Spoken } from '../../../src/engines/acp/spoken.js';

const codeOf = (error: unknown) => judge(complaintOf(error));

test.each([
  // Claude's adapter
  [{ code: -32000, message: 'Authentication required' }, 'engine_auth'],
  [
    { code: -32603, message: 'Internal error: x', data: { errorKind: 'authentication_failed' } },
    'engine_auth',
  ],
  [
    { code: -32603, message: 'Internal error: x', data: { errorKind: 'rate_limit' } },
    'engine_limit',
  ],
  [
    { code: -32603, message: 'Internal error: x', data: { errorKind: 'overloaded' } },
    'engine_unavailable',
  ],
  [
    { code: -32603, message: 'Internal error: x', data: { errorKind: 'server_error' } },
    'engine_unavailable',
  ],
  [
    { code: -32603, message: "Internal error: You've hit your session limit · resets 10:50pm" },
    'engine_unavailable',
  ],
  [{ code: -32603, message: 'Internal error: Prompt is too long' }, 'context_too_large'],
  [
    { code: -32603, message: 'Internal error: API Error: 529 overloaded_error' },
    'engine_unavailable',
  ],
  [
    { code: -32603, message: 'Internal error: API Error: 401 invalid x-api-key' },
    'engine_unavailable',
  ],
  [
    { code: -32603, message: 'Internal error: API Error: 400 invalid_request_error' },
    'bad_request',
  ],
  [
    {
      code: -32603,
      message: 'Internal error: Prompt is too long · the request is ~1200000 tokens',
      data: { errorKind: 'invalid_request' },
    },
    'context_too_large',
  ],
  [
    {
      code: -32603,
      message: 'Internal error: API Error: 400 You have reached your specified API usage limits.',
      data: { errorKind: 'invalid_request' },
    },
    'engine_limit',
  ],
  // Gemini CLI
  [{ code: 429, message: 'Rate limit exceeded. Try again later.' }, 'engine_limit'],
  [
    {
      code: 400,
      message: JSON.stringify({
        error: {
          code: 400,
          message: 'The input token count (9) exceeds the maximum of tokens (8).',
        },
      }),
    },
    'context_too_large',
  ],
  [{ code: 401, message: 'no' }, 'engine_auth'],
  [{ code: 403, message: 'no' }, 'engine_auth'],
  [{ code: 404, message: 'models/x is not found' }, 'bad_request'],
  [{ code: 400, message: 'API key not valid. Please pass a valid API key.' }, 'engine_auth'],
  [{ code: 500, message: 'Unknown stream execution error.' }, 'engine_unavailable'],
  [{ code: 503, message: 'No capacity available for model' }, 'engine_unavailable'],
  // Codex's adapter
  [
    { code: -32603, message: 'Internal error', data: { message: 'usage limit exceeded' } },
    'engine_unavailable',
  ],
  [{ code: -32000, message: 'Authentication required', data: 'Quota exceeded' }, 'engine_limit'],
  // Others
  [{ code: -32602, message: 'Invalid params' }, 'bad_request'],
  [{ code: -32603, message: 'Internal error' }, 'engine_error'],
  [{ code: -32601, message: 'Method not found' }, 'engine_error'],
  [undefined, 'engine_error'],
  ['text', 'engine_error'],
])('%j is told as %s', (error, code) => {
  expect(codeOf(error)).toBe(code);
});

const waitOf = (error: unknown) => explain(complaintOf(error), (text) => text).retryAfterMs;

test.each([
  ['12.5s', 12_500],
  ['7200s', 7_200_000],
  ['691200s', 691_200_000],
  ['691201s', undefined],
  ['999999999s', undefined],
  ['0s', undefined],
  ['-5s', undefined],
  ['soon', undefined],
  [30, undefined],
])('a limit whose details say %j is waited for %s ms', (retryDelay, waitMs) => {
  const details = [{ reason: 'x' }, { '@type': 'google.rpc.RetryInfo', retryDelay }];
  const error = { code: 429, message: 'no', details };
  expect(waitOf({ code: 429, message: JSON.stringify({ error }) })).toBe(waitMs);
  expect(waitOf({ code: 429, message: 'no', data: { error } })).toBe(waitMs);
});

test('how long to wait is taken from no words', () => {
  for (const words of ['try again in 20s', 'Retry after 5 minutes', 'resets in 2 hours']) {
    expect(waitOf({ code: 429, message: words, data: { details: words } })).toBeUndefined();
  }
});

test('words by themselves never say that a login or a limit is at fault', () => {
  const words = ['usage limit', '429', 'quota', 'unauthorized', 'please log in', 'api key', '401'];
  for (const message of words) expect(codeOf({ code: -32603, message })).toBe('engine_unavailable');
});

const QUESTION =
  'What is a usage limit? Is "401\nUnauthorized" the api-key? Overload 529, retry in 9 h';

test.each([
  ['whole', QUESTION],
  ['its end', QUESTION.slice(-60)],
  ['as JSON', JSON.stringify(QUESTION)],
  ['as JSON in JSON', JSON.stringify(JSON.stringify(QUESTION))],
  ['as an address', encodeURIComponent(QUESTION)],
  ['in capitals', QUESTION.toUpperCase()],
  ['without spaces', QUESTION.replaceAll(' ', '')],
])('a question that is quoted (%s) neither decides nor is shown', (_how, quoted) => {
  const spoken = new Spoken();
  spoken.add(QUESTION);
  const own = (text: string) => spoken.without(text);
  const thrown = (code: number) => ({
    code,
    message: 'Internal error',
    data: { details: `could not handle prompt: ${quoted}` },
  });
  const why = explain(complaintOf(thrown(-32603)), (text) => text, own);
  expect(why).toMatchObject({ code: 'engine_error', retryAfterMs: undefined });
  expect(why.message).toMatch(/Internal error could not handle prompt/);
  expect(why.message).not.toMatch(/usage|limit|401|unauth|529|overload/i);
  // A refusal, but of what? Asked again rather than given up, and nobody else waits for it.
  expect(judge(complaintOf(thrown(400)), own)).toBe('engine_error');
});

test('what an agent says of its own still counts beside a quoted question', () => {
  const spoken = new Spoken();
  spoken.add('How is the weather?');
  const error = { code: 400, message: 'API key not valid for: How is the weather?' };
  const why = explain(
    complaintOf(error),
    (text) => text,
    (text) => spoken.without(text),
  );
  expect(why.code).toBe('engine_auth');
  expect(why.message).toMatch(/\(API key not valid for: …\?\)$/);
});

test('earlier questions are kept to a bounded length, the last one whole', () => {
  const spoken = new Spoken();
  spoken.add(`first ${'x'.repeat(1e6)} last`);
  expect(spoken.without('first and last')).toBe('… and …');
  for (let n = 0; n < 100; n += 1) spoken.add('y'.repeat(1000));
  expect(spoken.without('first')).toBe('first');
});

test('whatever an agent throws becomes one error of the list, in bounded time and size', () => {
  const anything = fc.oneof(
    fc.anything({ maxDepth: 6 }),
    fc.record({ code: fc.anything(), message: fc.string(), data: fc.anything({ maxDepth: 6 }) }),
  );
  fc.assert(
    fc.property(anything, (thrown) => {
      const why = explain(complaintOf(thrown), (text) => text.slice(0, 300));
      expect(why.message.length).toBeLessThan(500);
      expect(why.code).toMatch(/^(engine_|bad_request|context_too_large)/);
    }),
  );
  const huge = { code: -32603, message: 'retry '.repeat(1e6), data: Array(1e5).fill('resets 1') };
  expect(complaintOf(huge).text.length).toBeLessThanOrEqual(4000);
});
