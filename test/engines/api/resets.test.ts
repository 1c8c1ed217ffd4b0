import fc from 'fast-check';
import { expect, test } from 'vitest';
import { limitWait, parseWait, retryAfter } from '../../../src/engines/api/resets.js';

const NOW = Date.parse('2026-11-20T23:00:00Z');
const DAY = 86_400_000;
const wait = (headers: Record<string, string>) => limitWait(new Headers(headers), NOW);

test.each([
  ['30', 30_000],
  ['1.5', 1_500],
  ['0', 0],
  [' 7 ', 7_000],
  ['20ms', 20],
  ['1s', 1_000],
  ['6m0s', 360_000],
  ['1h2m3.5s', 3_723_500],
  ['1d', DAY],
  ['1795219260', Date.UTC(2026, 10, 21, 0, 1) - NOW],
  ['1795219260000', Date.UTC(2026, 10, 21, 0, 1) - NOW],
  ['2026-11-20T23:01:00Z', 60_000],
  ['2026-11-21T00:01:00.5+01:00', 60_500],
  ['Fri, 20 Nov 2026 23:00:10 GMT', 10_000],
  ['2026-11-20T22:00:00Z', 0],
])('%s is a time to wait', (text, expected) => {
  expect(parseWait(text, NOW)).toBe(expected);
});

test.each(['', 'soon', '-5', 'NaN', '1e3', '6m0', 'm', '12 apples', '99-99-99T99:99Z'])(
  '%j is no time to wait',
  (text) => {
    expect(parseWait(text, NOW)).toBeUndefined();
  },
);

test.each([
  { 'retry-after': 'Fri, 31 Dec 9999 23:59:59 GMT' },
  { 'retry-after': '999999999' },
  { 'retry-after': '691201' },
  { 'retry-after-ms': '691200001' },
  { 'x-ratelimit-reset-requests': '9999999999999999' },
  { 'x-ratelimit-reset-tokens': '9d' },
  { 'anthropic-ratelimit-unified-reset': '2027-11-20T23:00:00Z' },
])('a reset further away than eight days is none: %j', (headers) => {
  expect(wait(headers)).toBeUndefined();
  expect(wait({ ...headers, 'x-ratelimit-reset': '6s' })).toBe(6_000);
});

test('whatever a server writes is no wait or one of 0 to 8 days', () => {
  const written = fc.oneof(
    fc.string(),
    fc.string({ unit: fc.constantFrom(...'0123456789.hmsdu:-TZ ') }),
    fc.double().map(String),
    fc.date().map((date) => (Number.isNaN(date.getTime()) ? '' : date.toISOString())),
  );
  fc.assert(
    fc.property(written, (text) => {
      const ms = parseWait(text, NOW);
      if (ms !== undefined) expect(ms >= 0 && ms <= 8 * DAY && Number.isInteger(ms)).toBe(true);
    }),
  );
});

test('a duration is read as it was written', () => {
  const parts = fc.record({ h: fc.nat(23), m: fc.nat(59), s: fc.nat(59), ms: fc.nat(999) });
  fc.assert(
    fc.property(parts, ({ h, m, s, ms }) => {
      const expected = ((h * 60 + m) * 60 + s) * 1000 + ms;
      expect(parseWait(`${h}h${m}m${s}s${ms}ms`, NOW)).toBe(expected);
    }),
  );
});

test('a point in time is as far away as it is', () => {
  fc.assert(
    fc.property(fc.nat(8 * 86_400), (s) => {
      const at = NOW + s * 1000;
      expect(parseWait(new Date(at).toISOString(), NOW)).toBe(s * 1000);
      expect(parseWait(String(at / 1000), NOW)).toBe(s * 1000);
    }),
  );
});

test('what the server asks for comes before what its limits say', () => {
  const limits = { 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '6m0s' };
  expect(wait({ ...limits, 'retry-after': '5' })).toBe(5_000);
  expect(wait({ ...limits, 'retry-after': '5', 'retry-after-ms': '1500' })).toBe(1_500);
  expect(wait({ ...limits, 'retry-after': 'later' })).toBe(360_000);
});

test('only the limits that are used up are waited for', () => {
  const one = { 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '2s' };
  const other = { 'x-ratelimit-remaining-tokens': '900', 'x-ratelimit-reset-tokens': '1h' };
  expect(wait({ ...one, ...other })).toBe(2_000);
  expect(wait({ ...one, ...other, 'x-ratelimit-remaining-tokens': '0' })).toBe(3_600_000);
});

test('when it is not said which limit is used up, the latest reset is waited for', () => {
  const resets = {
    'anthropic-ratelimit-requests-reset': '2026-11-20T23:00:30Z',
    'anthropic-ratelimit-input-tokens-reset': '2026-11-20T23:02:00Z',
  };
  expect(wait(resets)).toBe(120_000);
  expect(wait({})).toBeUndefined();
});

test('a server that is only overloaded is not asked to make its limits whole', () => {
  const headers = new Headers({ 'x-ratelimit-reset-tokens': '6m0s' });
  expect(retryAfter(headers, NOW)).toBeUndefined();
  headers.set('retry-after', '3');
  expect(retryAfter(headers, NOW)).toBe(3_000);
});
