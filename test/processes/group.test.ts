/** How a tree is ended where there is no /proc. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { GroupRoster } from '../../src/processes/roster.js';
import { until } from '../support/process.js';

test('without /proc the process group of the first process is ended', async () => {
  const child = spawn('sh', ['-c', 'sleep 1000 & sleep 1000 & wait'], { detached: true });
  onTestFinished(() => void child.kill('SIGKILL'));
  const group = new GroupRoster(child.pid as number);
  expect(await group.anyRunning()).toBe(true);
  const ended = once(child, 'exit');
  await group.signal('SIGKILL');
  await ended;
  await until(() => group.anyRunning().then((isRunning) => !isRunning));
});

test('without /proc a stopped group acts on SIGTERM', async () => {
  const child = spawn('sleep', ['1000'], { detached: true });
  onTestFinished(() => void child.kill('SIGKILL'));
  const group = new GroupRoster(child.pid as number);
  child.kill('SIGSTOP');
  const ended = once(child, 'exit');
  await group.signal('SIGTERM');
  expect(await ended).toEqual([null, 'SIGTERM']);
});
