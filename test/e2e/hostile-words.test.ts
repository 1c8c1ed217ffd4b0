import { expect, test } from 'vitest';
import { makeBus, tempDir, warmline } from './warmline.js';

const EVIL = '\u001b]0;owned\u0007\u009b2J';
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const STEERS = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/;

test('an error steers no terminal with what it is about', async () => {
  const { code, stderr } = await warmline('poll', 'list', '--db', `${tempDir()}/no${EVIL}.db`);
  expect(code).toBe(78);
  expect(stderr).toContain('there is no bus');
  expect(stderr).not.toMatch(STEERS);
});

test('JSON steers no terminal, and is the same JSON', async () => {
  const db = `${tempDir()}/bus.db`;
  await makeBus(db, 0);
  const words = ['--task-id', 't', '--source', 'a', '--target', 'b', `q${EVIL}`];
  await warmline('poll', 'add', '--db', db, ...words);
  const { stdout } = await warmline('poll', 'list', '--db', db, '--json');
  expect(stdout).not.toMatch(STEERS);
  expect(JSON.parse(stdout).questions).toMatchObject([{ question: `q${EVIL}` }]);
});

test('init steers no terminal with the name of its file', async () => {
  const file = `${tempDir()}/w${EVIL}.toml`;
  const { stdout } = await warmline('init', '--config', file, '--port', '1');
  expect(stdout).toContain('Next:');
  expect(stdout).not.toMatch(STEERS);
});
