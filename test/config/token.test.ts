import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readToken } from '../../src/config/index.js';
import { ConfigError } from '../../src/errors.js';

const TOKEN = '0123456789abcdef0123456789abcdef';

function tokenFile(content: string, mode: number): string {
  const dir = mkdtempSync(join(tmpdir(), 'warmline-token-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, 'token');
  writeFileSync(file, content);
  chmodSync(file, mode);
  return file;
}

test('a token is read without the line end after it', () => {
  expect(readToken(tokenFile(`${TOKEN}\n`, 0o600))).toBe(TOKEN);
});

test.each([0o640, 0o604, 0o660, 0o622])(
  'a file of mode %o is refused with the command that helps',
  (mode) => {
    const file = tokenFile(TOKEN, mode);
    expect(() => readToken(file)).toThrow(
      new ConfigError(`others can read the token file ${file}; run: chmod 600 ${file}`),
    );
  },
);

test.each(['', '\n', 'short', 'x'.repeat(5000)])(
  'an unusable token is refused without being shown',
  (token) => {
    const file = tokenFile(token, 0o600);
    expect(() => readToken(file)).toThrow(/must have 16 to 4096 characters; make one: openssl/);
    if (token.trim() !== '') expect(() => readToken(file)).not.toThrow(token);
  },
);

test('a missing file is refused with the command that makes one', () => {
  expect(() => readToken('/nowhere/token')).toThrow(/cannot read the token file.*umask 077/);
});

test('a directory is refused', () => {
  const dir = `${tokenFile('', 0o600)}-dir`;
  mkdirSync(dir, { mode: 0o700 });
  expect(() => readToken(dir)).toThrow(ConfigError);
});
