import fc from 'fast-check';
import { expect, test } from 'vitest';
import { failureOf } from '../../../src/engines/api/failure.js';
import { type Problem, problemOf } from '../../../src/engines/api/problem.js';
import { isErrorCode } from '../../../src/errors.js';

const KEY = 'k3y-of-the-test';
const SERVICE = { engine: 'remote', model: 'm-1', url: 'http://127.0.0.1:1/v1', key: KEY };
const NOW = Date.parse('2026-11-20T23:00:00Z');

const CREDIT_TOO_LOW =
  'Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.';
const USAGE_LIMIT =
  'You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.';

type Refusal = Extract<Problem, { how: 'refused' }>;

function refused(status: number | undefined, more: Partial<Refusal> = {}) {
  const headers = new Headers();
  return failureOf(
    { how: 'refused', status, kinds: [], words: '', headers, ...more },
    SERVICE,
    NOW,
  );
}

test.each([
  [401, {}, 'engine_auth', 'auth'],
  [403, {}, 'engine_auth', 'auth'],
  [402, {}, 'engine_limit', 'limit'],
  [429, {}, 'engine_limit', 'limit'],
  [429, { kinds: ['insufficient_quota'] }, 'engine_limit', 'limit'],
  [403, { kinds: ['billing_not_active'] }, 'engine_limit', 'limit'],
  [400, { words: CREDIT_TOO_LOW }, 'engine_limit', 'limit'],
  [400, { words: USAGE_LIMIT }, 'engine_limit', 'limit'],
  [500, {}, 'engine_unavailable', 'nothing'],
  [503, { words: 'context window of the pool' }, 'engine_unavailable', 'nothing'],
  [529, {}, 'engine_unavailable', 'nothing'],
  [408, {}, 'engine_unavailable', 'nothing'],
  [400, {}, 'bad_request', 'nothing'],
  [422, {}, 'bad_request', 'nothing'],
  [400, { kinds: ['context_length_exceeded'] }, 'context_too_large', 'nothing'],
  [400, { words: 'prompt is too long: 210000 tokens' }, 'context_too_large', 'nothing'],
  [400, { kinds: ['exceed_context_size_error'] }, 'context_too_large', 'nothing'],
  [413, {}, 'context_too_large', 'nothing'],
  [404, {}, 'engine_unavailable', 'nothing'],
  [307, {}, 'engine_unavailable', 'nothing'],
  [undefined, { kinds: ['overloaded_error'] }, 'engine_unavailable', 'nothing'],
  [undefined, { kinds: ['rate_limit_error'] }, 'engine_limit', 'limit'],
  [undefined, { kinds: ['api_error'] }, 'engine_error', 'nothing'],
] as const)('a refusal %s %j is %s', (status, more, code, of) => {
  const { error, tells } = refused(status, more);
  expect({ code: error.code, of: tells.of }).toEqual({ code, of });
});

test.each([
  'What does the billing department do?',
  'What does insufficient_quota mean? And insufficient funds?',
  `What is to be done about "${CREDIT_TOO_LOW}"`,
])('a server that quotes the question %j says nothing about the account', (question) => {
  for (const status of [400, 422]) {
    const kinds = ['invalid_request_error'];
    const { error, tells } = refused(status, { kinds, words: `Not valid: ${question}` });
    expect(error.code).toBe('bad_request');
    expect(tells).toEqual({ of: 'nothing' });
  }
});

test('a limit says when it ends; credit that is used up does not', () => {
  const headers = new Headers({ 'retry-after': '90' });
  expect(refused(429, { headers })).toMatchObject({
    error: { retryAfterMs: 90_000 },
    tells: { waitMs: 90_000 },
  });
  const spent = refused(429, { headers, kinds: ['insufficient_quota'] });
  expect(spent.error.retryAfterMs).toBeUndefined();
  expect(spent.tells).toEqual({ of: 'limit', waitMs: undefined });
});

test.each([
  ['ECONNREFUSED', 'engine_unavailable', /is the server running there/],
  ['ENOTFOUND', 'engine_unavailable', /correct the base URL/],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'engine_unavailable', /ca_file/],
  ['HPE_INVALID_CONSTANT', 'engine_unavailable', /does not speak HTTP/],
  ['ECONNRESET', 'engine_error', /broke off/],
  ['', 'engine_error', /broke off/],
])('a failure with %s is %s', (code, expected, sentence) => {
  const { error } = failureOf({ how: 'failed', code, words: 'w' }, SERVICE, NOW);
  expect(error.code).toBe(expected);
  expect(error.message).toMatch(sentence);
});

test('an unknown model is told with those there are', () => {
  const problem: Problem = {
    how: 'refused',
    status: 404,
    kinds: [],
    words: '',
    headers: new Headers(),
  };
  const models = Array.from({ length: 25 }, (_, n) => `model-${n}`);
  const { message } = failureOf(problem, SERVICE, NOW, models).error;
  expect(message).toContain('no model m-1');
  expect(message).toContain('model-0, model-1');
  expect(message).toContain('and 5 more');
});

test('whatever a server says: a known code, one short line, and never the key', () => {
  const words = fc.tuple(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }));
  const kinds = fc.array(fc.oneof(fc.string(), fc.constantFrom('rate_limit_error', '__proto__')));
  const status = fc.option(fc.integer({ min: 300, max: 599 }), { nil: undefined });
  fc.assert(
    fc.property(words, kinds, status, ([before, after], kinds, status) => {
      const said = `${before}${KEY}${after} sk-proj-abc***wxyz`;
      const { error } = refused(status, { words: said, kinds });
      expect(isErrorCode(error.code)).toBe(true);
      expect(error.message).not.toContain(KEY);
      expect(error.message).not.toContain('wxyz');
      expect(error.message).not.toMatch(/[\n\r]/);
      expect(error.message.isWellFormed()).toBe(true);
      expect(error.message.length).toBeLessThan(700);
      expect(error.cause).toBeUndefined();
    }),
  );
});

test('a key at the edge of what is read of a refusal is not shown in part', () => {
  for (let before = 4_000 - KEY.length; before <= 4_000; before += 1) {
    const { message } = refused(400, { words: `${' '.repeat(before)}${KEY}` }).error;
    expect(message).not.toContain(KEY.slice(0, 4));
  }
});

test('nothing a server says turns the text around or moves the cursor', () => {
  const words = '\u202eevil\u202c \u2066a\u2069 b\u200fc \u001b[2J\u2028d\ufeff';
  const { message } = refused(400, { words }).error;
  expect(message).toContain('evil a b c [2J d');
  expect(message).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
});

test('anything that can be thrown is a problem', () => {
  fc.assert(
    fc.property(fc.anything(), (thrown) => {
      const problem = problemOf(thrown);
      expect(isErrorCode(failureOf(problem, SERVICE, NOW).error.code)).toBe(true);
    }),
  );
});
