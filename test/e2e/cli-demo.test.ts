import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { processesNaming, start, tempDir, until, warmline } from '../support/process.js';

/** The demo keeps everything in a directory of its own, which it makes in `tmp`. */
function surroundings() {
  const tmp = tempDir();
  return { cwd: tmp, env: { TMPDIR: tmp } };
}

test('demo --once shows a question, its answer and its sources, and leaves nothing', async () => {
  const around = surroundings();
  const { code, stdout, stderr } = await warmline(['demo', '--once', '--port', '0'], around);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/^bus .*bus\.db$/m);
  expect(stdout).toMatch(/Question .*\n.+\?\n\nAnswer .*\n[\s\S]*transaction[\s\S]*\nSources\n/);
  expect(stdout).toMatch(/^ {2}ABOUT-WARMLINE\.md:\d+-\d+$/m);
  expect(stdout).not.toContain('Ctrl-C');
  expect(readdirSync(around.cwd)).toEqual([]);
  expect(processesNaming(around.cwd)).toEqual([]);
});

test('the demo keeps running until Ctrl-C, and what it tells people to try works', async () => {
  const around = surroundings();
  const program = start(['demo', '--port', '0'], around);
  await program.says(/Ctrl-C[\s\S]*SELECT/);
  const send = /main\.js (send "(.*)" --db (\S+) --conversation (\S+) --wait)/.exec(program.stdout);
  const [, , question = '', db = '', conversation = ''] = send ?? [];
  const words = ['send', question, '--db', db, '--conversation', conversation, '--wait'];
  expect(await warmline(words)).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/Sources/),
  });
  const [, port = ''] = /ask ".*" --port (\d+)/.exec(program.stdout) ?? [];
  expect(await warmline(['ask', question, '--port', port])).toMatchObject({ code: 0 });
  expect(await program.kill('SIGINT')).toMatchObject({ code: 0 });
  expect(readdirSync(around.cwd)).toEqual([]);
});

test('a demo that cannot have its port says how to use another', async () => {
  const first = start(['demo', '--port', '0'], surroundings());
  const [, port = ''] = await first.says(/bridge +127\.0\.0\.1:(\d+)/);
  const around = surroundings();
  const second = await warmline(['demo', '--once', '--port', port], around);
  expect(second.code).toBe(78);
  expect(second.stderr).toMatch(/already in use[\s\S]*npm run demo -- --port 0/);
  expect(readdirSync(around.cwd)).toEqual([]);
});

test("the demo is the same whatever the user's settings are", async () => {
  const around = surroundings();
  const env = { ...around.env, WARMLINE_PROT: '1', WARMLINE_ENGINE: 'fake' };
  const words = ['demo', '--once', '--port', '0'];
  const { code, stdout } = await warmline(words, { ...around, env });
  expect(code).toBe(0);
  expect(stdout).toContain('ABOUT-WARMLINE.md:');
});

test('Ctrl-C before the answer ends the demo as well', async () => {
  const around = surroundings();
  const program = start(['demo', '--port', '0'], around);
  await until(() => processesNaming(around.cwd).length > 0);
  expect(await program.kill('SIGINT')).toMatchObject({ code: 0 });
  expect(readdirSync(around.cwd)).toEqual([]);
  expect(processesNaming(around.cwd)).toEqual([]);
});

test('a killed demo leaves no program behind', async () => {
  const around = surroundings();
  const program = start(['demo', '--port', '0'], around);
  await program.says(/Ctrl-C/);
  expect(processesNaming(around.cwd).length).toBe(2);
  await program.kill('SIGKILL');
  await until(() => processesNaming(around.cwd).length === 0);
});
