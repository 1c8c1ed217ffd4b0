import { performance } from 'node:perf_hooks';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isSuspect, redact } from '../../src/bus/index.js';

/** Joined at run time, so that no scanner takes this file for a leak. */
const secret = (...parts: string[]) => parts.join('');
const SECRETS: Record<string, string> = {
  'an AWS access key': secret('AK', 'IA', 'QWERTYUIOPASDFGH'),
  'a Google API key': secret('AI', 'za', 'SyA1234567890abcdefghijklmnopqrstuv'),
  'an OpenAI key': secret('sk', '-', 'abcdefghijklmnopqrstuvwxyz0123456789'),
  'an OpenAI project key': secret('sk', '-proj-', 'abcdefghijklmnopqrstuvwxyz0123456789'),
  'an Anthropic key': secret('sk', '-ant-api03-', 'a'.repeat(93), 'AA'),
  'a GitHub token': secret('gh', 'p_', 'abcdefghijklmnopqrstuvwxyz0123456789'),
  'a fine-grained GitHub token': secret('github', '_pat_', '11ABCDEFG0abcdefghijklmnop'),
  'a Slack token': secret('xo', 'xb-', '123456789012-abcdefghijkl'),
  'a JSON web token': secret(
    'ey',
    'JhbGciOiJIUzI1NiJ9',
    '.ey',
    'JzdWIiOiIxMjM0NTY3ODkwIn0.abc-DEF_123',
  ),
  'a Stripe key': secret('sk', '_live_', 'abcdefghijklmnopqrstuvwx'),
  'a GitLab token': secret('gl', 'pat-', 'abcdefghij0123456789'),
  'a PyPI token': secret('py', 'pi-', 'AgEIcHlwaS5vcmc'.repeat(4)),
  'a Hugging Face token': secret('h', 'f_', 'abcdefghijklmnopqrstuvwxyzABCDEFGH'),
  'an npm token': secret('np', 'm_', 'abcdefghijklmnopqrstuvwxyz0123456789'),
  'a private key': secret(
    '-----BEGIN RSA PRIV',
    'ATE KEY-----\nMIIEabc\n-----END RSA PRIV',
    'ATE KEY-----',
  ),
};

for (const [kind, value] of Object.entries(SECRETS)) {
  test(`${kind} never reaches the bus`, async () => {
    const clean = await redact(`It is ${value}, keep it.`);
    expect(clean).not.toContain(value);
    expect(clean).toContain('[REDACTED]');
    expect(clean.startsWith('It is ')).toBe(true);
    expect(clean.endsWith(', keep it.')).toBe(true);
  });
}

test('a bearer token and a password lose their value and keep their name', async () => {
  const token = secret('abcdef', '0123456789', 'ghijkl');
  expect(await redact(`Authorization: Bearer ${token}`)).toBe('Authorization: Bearer [REDACTED]');
  const basic = secret('dXNlcjpw', 'YXNzd29yZA==');
  expect(await redact(`Authorization: Basic ${basic}`)).toBe('Authorization: Basic [REDACTED]');
  const account = secret('QUJDREVG'.repeat(8), '==');
  expect(await redact(`AccountName=x;AccountKey=${account};`)).toBe(
    'AccountName=x;AccountKey=[REDACTED];',
  );
  const password = secret('hunter2', 'hunter2');
  expect(await redact(`{"password": "${password}"}`)).toBe('{"password": "[REDACTED]"}');
});

test('ordinary answers are left as they are', async () => {
  const text = 'The lease lasts 30 seconds; see SESSION-RESUME.md:65-66 and `gemma3_extract`.';
  expect(await redact(text)).toBe(text);
});

test('redacting leaves no record behind in the process', async () => {
  const before = performance.getEntries().length;
  for (let time = 0; time < 20; time += 1)
    await redact('The password is: not told here, a secret.');
  expect(performance.getEntries()).toHaveLength(before);
});

test('a text that is not suspect is returned unchanged', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string(), async (text) => {
      fc.pre(!isSuspect(text));
      expect(await redact(text)).toBe(text);
    }),
  );
});
