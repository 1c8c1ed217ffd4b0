import { join } from 'node:path';
import { expect, test } from 'vitest';
import { inspectBus } from '../../src/bus/index.js';
import { isAlive, processesNaming, start, tempDir, until, warmline } from '../support/process.js';

interface Pids {
  readonly bridge: number;
  readonly autopoll: number;
}

/** Both programs on a bus of their own, with the fake engine. */
async function up(...words: string[]) {
  const dir = tempDir();
  const db = join(dir, 'bus.db');
  // Each of the two has the directory on its command line, to be found by.
  const fixed = ['--db', db, '--create', '--context-root', dir, '--port', '0', '--engine', 'fake'];
  const program = start(['up', ...fixed, '--log-level', 'warn', ...words], { cwd: dir });
  const ready = await program.ready();
  return {
    program,
    db,
    ready,
    pids: ready.pids as Pids,
    ask: (question: string) => warmline(['send', question, '--db', db, '--wait']),
    /** Until the question that was asked is being worked on. */
    busy: () => until(() => inspectBus(db, 'b').leased === 1),
    running: () => processesNaming(dir),
  };
}

test('up answers what is put on the bus, and says so in one ready line', async () => {
  const { program, ready, pids, db, ask } = await up();
  expect(ready).toMatchObject({ event: 'ready', host: '127.0.0.1', http_port: null, db });
  expect(await ask('!fake echo through both')).toMatchObject({ code: 0, stdout: 'through both\n' });
  const { code, stdout } = await program.kill('SIGTERM');
  expect(code).toBe(0);
  expect(stdout.trim().split('\n')).toHaveLength(1);
  expect([pids.bridge, pids.autopoll].filter(isAlive)).toEqual([]);
});

test('up lets a running question be answered before it ends', async () => {
  const { program, ask, busy, running } = await up();
  const asking = ask('!fake delay=600 echo in time');
  await busy();
  expect(await program.kill('SIGINT')).toMatchObject({ code: 0 });
  expect(await asking).toMatchObject({ code: 0, stdout: 'in time\n' });
  expect(running()).toEqual([]);
});

test.each(['bridge', 'autopoll'] as const)(
  'the %s is started again when it was killed, on the same port',
  async (victim) => {
    const { program, ready, pids, ask } = await up();
    process.kill(pids[victim], 'SIGKILL');
    await program.says(new RegExp(`the ${victim} ended \\(SIGKILL\\)`));
    expect(await ask('!fake echo back')).toMatchObject({ code: 0, stdout: 'back\n' });
    const words = ['ask', '!fake echo there', '--port', String(ready.port)];
    expect(await warmline(words)).toMatchObject({ code: 0, stdout: 'there\n' });
  },
);

test('programs that up stops say so, and not that up is gone', async () => {
  const { program } = await up('--log-level', 'info');
  const { stderr } = await program.kill('SIGTERM');
  expect(stderr.match(/"why":"the parent process asked for it"/g)).toHaveLength(2);
  expect(stderr).not.toContain('the parent process is gone');
});

test('kill -9 of up leaves nothing behind', async () => {
  const { program, pids, running } = await up('--log-level', 'info');
  const { stderr } = await program.kill('SIGKILL');
  expect(stderr).toContain('the parent process is gone');
  await until(() => running().length === 0);
  expect([pids.bridge, pids.autopoll].filter(isAlive)).toEqual([]);
});

test('kill -9 of up while it starts leaves nothing behind', async () => {
  const dir = tempDir();
  const words = ['up', '--db', join(dir, 'bus.db'), '--create', '--context-root', dir];
  const program = start([...words, '--port', '0'], { cwd: dir });
  await until(() => processesNaming(dir).length === 2);
  // Ends when the last of them has closed the standard error they share.
  const { stderr } = await program.kill('SIGKILL');
  expect(stderr).not.toContain('stuck');
  expect(processesNaming(dir)).toEqual([]);
});

test('a second signal ends up and both of its programs at once', async () => {
  const { program, db, busy, running } = await up('--log-level', 'info');
  await warmline(['send', '!fake silent', '--db', db]);
  await busy();
  program.child.kill('SIGTERM');
  await program.says(/"why":"SIGTERM"/);
  expect(await program.kill('SIGTERM')).toMatchObject({ code: 1 });
  await until(() => running().length === 0);
});

test('up stops at a start that cannot work, with the line of the one that failed', async () => {
  const { ready } = await up();
  const db = join(tempDir(), 'bus.db');
  const fixed = ['--db', db, '--log-level', 'warn'];
  // Nothing has been started yet when the bus is found to be missing: nothing else is logged.
  const missing = await warmline(['up', '--db', db, '--log-level', 'info', '--port', '0']);
  expect(missing).toMatchObject({ code: 78, stdout: '' });
  expect(missing.stderr).toMatch(/^warmline: there is no bus at [^\n]*--create\n$/);
  const taken = await warmline(['up', ...fixed, '--create', '--port', String(ready.port)]);
  expect(taken).toMatchObject({ code: 78, stdout: '' });
  expect(taken.stderr).toMatch(/^warmline: [^\n]*already in use[^\n]*\n$/);
  expect(processesNaming(db)).toEqual([]);
});
