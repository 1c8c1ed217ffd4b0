import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { Program, start } from '../support/process.js';
import { TempBus } from '../support/temp-bus.js';

const ROOT = resolve(import.meta.dirname, '../..');
const PAGE = readFileSync(join(ROOT, 'docs/monitoring.md'), 'utf8');
const EXAMPLES = [...PAGE.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code = '']) => code);
const [ASK, WAIT, CANCEL, WATCH, RESUME] = EXAMPLES;

/** A bus with a question on it, and the programs of the page beside it. */
function beside() {
  const temp = new TempBus();
  mkdirSync(join(temp.dir, 'node_modules'));
  symlinkSync(ROOT, join(temp.dir, 'node_modules/warmline'));
  return {
    temp,
    id: String(temp.ask(temp.addConversation(), '!fake echo because')),
    run: (code: string | undefined, ...words: string[]) => {
      const example = join(temp.dir, 'example.mjs');
      writeFileSync(example, code ?? '');
      return new Program(process.execPath, [example, temp.file, ...words], { cwd: temp.dir });
    },
    up: async () => {
      const words = ['--db', temp.file, '--context-root', temp.dir, '--engine', 'fake'];
      const program = start(['up', ...words, '--port', '0', '--log-level', 'warn']);
      await program.ready();
      return program;
    },
  };
}

test('the page has the programs that are run here', () => {
  expect(EXAMPLES.length).toBe(5);
});

test('a program asks and waits', async () => {
  const { run, up } = beside();
  const bridge = await up();
  const { code, stdout } = await run(ASK).ended;
  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^message \d+: ./) });
  await bridge.kill('SIGTERM');
});

test('a program waits for one message', async () => {
  const { id, run, up } = beside();
  const waiting = run(WAIT, id);
  await waiting.says(/^pending, attempt 0$/m);
  const bridge = await up();
  expect(await waiting.ended).toMatchObject({
    code: 0,
    stdout: 'pending, attempt 0\nprocessing, attempt 1\ncomplete, attempt 1\nbecause []\n',
  });
  expect(await run(WAIT, '4711').ended).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^failed: message 4711: missing: there is no such message/m),
  });
  await bridge.kill('SIGTERM');
});

test('a program takes a question back, and the one that waits for it is told', async () => {
  const { id, run } = beside();
  const waiting = run(WAIT, id);
  await waiting.says(/^pending, attempt 0$/m);
  expect(await run(CANCEL, id).ended).toMatchObject({ code: 0, stdout: 'cancelled\n' });
  expect(await waiting.ended).toMatchObject({
    code: 1,
    stdout: 'pending, attempt 0\nfailed, attempt 0\n',
    stderr: `failed: message ${id}: cancelled: the question was cancelled\n`,
  });
  expect(await run(CANCEL, id).ended).toMatchObject({ code: 0, stdout: 'finished\n' });
  expect(await run(CANCEL, '4711').ended).toMatchObject({ code: 0, stdout: 'missing\n' });
});

test('a program watches many messages', async () => {
  const { temp, id, run, up } = beside();
  const other = String(temp.ask(temp.addConversation(), '!fake echo and so'));
  const watching = run(WATCH, id, other, '4711');
  await watching.says(new RegExp(`^message ${other}: added -> pending$`, 'm'));
  const bridge = await up();
  const { code, stdout } = await watching.ended;
  expect(code).toBe(0);
  const saidOf = (each: string) =>
    stdout.split('\n').filter((line) => line.startsWith(`message ${each}`));
  for (const [each, answer] of [
    [id, 'because'],
    [other, 'and so'],
  ] as const) {
    expect(saidOf(each)).toEqual([
      `message ${each}: added -> pending`,
      `message ${each}: pending -> processing`,
      `message ${each}: processing -> complete`,
      `message ${each} ended with ${answer}`,
    ]);
  }
  expect(saidOf('4711').at(-1)).toMatch(/ended with missing: there is no such message/);
  await bridge.kill('SIGTERM');
});

test('a program that was killed goes on where it was', async () => {
  const { temp, id, run, up } = beside();
  const first = run(RESUME, 'state.json', id);
  await first.says(/: pending$/m);
  const state = join(temp.dir, 'state.json');
  await expect.poll(() => existsSync(state) && readFileSync(state, 'utf8')).toContain('waiting');
  await first.kill('SIGKILL');
  const bridge = await up();
  expect(await run(RESUME, 'state.json').ended).toMatchObject({
    code: 0,
    stdout: ['processing', 'complete', 'complete']
      .map((what) => `message ${id}: ${what}\n`)
      .join(''),
  });
  await bridge.kill('SIGTERM');
});
