import fc from 'fast-check';
import { expect, test } from 'vitest';
import { complaintOf, explain, judge, waitIn } from '../../../src/engines/acp/failures.js';

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
    'engine_limit',
  ],
  [{ code: -32603, message: 'Internal error: Prompt is too long' }, 'context_too_large'],
  [
    { code: -32603, message: 'Internal error: API Error: 529 overloaded_error' },
    'engine_unavailable',
  ],
  [{ code: -32603, message: 'Internal error: API Error: 401 invalid x-api-key' }, 'engine_auth'],
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
    'engine_limit',
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

test.each([
  ['Please retry in 12.5s.', 12_500],
  ['try again in 5 minutes', 300_000],
  ['resets in 2 hours', 7_200_000],
  ['Retry after 30 sec', 30_000],
  ['try again in 999999 hours', 8 * 24 * 3_600_000],
  ['try again later', undefined],
  ['resets 10:50pm', undefined],
  ['', undefined],
])('%j asks to wait %s ms', (text, waitMs) => {
  expect(waitIn(text)).toBe(waitMs);
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
