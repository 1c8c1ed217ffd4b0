import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createLogger } from '../src/log.js';
import { VERSION } from '../src/version.js';

function capture(options: { level?: 'info' | 'debug'; pretty?: boolean } = {}) {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  return { lines, log: createLogger({ level: 'info', destination, ...options }) };
}

test('a log line is one JSON object with what its logger was bound to', () => {
  const { lines, log } = capture();
  log.child({ conversation: 'conv_1' }).info({ question: 3 }, 'answered');
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] as string)).toMatchObject({
    level: 30,
    conversation: 'conv_1',
    question: 3,
    msg: 'answered',
  });
});

test('secrets are not in the log, at the top or nested', () => {
  const { lines, log } = capture();
  const secret = 'hush-hush';
  log.info({ token: secret, options: { token: secret, headers: { authorization: secret } } }, 'x');
  log.child({ authorization: secret }).info('y');
  expect(lines.join('')).not.toContain(secret);
  expect(lines.join('')).toContain('[redacted]');
});

test('lines below the level are not written', () => {
  const { lines, log } = capture();
  log.debug('quiet');
  expect(lines).toEqual([]);
});

test('readable lines are not JSON', () => {
  const { lines, log } = capture({ pretty: true });
  log.warn({ port: 9999 }, 'careful');
  expect(lines.join('')).toMatch(/WARN.*careful/);
  expect(() => JSON.parse(lines.join(''))).toThrow();
});

test('the version is the one in package.json', () => {
  const manifest = JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8'));
  expect(VERSION).toBe(manifest.version);
});
