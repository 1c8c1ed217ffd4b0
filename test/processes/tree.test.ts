import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { cleanEnvironment, spawnTree } from '../../src/processes/index.js';
import { isAlive, tempDir, until } from '../support/process.js';
import { carriersOf, grow, markOf, node, shell } from './grow.js';

const IGNORE_TERM = 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1e6);';

test('a program is spoken to through its standard input and output', async () => {
  const { tree, line } = grow('cat', []);
  tree.stdin.write('hello\n');
  expect(await line()).toBe('hello');
  tree.stdin.end();
  expect(await tree.exited).toEqual({ code: 0, signal: null });
});

test('words of a command reach the program as they are, never through a shell', async () => {
  const { line } = grow('printf', ['%s\n', '$(id); `id` "*"']);
  expect(await line()).toBe('$(id); `id` "*"');
});

test('a program that is not there is said so at once', () => {
  const start = (command: string) =>
    spawnTree({ command, args: [], cwd: tempDir(), env: { PATH: '/usr/bin:/bin' } });
  expect(() => start('no-such-program')).toThrow(/no-such-program/);
  const file = join(tempDir(), 'letter.txt');
  writeFileSync(file, 'Dear model,', { mode: 0o600 });
  expect(() => start(file)).toThrow(/not executable/);
  expect(() => start('')).toThrow(/not there/);
});

test('a program whose directory is gone is said to have failed, and nothing is thrown later', () => {
  const env = cleanEnvironment(process.env);
  const start = () => spawnTree({ command: 'cat', args: [], cwd: '/no/such/place', env });
  expect(start).toThrow(expect.objectContaining({ code: 'engine_unavailable' }));
});

test('how a program ended is told: by its code or by the signal', async () => {
  expect(await shell('exit 7').tree.exited).toEqual({ code: 7, signal: null });
  expect(await shell('kill -ABRT $$').tree.exited).toEqual({ code: null, signal: 'SIGABRT' });
});

test('writing to a program that has ended harms nobody', async () => {
  const { tree } = shell('exit 0');
  await tree.exited;
  for (let line = 0; line < 100; line += 1) tree.stdin.write('x'.repeat(10_000));
  await tree.kill();
});

test('standard error never blocks a program and its last lines are kept', async () => {
  const { tree } = node(`
    for (let line = 0; line < 50000; line += 1) console.error('line ' + line + ' '.repeat(60));
    console.error('the last line');`);
  await tree.exited;
  await until(() => tree.stderrTail().endsWith('the last line\n'));
  expect(Buffer.byteLength(tree.stderrTail())).toBeLessThanOrEqual(8192);
  expect(tree.stderrTail()).toMatch(/^line \d+ /);
});

test('kill without grace ends a program that ignores SIGTERM', async () => {
  const { tree, line } = node(`${IGNORE_TERM} console.log("up")`);
  await line();
  await tree.kill();
  expect(await tree.exited).toEqual({ code: null, signal: 'SIGKILL' });
});

test('kill with grace lets a program end by itself', async () => {
  const { tree, line } = node(`
    process.on("SIGTERM", () => process.exit(3)); setInterval(() => {}, 1e6); console.log("up")`);
  await line();
  await tree.kill(60_000);
  expect(await tree.exited).toEqual({ code: 3, signal: null });
});

test('a stopped program is told to end as well', async () => {
  const { tree, line } = node(`
    process.on("SIGTERM", () => process.exit(3)); setInterval(() => {}, 1e6); console.log("up")`);
  await line();
  process.kill(tree.pid, 'SIGSTOP');
  await tree.kill(60_000);
  expect(await tree.exited).toEqual({ code: 3, signal: null });
});

test('a program that outlives its grace is killed', async () => {
  const { tree, line } = node(`${IGNORE_TERM} console.log("up")`);
  await line();
  await tree.kill(20);
  expect(await tree.exited).toEqual({ code: null, signal: 'SIGKILL' });
});

test('of two calls to kill the shorter grace counts', async () => {
  const { tree, line } = node(`${IGNORE_TERM} console.log("up")`);
  await line();
  const slow = tree.kill(3_600_000);
  await tree.kill();
  await slow;
  expect(isAlive(tree.pid)).toBe(false);
});

test('kill ends children and grandchildren too, those that ignore SIGTERM included', async () => {
  const { tree, line } = shell(`
    trap '' TERM
    sh -c 'sleep 1000 & sleep 1000 & wait' &
    sleep 1000 & echo up; wait`);
  await line();
  const pids = await until(() => tree.pids.length === 5 && tree.pids);
  await tree.kill(20);
  expect(pids.filter(isAlive)).toEqual([]);
});

test('kill ends what left for a session of its own and whose parent is gone', async () => {
  const { tree, line } = shell(`
    setsid sh -c 'sleep 1000 & exec setsid sleep 1000' >/dev/null 2>&1 &
    (setsid sleep 1000 &) ; echo up; sleep 1000`);
  await line();
  const mark = markOf(tree.pid);
  // The shell, its sleep, and three that left.
  const pids = await until(() => carriersOf(mark).length === 5 && carriersOf(mark));
  await tree.kill();
  expect(pids.filter(isAlive)).toEqual([]);
});

test('what a program left behind when it ended is killed as well', async () => {
  const { tree, line } = shell('setsid sleep 1000 & sleep 1000 & echo $!; exit 0');
  const left = Number(await line());
  await tree.exited;
  const mark = markOf(left);
  await until(() => carriersOf(mark).length === 2);
  await tree.kill();
  expect(carriersOf(mark)).toEqual([]);
});

test('kill does not touch a tree beside its own', async () => {
  const one = shell('sleep 1000 & echo up; wait');
  const other = shell('sleep 1000 & echo up; wait');
  await Promise.all([one.line(), other.line()]);
  await one.tree.kill();
  expect(other.tree.pids).toHaveLength(2);
});

test('kill may be called again, and of a program that ended long ago', async () => {
  const { tree } = shell('exit 0');
  await tree.exited;
  await Promise.all([tree.kill(), tree.kill(1000)]);
  await tree.kill();
  expect(tree.pids).toEqual([]);
  expect(tree.memoryBytes()).toBe(0);
});

test('a process that nothing ties to its tree holds up neither kill nor our pipes', async () => {
  const { tree, line } = shell('(env -i setsid sleep 1000 & echo $!); sleep 1000');
  const stranger = Number(await line());
  onTestFinished(() => void process.kill(stranger, 'SIGKILL'));
  const closed = once(tree.stdout, 'close');
  await until(() => markOf(stranger) === '');
  await tree.kill();
  await closed;
  expect(isAlive(stranger)).toBe(true);
});

test('the memory of a tree is that of all its processes', async () => {
  const script = 'globalThis.held = Buffer.alloc(40e6, 1); setInterval(() => {}, 1e6);';
  const { tree, line } = node(`
    const { spawn } = require('node:child_process');
    ${script}
    spawn(process.execPath, ['-e', ${JSON.stringify(`${script} console.log("up")`)}],
      { stdio: 'inherit' });`);
  await line();
  expect(tree.pids).toHaveLength(2);
  expect(tree.memoryBytes()).toBeGreaterThan(2 * 40e6);
  expect(tree.memoryBytes()).toBeLessThan(2 * 400e6);
});

test('of a large family a bounded part is listed and measured, and all of it is ended', async () => {
  const { tree, line } = shell(
    'n=0; while [ $n -lt 150 ]; do sleep 1000 & n=$((n+1)); done; echo up; wait',
  );
  await line();
  const mark = markOf(tree.pid);
  const all = await until(() => carriersOf(mark).length === 151 && carriersOf(mark));
  expect(tree.pids).toHaveLength(128);
  expect(tree.pids[0]).toBe(tree.pid);
  await tree.kill();
  expect(all.filter(isAlive)).toEqual([]);
});

test('however often a family is asked for, it is looked at once in a while, and never after its end', async () => {
  const { tree, line } = shell('sleep 1000 & echo up; wait');
  await line();
  const first = tree.pids;
  let again = tree.pids;
  for (let n = 0; n < 100; n += 1) again = tree.pids;
  // The same list, not an equal one: nothing was looked at for it.
  expect(again).toBe(first);
  await tree.kill();
  expect(tree.pids).toEqual([]);
  expect(tree.memoryBytes()).toBe(0);
});
