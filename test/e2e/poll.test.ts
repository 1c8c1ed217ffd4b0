import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import { ownerOf, statField } from '../daemon/owner-of.js';
import { CLI, isAlive, Program, start, until, warmline } from '../support/process.js';
import { Terminal } from '../support/terminal.js';
import { PollHouse, stranger } from './poll-house.js';

/** Nobody listens there. */
const NO_BRIDGE = ['--port', '1'];

test('poll start goes to work in the background, status says how it is, stop ends it', async () => {
  const house = new PollHouse();
  const bridge = await house.bridge();
  const started = await house.poll('start', ...bridge);
  expect(started).toMatchObject({ code: 0, stderr: '' });
  expect(started.stdout).toMatch(/^started: pid \d+ answers the questions on /);
  expect(started.stdout).toContain('warmline poll stop --db');
  const pid = Number(/pid (\d+)/.exec(started.stdout)?.[1]);
  // A session of its own: the end of the terminal that started it is none of its business.
  expect(Number(statField(pid, 3))).toBe(pid);

  const id = await house.ask('!fake echo from the background');
  expect(await house.answered(id)).toContain('from the background');
  const status = await house.poll('status', ...bridge);
  expect(status).toMatchObject({ code: 0, stderr: '' });
  expect(status.stdout).toMatch(new RegExp(`daemon +runs: pid ${pid}, for `));
  expect(status.stdout).toMatch(/bridge +the bridge at [\d.:]+ answers\n/);
  expect(status.stdout).toMatch(/done +1\n[\s\S]*ended +about 0.2 a minute/);

  expect(await house.poll('stop')).toMatchObject({
    code: 0,
    stdout: `stopped: pid ${pid} has finished what ran\n`,
    stderr: '',
  });
  expect(isAlive(pid)).toBe(false);
  expect(await house.poll('status', ...bridge)).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^daemon +not running; to start it: warmline poll start --db /),
  });
  expect(await house.poll('stop')).toMatchObject({
    code: 0,
    stdout: `no daemon runs on ${house.place.bus}\n`,
  });
});

test('the daemon goes on when the terminal that started it is closed', async () => {
  const house = new PollHouse();
  const words = ['poll', 'start', '--db', house.db, ...(await house.bridge())];
  const shell = ['sh', '-c', '"$0" "$@" && cat', process.execPath, CLI, ...words];
  const terminal = new Terminal(shell, house.around);
  const [, pid] = await terminal.shows(/started: pid (\d+) .*stop: /s);
  process.kill(terminal.pid, 'SIGHUP');
  await terminal.ended;
  const id = await house.ask('!fake echo still there');
  expect(await house.answered(id)).toContain('still there');
  expect(isAlive(Number(pid))).toBe(true);
});

test('stop shows on a terminal how long it waits, and leaves no trace of that', async () => {
  const house = new PollHouse();
  await house.start(...(await house.bridge()));
  await house.ask('!fake silent');
  await house.busy();
  const words = ['poll', 'stop', '--db', house.db, '--timeout', '1'];
  const terminal = new Terminal([process.execPath, CLI, ...words], house.around);
  await terminal.shows(/^stopping \d+: it finishes what runs, \d s of at most 1 s$/m);
  expect(await terminal.ended).toEqual({ code: 0, same: true });
  expect(terminal.history).toMatch(/^stopped by force: pid \d+ had not ended within 1 s; /);
});

test('a second start is refused and says which one runs; that one goes on', async () => {
  const house = new PollHouse();
  const pid = await house.start(...NO_BRIDGE);
  const second = await house.poll('start', ...NO_BRIDGE);
  expect(second).toMatchObject({ code: 1, stdout: '' });
  expect(second.stderr).toMatch(
    new RegExp(
      `^warmline: a daemon runs on .*bus\\.db already: pid ${pid} since \\d{4}-\\S+Z, log `,
    ),
  );
  expect(await house.json('status', ...NO_BRIDGE)).toMatchObject({ alive: true, pid });
});

test('of ten starts at once one wins, and the others say so', async () => {
  const house = new PollHouse();
  const ended = await Promise.all(
    Array.from({ length: 10 }, () => house.poll('start', '--timeout', '60', ...NO_BRIDGE)),
  );
  expect(ended.map(({ code }) => code).sort()).toEqual([0, ...Array(9).fill(1)]);
  for (const { code, stderr } of ended) {
    if (code === 1) expect(stderr).toMatch(/already: pid \d+ since/);
  }
  const { pid } = await house.json('status', ...NO_BRIDGE);
  expect(house.running()).toEqual([pid]);
});

test('kill -9 in mid-turn loses nothing: status says so, and the next daemon answers', async () => {
  const house = new PollHouse();
  const silent = await house.bridge();
  const pid = await house.start(...silent);
  const first = await house.ask('!fake silent', '--context', 'GUIDE.md');
  const second = await house.ask('!fake silent Where is the kettle?', '--context', 'GUIDE.md');
  await house.busy(2);
  process.kill(pid, 'SIGKILL');
  await until(() => !isAlive(pid));

  const status = await house.poll('status', ...silent);
  expect(status).toMatchObject({ code: 1, stdout: expect.stringContaining('not running') });
  const bridge = await house.bridge({ engine: 'extract' });
  const again = await house.start(...bridge);
  expect(again).not.toBe(pid);
  await house.answered(first);
  expect(await house.answered(second)).toContain('on the shelf');
  const { questions } = await house.json('list', '--status', 'completed');
  expect(questions).toMatchObject([{ message_id: second }, { message_id: first }]);
  expect(house.running()).toContain(again);
});

test('a process that was given the pid of a daemon that died gets no signal', async () => {
  const house = new PollHouse();
  const pid = await house.start(...NO_BRIDGE);
  const noted = JSON.parse(readFileSync(house.place.state, 'utf8'));
  process.kill(pid, 'SIGKILL');
  await until(() => !isAlive(pid));
  // The same note, had the kernel given that pid to somebody else.
  const other = stranger();
  const owner = ownerOf(other.pid, { start: '1' });
  writeFileSync(house.place.state, JSON.stringify({ ...noted, owner }));

  expect(await house.poll('status', ...NO_BRIDGE)).toMatchObject({ code: 1 });
  expect(await house.poll('stop')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^no daemon runs on .*; what one that died had left is gone\n$/),
  });
  expect(() => statSync(house.place.state)).toThrow('ENOENT');
  expect(await house.start(...NO_BRIDGE)).toBeGreaterThan(0);
  expect(isAlive(other.pid)).toBe(true);
});

test('a daemon that cannot be told from another process gets no signal either', async () => {
  const house = new PollHouse();
  const pid = await house.start(...NO_BRIDGE);
  const other = stranger();
  const noted = JSON.parse(readFileSync(house.place.state, 'utf8'));
  const owner = ownerOf(other.pid, { start: '1' });
  writeFileSync(house.place.state, JSON.stringify({ ...noted, owner }));

  const stopped = await house.poll('stop');
  expect(stopped).toMatchObject({ code: 1, stdout: '' });
  expect(stopped.stderr).toMatch(/cannot be seen from here, so it gets no signal; .*fuser /);
  expect(await house.poll('start', ...NO_BRIDGE)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('cannot be seen from here'),
  });
  expect([pid, other.pid].map(isAlive)).toEqual([true, true]);
});

test('two buses have a daemon each, and one bus has one whatever its path is called', async () => {
  const one = new PollHouse();
  const other = new PollHouse();
  const pid = await one.start(...NO_BRIDGE);
  expect(await other.start(...NO_BRIDGE)).not.toBe(pid);
  const link = join(one.dir, 'link.db');
  symlinkSync(one.db, link);
  const second = await warmline(['poll', 'start', '--db', link, ...NO_BRIDGE], one.around);
  expect(second).toMatchObject({ code: 1, stderr: expect.stringContaining(`pid ${pid}`) });
  const stopped = await warmline(['poll', 'stop', '--db', 'link.db'], one.around);
  expect(stopped).toMatchObject({ code: 0, stdout: expect.stringContaining(`pid ${pid}`) });
});

test('a start that is interrupted leaves no daemon that nobody was told of', async () => {
  const house = new PollHouse();
  const starting = startStuck(house);
  await until(() => house.running().length === 2);
  const { code, stdout, stderr } = await starting.kill('SIGINT');
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(
    /^warmline: the daemon did not start: the start was interrupted; its log: /,
  );
  await until(() => house.running().length === 0);
  expect(await house.json('stop')).toMatchObject({ was_running: false });
});

test('a daemon that is not ready in time is stopped, and the start has failed', async () => {
  const house = new PollHouse();
  const { code, stdout, stderr } = await startStuck(house, '--timeout', '0.5').ended;
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toContain('it was not ready within 0.5 s and has been stopped; its log: ');
  await until(() => house.running().length === 0);
});

/** The start of a daemon that waits for its config file for ever: a pipe that is written to once. */
function startStuck(house: PollHouse, ...words: string[]): Program {
  const config = join(house.dir, 'config.toml');
  execFileSync('mkfifo', [config]);
  void writeFile(config, 'port = 1\n');
  const fixed = ['poll', 'start', '--db', house.db, '--config', config];
  return start([...fixed, ...words], house.around);
}

test('stop lets a running question be answered, and takes no new one', async () => {
  const house = new PollHouse();
  await house.start(...(await house.bridge()));
  // Not awaited before it is seen at work: it does not last.
  const asking = house.ask('!fake delay=3000 echo in time');
  await house.busy();
  expect(await house.json('stop')).toMatchObject({ was_running: true, forced: false });
  const id = await asking;
  expect(await house.answered(id)).toContain('in time');
  expect(await house.json('list', '--status', 'completed')).toMatchObject({
    questions: [{ message_id: id, attempts: 1 }],
  });
});

test('what does not end in time is ended by force, and its question stays on the bus', async () => {
  const house = new PollHouse();
  const bridge = await house.bridge();
  const pid = await house.start(...bridge);
  await house.ask('!fake silent');
  await house.busy();
  const stopped = await house.poll('stop', '--timeout', '0.2');
  expect(stopped).toMatchObject({ code: 0, stderr: '' });
  expect(stopped.stdout).toMatch(new RegExp(`^stopped by force: pid ${pid} had not ended within `));
  expect(isAlive(pid)).toBe(false);
  expect(await house.json('list', '--status', 'active')).toMatchObject({ questions: [{}] });
});

test('without a bridge it starts, says so, and connects when there is one', async () => {
  const house = new PollHouse();
  const port = await freePort();
  const started = await house.poll('start', '--port', port);
  expect(started).toMatchObject({ code: 0, stderr: '' });
  expect(started.stdout).toMatch(/no bridge: cannot reach warmline at .* The daemon connects when/);
  expect((await house.poll('status')).stdout).toMatch(new RegExp(`bridge +no bridge: .*:${port}`));
  const id = await house.ask('!fake echo at last');
  await house.bridge({ port });
  expect(await house.answered(id)).toContain('at last');
  expect(await house.json('status')).toMatchObject({ bridge: { reachable: true, error: null } });
});

async function freePort(): Promise<string> {
  const program = start(['serve', '--port', '0', '--log-level', 'warn']);
  const { port } = await program.ready();
  await program.kill('SIGTERM');
  return String(port);
}

test('a bus that is not there is said to be missing, exit code 78', async () => {
  const house = new PollHouse();
  const db = join(house.dir, 'none.db');
  for (const name of ['start', 'status', 'list']) {
    const ended = await warmline(['poll', name, '--db', db], house.around);
    expect(ended, name).toMatchObject({ code: 78, stdout: '' });
    expect(ended.stderr).toMatch(/^warmline: there is no bus at .*none\.db; check --db/);
  }
  expect(await warmline(['poll', 'start'], house.around)).toMatchObject({
    code: 78,
    stderr:
      'warmline: no bus is named; give --db FILE, set WARMLINE_DB, or go to the directory of warmline.toml\n',
  });
});

test('a bus whose lock another program keeps is not waited for without end', async () => {
  const house = new PollHouse();
  const holder = new Database(house.db);
  onTestFinished(() => void holder.close());
  holder.exec('BEGIN IMMEDIATE');
  const started = await house.poll('start', '--timeout', '0.3', ...NO_BRIDGE);
  expect(started).toMatchObject({ code: 1, stdout: '' });
  expect(started.stderr).toMatch(
    /^warmline: .*bus\.db: another program has held the write lock for 0\.3 s, .*fuser .*bus\.db\n$/,
  );
  expect(house.running()).toEqual([]);
  // Looking at it needs no lock.
  expect((await house.poll('status', ...NO_BRIDGE)).code).toBe(1);
});

test('a bus that cannot be written is refused, exit code 78', async () => {
  const house = new PollHouse();
  chmodSync(house.db, 0o400);
  const words = [CLI, 'poll', 'start', '--db', house.db, ...NO_BRIDGE];
  const { code, stderr } = await bound(words, house.around).ended;
  expect(code).toBe(78);
  expect(stderr).toMatch(/bus\.db is not readable and writable for this user; a bus needs/);
  expect(house.running()).toEqual([]);
});

/** Root may write what is read-only; without this capability it may not, like anybody else. */
function bound(words: string[], around: object): Program {
  if (process.getuid?.() !== 0) return new Program(process.execPath, words, around);
  const limits = ['--bounding-set=-dac_override', '--'];
  return new Program('setpriv', [...limits, process.execPath, ...words], around);
}

test.each([
  ['its log', (house: PollHouse) => mkdirSync(house.place.log, { recursive: true })],
  ['its directory', (house: PollHouse) => writeFileSync(house.state, 'in the way')],
])('%s that cannot be written is named, exit code 78', async (_what, block) => {
  const house = new PollHouse();
  block(house);
  const { code, stdout, stderr } = await house.poll('start', ...NO_BRIDGE);
  expect({ code, stdout }).toEqual({ code: 78, stdout: '' });
  expect(stderr).toMatch(/^warmline: \S+ cannot be used \(\w+\); a daemon keeps its log and state/);
  expect(house.running()).toEqual([]);
});

test('a user without a home is told what to set', async () => {
  const house = new PollHouse();
  const env = { XDG_STATE_HOME: '', HOME: '' };
  const ended = await warmline(['poll', 'status', '--db', house.db], { ...house.around, env });
  expect(ended).toMatchObject({ code: 78, stderr: expect.stringContaining('set HOME or XDG_') });
});

test('what the daemon keeps is for its user only', async () => {
  const house = new PollHouse();
  await house.start(...NO_BRIDGE);
  const { dir, state, log, lock } = house.place;
  expect([dir, state, log, lock].map((path) => statSync(path).mode & 0o077)).toEqual([0, 0, 0, 0]);
});

test('an autopoll that runs by hand is named, and shares the bus', async () => {
  const house = new PollHouse();
  const byHand = start(['autopoll', '--db', house.db, ...NO_BRIDGE], house.around);
  await byHand.ready();
  expect((await house.poll('status', ...NO_BRIDGE)).stdout).toMatch(
    /^daemon +not running; an autopoll that something else started works on this bus\n/,
  );
  const { code, stdout } = await house.poll('start', ...NO_BRIDGE);
  expect(code).toBe(0);
  expect(stdout).toMatch(
    new RegExp(`another autopoll works on this bus, too: pid ${byHand.pid}, heard of `),
  );
});

test('status of a bus that went away says what is wrong with it, and that the daemon waits', async () => {
  const house = new PollHouse();
  const pid = await house.start(...NO_BRIDGE);
  renameSync(house.db, join(house.dir, 'moved.db'));
  const status = await house.poll('status', ...NO_BRIDGE);
  expect(status).toMatchObject({ code: 0, stdout: expect.stringContaining(`runs: pid ${pid}`) });
  expect(status.stdout).toContain('there is no bus at');
});

test('--interval and --max-messages are settings of the process that runs', async () => {
  const house = new PollHouse();
  const pid = await house.start('--interval', '2.5', '--max-messages', '3', ...NO_BRIDGE);
  const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  expect(words).toContain('--fallback-every-ms=2500');
  expect(words).toContain('--concurrency=3');
});

test.each([
  ['--interval', '0'],
  ['--interval', 'soon'],
  ['--max-messages', '0'],
  ['--max-messages', '5000'],
  ['--timeout', '-1'],
])('poll start %s %s is used wrongly, exit code 2', async (flag, value) => {
  const house = new PollHouse();
  const { code, stderr } = await house.poll('start', `${flag}=${value}`);
  expect(code).toBe(2);
  expect(stderr).toContain(flag);
  expect(house.running()).toEqual([]);
});

test('poll explains itself, and how its commands end', async () => {
  const all = await warmline(['poll', '--help']);
  expect(all).toMatchObject({ code: 0, stderr: '' });
  for (const name of [
    'start',
    'stop',
    'status',
    'list',
    'show',
    'add',
    'remove',
    'retry',
    'cancel',
  ]) {
    expect(all.stdout).toMatch(new RegExp(`^ +${name} `, 'm'));
    const { code, stdout } = await warmline(['poll', name, '--help']);
    expect(code, name).toBe(0);
    expect(stdout, name).toContain('--json');
    expect(stdout, name).toContain('--db');
  }
  for (const name of ['start', 'stop', 'status']) {
    expect((await warmline(['poll', name, '--help'])).stdout).toContain('Exit code 1: ');
  }
});
