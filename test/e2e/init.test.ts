import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { start, tempDir, warmline } from '../support/process.js';

/** A directory with a document, and a port that is free in it. */
async function place(): Promise<{ cwd: string; port: string }> {
  const cwd = tempDir();
  writeFileSync(join(cwd, 'README.md'), '# Kettles\n\nThe kettle stands on the second shelf.\n');
  return { cwd, port: String(await freePort()) };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

interface Written {
  readonly file: string;
  readonly ok: boolean;
  readonly checks: { name: string; status: string; message: string; fix?: string }[];
}

function statuses({ checks }: Written): Record<string, string> {
  return Object.fromEntries(checks.map(({ name, status }) => [name, status]));
}

test('what init --create writes is all that up, send and stats need', async () => {
  const { cwd, port } = await place();
  const made = await warmline(['init', '--create', '--port', port], { cwd });
  expect(made).toMatchObject({ code: 0, stderr: '' });
  expect(made.stdout).toMatch(/warmline\.toml written[\s\S]*ok +bus[\s\S]*Next:[\s\S]* up +#/);
  const program = start(['up', '--http-port', 'off', '--log-level', 'warn'], { cwd });
  expect(await program.ready()).toMatchObject({ port: Number(port), db: join(cwd, 'bus.db') });
  const asked = await warmline(['send', 'Where does the kettle stand?', '--wait'], { cwd });
  expect(asked).toMatchObject({ code: 0, stdout: expect.stringContaining('second shelf') });
  expect((await warmline(['stats'], { cwd })).stdout).toMatch(/^complete +1$/m);
});

test('init sets what flags give, and leaves everything else a comment', async () => {
  const { cwd, port } = await place();
  mkdirSync(join(cwd, 'docs'));
  const words = [
    '--db',
    'my bus.db',
    '--port',
    port,
    '--context-root',
    'docs',
    '--context-root',
    '.',
  ];
  await warmline(['init', '--engine', 'fake', ...words, '--fake-delay-ms', '7'], { cwd });
  const text = readFileSync(join(cwd, 'warmline.toml'), 'utf8');
  const set = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  expect(set).toEqual([
    `port = ${port}`,
    'engine = "fake"',
    'fake_delay_ms = 7',
    'context_root = [ "docs", "." ]',
    'db = "my bus.db"',
  ]);
});

test('init says what must be put right, and exits with 1; what it wrote stays', async () => {
  const { cwd } = await place();
  const holder = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void holder.close());
  await once(holder, 'listening');
  const { port } = holder.address() as { port: number };
  holder.on('connection', (socket) => socket.end('no bridge\n'));
  const words = ['init', '--json', '--port', String(port), '--context-root', 'none'];
  const { code, stdout } = await warmline(words, { cwd });
  const written: Written = JSON.parse(stdout);
  expect({ code, ok: written.ok }).toEqual({ code: 1, ok: false });
  expect(statuses(written)).toMatchObject({
    bus: 'fail',
    bridge: 'fail',
    context: 'fail',
    engine: 'ok',
  });
  const fix = written.checks.find(({ name }) => name === 'bus')?.fix;
  expect(fix).toContain(`warmline up --db ${join(cwd, 'bus.db')} --create`);
  expect(written.file).toBe(join(cwd, 'warmline.toml'));
  expect(existsSync(written.file)).toBe(true);
  expect(existsSync(join(cwd, 'bus.db'))).toBe(false);
});

test('init tries an engine that needs something before anybody relies on it', async () => {
  const { cwd, port } = await place();
  const words = [
    'init',
    '--json',
    '--create',
    '--port',
    port,
    '--engine',
    'openai',
    '--engine-model',
    'm',
  ];
  const { stdout } = await warmline([...words, '--base-url', 'http://127.0.0.1:1/v1'], { cwd });
  const { checks }: Written = JSON.parse(stdout);
  expect(checks.find(({ name }) => name === 'engine')).toMatchObject({
    status: 'fail',
    fix: expect.stringContaining('http://127.0.0.1:1/v1'),
  });
});

test('init never replaces a file without --force, and with it keeps its place and permissions', async () => {
  const { cwd, port } = await place();
  const file = join(cwd, 'real.toml');
  const link = join(cwd, 'warmline.toml');
  writeFileSync(file, 'port = 1\n');
  chmodSync(file, 0o640);
  symlinkSync(file, link);
  const words = ['init', '--create', '--port', port];
  const refused = await warmline(words, { cwd });
  expect(refused).toMatchObject({ code: 2, stdout: '' });
  expect(refused.stderr).toMatch(/^warmline: there is .*warmline\.toml already; --force [^\n]*\n$/);
  expect(readFileSync(file, 'utf8')).toBe('port = 1\n');
  expect(existsSync(join(cwd, 'bus.db'))).toBe(false);
  expect(await warmline([...words, '--force'], { cwd })).toMatchObject({ code: 0 });
  expect(readFileSync(file, 'utf8')).toContain(`\nport = ${port}\n`);
  expect(statSync(file).mode & 0o777).toBe(0o640);
  expect(readdirSync(cwd).filter((name) => name.includes('partial'))).toEqual([]);
});

test('a file that init makes is for this user only', async () => {
  const { cwd, port } = await place();
  await warmline(['init', '--port', port], { cwd });
  expect(statSync(join(cwd, 'warmline.toml')).mode & 0o777).toBe(0o600);
});

test('init --print writes and checks nothing', async () => {
  const { cwd, port } = await place();
  const words = ['init', '--port', port, '--engine', 'fake'];
  const printed = await warmline([...words, '--print', '--create'], { cwd });
  expect(printed).toMatchObject({ code: 0, stderr: '' });
  expect(readdirSync(cwd)).toEqual(['README.md']);
  await warmline(words, { cwd });
  expect(readFileSync(join(cwd, 'warmline.toml'), 'utf8')).toBe(printed.stdout);
});

test('a file elsewhere means what the flags meant here, and the next steps name it', async () => {
  const { cwd, port } = await place();
  const etc = join(tempDir(), "it's etc");
  mkdirSync(etc);
  const file = join(etc, 'w.toml');
  const words = ['init', '--create', '--port', port, '--db', 'bus.db', '--context-root', '.'];
  const { code, stdout } = await warmline([...words, '--config', file], { cwd });
  expect(code).toBe(0);
  expect(stdout).toContain(` --config '${file.replace("'", "'\\''")}'`);
  expect(readFileSync(file, 'utf8')).toContain(`\ndb = "${join(cwd, 'bus.db')}"\n`);
  const found = await warmline(['stats', '--config', file, '--json']);
  expect(JSON.parse(found.stdout)).toMatchObject({ bus: { pending: 0 } });
});

test('init takes the file that WARMLINE_CONFIG names, and says which variables win over it', async () => {
  const { cwd, port } = await place();
  const env = { WARMLINE_CONFIG: 'other.toml', WARMLINE_PORT: port };
  const { stdout } = await warmline(['init', '--create', '--json'], { cwd, env });
  const written: Written = JSON.parse(stdout);
  expect(written.file).toBe(join(cwd, 'other.toml'));
  expect(written.checks[0]).toMatchObject({
    status: 'warn',
    message: expect.stringContaining('WARMLINE_PORT is set, and wins over port'),
  });
  expect(statuses(written)).toMatchObject({ port: 'ok' });
});

test('with a bridge that runs already, init says how to put a daemon on the bus', async () => {
  const { cwd } = await place();
  const bridge = start(['serve', '--port', '0', '--http-port', 'off', '--log-level', 'warn'], {
    cwd,
  });
  const { port } = await bridge.ready();
  const { code, stdout } = await warmline(['init', '--create', '--port', String(port)], { cwd });
  expect(code).toBe(0);
  expect(stdout).toMatch(/ok +bridge[\s\S]*Next:\n[^\n]* poll start +#/);
});

test('settings that contradict each other are not written', async () => {
  const { cwd } = await place();
  const env = { WARMLINE_SPARES: '9', WARMLINE_MAX_SESSIONS: '2' };
  const { code, stderr } = await warmline(['init', '--create'], { cwd, env });
  expect({ code, stderr }).toEqual({ code: 78, stderr: expect.stringContaining('spares (9)') });
  expect(await warmline(['init', '--port', 'x'], { cwd })).toMatchObject({ code: 2 });
  const lost = await warmline(['init', '--create', '--config', 'no/where.toml'], { cwd });
  expect(lost).toMatchObject({ code: 78, stderr: expect.stringContaining('check --config') });
  expect(lost.stderr).toContain(`there is no directory ${join(cwd, 'no')}; make it`);
  expect(readdirSync(cwd)).toEqual(['README.md']);
  mkdirSync(join(cwd, 'taken'));
  const taken = await warmline(['init', '--config', 'taken', '--force'], { cwd });
  expect(taken).toMatchObject({ code: 78, stderr: expect.stringContaining('check --config') });
  expect(readdirSync(cwd).sort()).toEqual(['README.md', 'taken']);
});
