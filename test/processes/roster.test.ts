import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { startTicksOf } from '../../src/processes/proc.js';
import { createRoster } from '../../src/processes/roster.js';
import { isAlive } from '../support/process.js';

test('a process that was given the number of one that ended is not signalled', async () => {
  const stranger = spawn('sleep', ['1000'], { detached: true });
  const pid = stranger.pid as number;
  const startTicks = startTicksOf(pid) as number;
  const roster = createRoster({ pid, startTicks: startTicks - 1 }, 'WARMLINE_TREE=none');
  expect(await roster.anyRunning()).toBe(false);
  await roster.signal('SIGKILL');
  expect(isAlive(pid)).toBe(true);

  const ended = once(stranger, 'exit');
  await createRoster({ pid, startTicks }, 'WARMLINE_TREE=none').signal('SIGKILL');
  expect(await ended).toEqual([null, 'SIGKILL']);
});
