import fc from 'fast-check';
import { expect, test } from 'vitest';
import { redactMessage } from '../../src/bus/index.js';

/** Joined at run time, so that no scanner takes this file for a leak. */
const KEY = ['sk', 'abcdefghijklmnopqrstuvwxyz012345'].join('-');

test('a secret is taken out of a JSON message wherever it stands, and the JSON stays JSON', async () => {
  const message = { list: [`x ${KEY}`, { deep: `Bearer ${KEY}` }], n: 1e21, none: null };
  const clean = await redactMessage(JSON.stringify(message));
  expect(JSON.parse(clean)).toEqual({
    list: ['x [REDACTED]', { deep: 'Bearer [REDACTED]' }],
    n: 1e21,
    none: null,
  });
});

test('the name that a value stands under tells that it is a password', async () => {
  const clean = await redactMessage('{"password": "correct-horse", "passage": "correct-horse"}');
  expect(JSON.parse(clean)).toEqual({ password: '[REDACTED]', passage: 'correct-horse' });
});

test('a message without a secret is left as it was written, to the last blank', async () => {
  const message =
    '{ "type": "query",  "question": "What is the token budget?", "id": 9007199254740993 }';
  expect(await redactMessage(message)).toBe(message);
});

test('text that only looks like JSON is redacted as text', async () => {
  expect(await redactMessage(`{"half": "${KEY}`)).toBe('{"half": "[REDACTED]');
  expect(await redactMessage(`Is ${KEY} mine?`)).toBe('Is [REDACTED] mine?');
});

test('a message nested as deep as it is long is no trouble', async () => {
  const depth = 20_000;
  const message = `${'['.repeat(depth)}"${KEY}"${']'.repeat(depth)}`;
  const clean = await redactMessage(message);
  expect(clean).toHaveLength(message.length - KEY.length + '[REDACTED]'.length);
  expect(clean).not.toContain(KEY);
});

test('whatever JSON comes in, JSON comes out, without the secret', async () => {
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 4 },
      fc.jsonValue(),
      fc.string().map((text) => `${text} ${KEY} `),
      fc.array(tie('any'), { maxLength: 3 }),
      fc.dictionary(fc.string(), tie('any'), { maxKeys: 3 }),
    ),
  })).any;
  await fc.assert(
    fc.asyncProperty(value, async (any) => {
      const message = JSON.stringify({ any });
      const clean = await redactMessage(message);
      expect(clean).not.toContain(KEY);
      expect(Object.keys(JSON.parse(clean))).toEqual(['any']);
      if (!message.includes(KEY)) expect(JSON.parse(clean)).toEqual(JSON.parse(message));
    }),
    { numRuns: 100 },
  );
});
