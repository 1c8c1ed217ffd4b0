import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  formatOwner,
  isGone,
  isRunning,
  type Owner,
  parseOwner,
  thisProcess,
} from '../../src/bus/owner.js';

const HERE = thisProcess();

/** Another process of this machine, as it would describe itself. */
function ownerOf(pid: number): Owner {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  return { ...HERE, pid, start };
}

function sleeper() {
  const child = spawn('sleep', ['600'], { stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

describe('the owner of a lease', () => {
  test('is gone once its process has been killed, and not before', async () => {
    const child = sleeper();
    const owner = formatOwner(ownerOf(child.pid ?? 0));
    expect(isGone(owner, HERE)).toBe(false);
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    expect(isGone(owner, HERE)).toBe(true);
  });

  test('is not gone while it is only stopped', async () => {
    const child = sleeper();
    child.kill('SIGSTOP');
    expect(isGone(formatOwner(ownerOf(child.pid ?? 0)), HERE)).toBe(false);
  });

  test('is gone as a zombie, which nobody has reaped yet', async () => {
    // The shell starts a child, becomes another program and never waits for the child.
    const parent = spawn('sh', ['-c', 'sleep 600 & echo $!; exec sleep 600'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    onTestFinished(() => void parent.kill('SIGKILL'));
    const [line] = await once(parent.stdout, 'data');
    const pid = Number(String(line));
    const owner = formatOwner(ownerOf(pid));
    expect(isGone(owner, HERE)).toBe(false);
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => isGone(owner, HERE)).toBe(true);
    expect(readFileSync(`/proc/${pid}/stat`, 'utf8')).toMatch(/\) Z /);
  });

  test('is gone when its process id now belongs to somebody else', () => {
    const child = sleeper();
    const earlier = { ...ownerOf(child.pid ?? 0), start: '1' };
    expect(isGone(formatOwner(earlier), HERE)).toBe(true);
  });

  test('is gone after a reboot', () => {
    expect(isGone(formatOwner({ ...HERE, boot: 'another boot' }), HERE)).toBe(true);
  });

  test('is this very process only until it ends', () => {
    expect(isGone(formatOwner(HERE), HERE)).toBe(false);
  });

  test.each([
    ['lives in another container', { namespace: '1', pid: 999_999_999 }],
    ['could not read its boot id', { boot: '', pid: 999_999_999 }],
    ['could not read its start time', { start: '', pid: process.pid }],
  ])('is not taken for gone when it %s', (_, known) => {
    expect(isGone(formatOwner({ ...HERE, ...known }), HERE)).toBe(false);
  });

  test('is read back as it was written', () => {
    expect(parseOwner(formatOwner(HERE))).toEqual(HERE);
  });

  test('is not taken for gone on account of a text that makes no sense', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 40 }), fc.string({ maxLength: 10 }), (text, pid) => {
        fc.pre(!/^[\s\d+-]*$/.test(pid) && Number.isNaN(Number(pid)));
        expect(typeof isGone(text, HERE)).toBe('boolean');
        const odd = [HERE.boot, HERE.namespace, pid, HERE.start].join('/');
        if (!pid.includes('/')) expect(isGone(odd, HERE)).toBe(false);
      }),
    );
  });
});

describe('a process that may be sent a signal', () => {
  test('runs under the start time that is noted, also while it is stopped', async () => {
    const child = sleeper();
    const owner = formatOwner(ownerOf(child.pid ?? 0));
    child.kill('SIGSTOP');
    expect(isRunning(owner, HERE)).toBe(true);
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    expect(isRunning(owner, HERE)).toBe(false);
  });

  test.each([
    ['another start time', { start: '1' }],
    ['an unknown start time', { start: '' }],
    ['another boot', { boot: '00000000' }],
    ['an unknown boot', { boot: '' }],
    ['another pid namespace', { namespace: '1' }],
  ])('is none that is noted with %s', (_what, other) => {
    const owner = formatOwner({ ...ownerOf(sleeper().pid ?? 0), ...other });
    expect(isRunning(owner, HERE)).toBe(false);
  });

  test('is none whose note is broken', () => {
    fc.assert(fc.property(fc.string(), (text) => isRunning(text, HERE) === false));
  });
});
