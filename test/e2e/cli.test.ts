import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import { openSqliteBus } from '../../src/bus/index.js';
import { VERSION } from '../../src/version.js';
import { Program, start, tempDir, warmline } from '../support/process.js';

const UNPRIVILEGED = join(import.meta.dirname, '../cli/children/unprivileged-doctor.mjs');

const COMMANDS = ['up', 'serve', 'autopoll', 'ask', 'send', 'stats', 'sessions', 'doctor', 'demo'];

async function makeBus(): Promise<string> {
  const file = join(tempDir(), 'bus.db');
  await openSqliteBus({ file, create: true }).close();
  return file;
}

function documents(): string {
  const dir = tempDir();
  writeFileSync(join(dir, 'GUIDE.md'), '# Guide\n\nThe kettle stands on the second shelf.\n');
  return dir;
}

async function serve(...words: string[]): Promise<{ program: Program; port: string }> {
  const program = start(['serve', '--port', '0', '--log-level', 'warn', ...words], {
    cwd: documents(),
  });
  return { program, port: String((await program.ready()).port) };
}

async function takenPort(): Promise<string> {
  const holder: Server = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void holder.close());
  await once(holder, 'listening');
  const address = holder.address();
  return String(typeof address === 'object' && address ? address.port : 0);
}

test.each(COMMANDS)('%s --help explains itself and exits with 0', async (command) => {
  const { code, stdout, stderr } = await warmline([command, '--help']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(new RegExp(`^Usage: warmline ${command} `));
  expect(stdout).toContain('--help');
});

test('only commands that run a bridge speak of a free port and of who can reach it', async () => {
  for (const command of ['autopoll', 'ask', 'stats', 'sessions']) {
    const { stdout } = await warmline([command, '--help']);
    expect(stdout, command).not.toMatch(/0 takes a free one|needs a token/);
  }
  expect((await warmline(['serve', '--help'])).stdout).toMatch(/0 takes a free one/);
});

test('every command that prints data takes --json', async () => {
  for (const command of ['autopoll', 'ask', 'send', 'stats', 'sessions', 'doctor']) {
    expect((await warmline([command, '--help'])).stdout, command).toContain('--json');
  }
});

test('--version prints the version of the package', async () => {
  for (const flag of ['--version', '-V']) {
    expect(await warmline([flag])).toMatchObject({ code: 0, stdout: `${VERSION}\n` });
  }
});

interface Refusal {
  readonly words: readonly string[];
  readonly env?: Record<string, string>;
  readonly code: number;
  readonly says: RegExp;
}

const REFUSALS: [string, Refusal][] = [
  ['an unknown command', { words: ['frob'], code: 2, says: /unknown command 'frob'/ }],
  ['a mistyped command', { words: ['serv'], code: 2, says: /unknown command 'serv'.*serve\?/ }],
  ['an unknown flag', { words: ['serve', '--prot', '1'], code: 2, says: /'--prot'.*--port\?/ }],
  ['a flag of the wrong type', { words: ['serve', '--port', 'x'], code: 2, says: /whole number/ }],
  ['a flag without its value', { words: ['serve', '--port'], code: 2, says: /argument missing/ }],
  ['a question that is missing', { words: ['ask'], code: 2, says: /missing required argument/ }],
  ['an argument too many', { words: ['stats', 'x'], code: 2, says: /too many arguments/ }],
  ['a wait of no time', { words: ['ask', 'q', '--timeout', '0'], code: 2, says: /above 0/ }],
  [
    'a number for the HTTP port',
    { words: ['serve', '--http-port', '99999'], code: 2, says: /65535/ },
  ],
  [
    'an unknown variable',
    { words: ['serve'], env: { WARMLINE_PROT: '1' }, code: 78, says: /mean "WARMLINE_PORT"/ },
  ],
  [
    'a context root that is missing',
    { words: ['serve', '--port', '0', '--context-root', 'none'], code: 78, says: /--context-root/ },
  ],
  [
    'an address for others without a token',
    { words: ['serve', '--port', '0', '--host', '0.0.0.0'], code: 78, says: /--token-file/ },
  ],
  ['an autopoll without a bus', { words: ['autopoll'], code: 78, says: /--db FILE/ }],
  ['an up without a bus', { words: ['up'], code: 78, says: /--db FILE/ }],
  ['a bus that is missing', { words: ['autopoll', '--db', 'no.db'], code: 78, says: /--create/ }],
  ['a send to no bus', { words: ['send', 'q', '--db', 'no.db'], code: 78, says: /--create/ }],
  ['no bridge to ask', { words: ['ask', 'q', '--port', '1'], code: 1, says: /warmline serve/ }],
  [
    'a bus to make where there is no directory',
    {
      words: ['up', '--db', 'no/x.db', '--create'],
      code: 78,
      says: /there is no directory \/.*no;/,
    },
  ],
  [
    'a send that is to make one there',
    { words: ['send', 'q', '--db', 'no/x.db', '--create'], code: 78, says: /no directory/ },
  ],
  [
    'a default context that is missing',
    {
      words: ['serve', '--port', '0', '--context', 'no.md'],
      code: 78,
      says: /no file no\.md .*--context-root/,
    },
  ],
  [
    'a default context outside the roots',
    {
      words: ['serve', '--port', '0', '--context', '/etc/passwd'],
      code: 78,
      says: /outside.*--context-root/,
    },
  ],
  [
    'a summary of no single pass as JSON',
    { words: ['autopoll', '--db', 'no.db', '--json'], code: 2, says: /--once/ },
  ],
  ['no bridge for stats', { words: ['stats', '--port', '1'], code: 1, says: /cannot reach/ }],
];

test.each(REFUSALS)('%s: one clear line, and its exit code', async (_what, refusal) => {
  const { words, code, says, env = {} } = refusal;
  const outcome = await warmline(words, { cwd: tempDir(), env });
  expect(outcome).toMatchObject({ code, stdout: '' });
  expect(outcome.stderr).toMatch(/^warmline: [^\n]+\n$/);
  expect(outcome.stderr).toMatch(says);
});

test('no command at all shows the help, as wrong use', async () => {
  const { code, stderr } = await warmline([]);
  expect(code).toBe(2);
  expect(stderr).toContain('Usage: warmline');
});

test('a port that is taken is waited for a little, then named in one line', async () => {
  const port = await takenPort();
  const { code, stdout, stderr } = await warmline(['serve', '--port', port, '--log-level', 'warn']);
  expect({ code, stdout }).toEqual({ code: 78, stdout: '' });
  expect(stderr).toMatch(/^warmline: [^\n]*already in use[^\n]*--port\n$/);
});

test('a port that becomes free meanwhile is taken', async () => {
  const first = await serve();
  const second = start(['serve', '--port', first.port, '--log-level', 'info'], { cwd: tempDir() });
  await second.says(/the port is in use/);
  await first.program.kill('SIGKILL');
  expect(await second.ready()).toMatchObject({ port: Number(first.port) });
});

test('a bus of another shape is refused and left as it was', async () => {
  const file = join(tempDir(), 'foreign.db');
  const db = new Database(file);
  db.exec('CREATE TABLE messages (id INTEGER PRIMARY KEY, body TEXT)');
  db.close();
  for (const words of [['autopoll'], ['send', 'q'], ['autopoll', '--once']]) {
    const { code, stderr } = await warmline([...words, '--db', file]);
    expect(code).toBe(78);
    expect(stderr).toMatch(/^warmline: [^\n]*(no table|no column)[^\n]*\n$/);
  }
  const after = new Database(file, { readonly: true });
  onTestFinished(() => void after.close());
  expect(after.prepare('SELECT name FROM sqlite_master').pluck().all()).toEqual(['messages']);
});

test('a config file is one for all commands, and its mistakes are named', async () => {
  const cwd = tempDir();
  writeFileSync(join(cwd, 'warmline.toml'), 'port = 0\nlog_level = "warn"\nconcurency = 3\n');
  const refused = await warmline(['serve'], { cwd });
  expect(refused).toMatchObject({ code: 78 });
  expect(refused.stderr).toMatch(/key "concurency" is not known; did you mean "concurrency"\?/);
  writeFileSync(join(cwd, 'warmline.toml'), 'port = 0\nlog_level = "warn"\nconcurrency = 3\n');
  expect(await start(['serve'], { cwd }).ready()).toMatchObject({ event: 'ready' });
});

test('serve says where it is in one line of JSON, and logs nothing on standard output', async () => {
  const program = start(['serve', '--port', '0', '--http-port', 'off'], { cwd: documents() });
  const ready = await program.ready();
  expect(ready).toMatchObject({ event: 'ready', host: '127.0.0.1', http_port: null });
  expect(ready.pid).toBe(program.pid);
  expect(ready.port).toBeGreaterThan(0);
  const { stdout, stderr } = await program.kill('SIGTERM');
  expect(stdout.trim().split('\n')).toHaveLength(1);
  for (const line of stderr.trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('msg');
});

test('autopoll says that it is ready, and which bus it drains', async () => {
  const { port } = await serve();
  const db = await makeBus();
  const program = start(['autopoll', '--db', db, '--port', port, '--log-level', 'warn']);
  const ready = await program.ready();
  expect(ready).toEqual({ event: 'ready', role: 'autopoll', db, pid: program.pid });
  expect(await program.kill('SIGTERM')).toMatchObject({ code: 0 });
});

test.each(['SIGTERM', 'SIGINT'] as const)(
  'on %s the running turn is answered, then serve exits with 0',
  async (signal) => {
    const { program, port } = await serve('--engine', 'fake');
    const question = '!fake delay=400 deltas=4 echo What was asked before the end?';
    const asking = start(['ask', question, '--stream', '--port', port]);
    await asking.says(/What/); // the turn runs: its first words are out
    const ended = program.kill(signal);
    expect(await asking.ended).toMatchObject({ code: 0 });
    expect((await asking.ended).stdout).toContain('What was asked before the end?');
    expect(await ended).toMatchObject({ code: 0 });
  },
);

test('a drain that takes longer than --drain-ms is cut off, and still ends well', async () => {
  const { program, port } = await serve('--engine', 'fake', '--drain-ms', '50');
  const asking = start([
    'ask',
    '!fake deltas=1 silent Never',
    '--stream',
    '--json',
    '--port',
    port,
  ]);
  await busy(port);
  expect(await program.kill('SIGTERM')).toMatchObject({ code: 0 });
  expect(await asking.ended).toMatchObject({ code: 1 });
});

test('a second signal ends serve at once', async () => {
  const { program, port } = await serve('--engine', 'fake', '--log-level', 'info');
  const asking = start(['ask', '!fake silent Never', '--port', port]);
  await busy(port);
  program.child.kill('SIGTERM');
  await program.says(/stopping; a second signal ends it at once/);
  const { code, stderr } = await program.kill('SIGTERM');
  expect(code).toBe(1);
  expect(stderr).toContain('second signal');
  expect(await asking.ended).toMatchObject({ code: 1 });
});

test('a bridge that lost the process that started it stops by itself', async () => {
  const program = start(['serve', '--port', '0'], { cwd: documents(), ipc: true });
  await program.ready();
  program.child.disconnect();
  expect(await program.ended).toMatchObject({ code: 0, signal: null });
});

/** Waits until the bridge works on a question. */
async function busy(port: string): Promise<void> {
  for (;;) {
    const { stdout } = await warmline(['sessions', '--json', '--port', port]);
    if (/"state":"busy"/.test(stdout)) return;
  }
}

test('ask prints the answer and its sources', async () => {
  const { port } = await serve();
  const question = 'Where does the kettle stand?';
  const plain = await warmline(['ask', question, '--context', 'GUIDE.md', '--port', port]);
  expect(plain).toMatchObject({ code: 0, stderr: '' });
  expect(plain.stdout).toMatch(/second shelf[\s\S]*\nSources\n {2}GUIDE\.md:\d+-\d+\n$/);
  const streamed = await warmline([
    'ask',
    question,
    '--context',
    'GUIDE.md',
    '--stream',
    '--port',
    port,
  ]);
  expect(streamed.stdout).toBe(plain.stdout);
  const json = await warmline(['ask', question, '--context', 'GUIDE.md', '--json', '--port', port]);
  expect(JSON.parse(json.stdout)).toMatchObject({
    type: 'response',
    answer: expect.stringContaining('second shelf'),
    sources: [expect.stringMatching(/^GUIDE\.md:\d+-\d+$/)],
    engine: 'extract',
    elapsed_ms: expect.any(Number),
    queued_ms: expect.any(Number),
  });
});

test('ask exits with 1 when the question fails, and --json says why', async () => {
  const { port } = await serve();
  const plain = await warmline(['ask', 'q', '--context', 'NONE.md', '--port', port]);
  expect(plain).toMatchObject({ code: 1, stdout: '' });
  expect(plain.stderr).toMatch(/^warmline: no file NONE\.md [^\n]*\n$/);
  const json = await warmline(['ask', 'q', '--context', 'NONE.md', '--json', '--port', port]);
  expect(json.code).toBe(1);
  expect(JSON.parse(json.stdout)).toMatchObject({ type: 'error', code: 'context_missing' });
});

test('a wait below a second is told in milliseconds', async () => {
  const { port } = await serve('--engine', 'fake');
  const { code, stderr } = await warmline([
    'ask',
    '!fake silent',
    '--timeout',
    '1',
    '--port',
    port,
  ]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/within [1-9]\d* m?s/);
});

test('what an answer holds cannot steer the terminal', async () => {
  const { port } = await serve('--engine', 'fake');
  const { stdout } = await warmline(['ask', '!fake echo a\u001b[2Jb\u009b31mc\rd', '--port', port]);
  expect(stdout).toBe('a[2Jb31mcd\n');
});

test('ask --session keeps what was said, and without one nothing is kept', async () => {
  const { port } = await serve('--engine', 'fake');
  const ask = async (...words: string[]) => {
    const { stdout } = await warmline(['ask', ...words, '--port', port]);
    return stdout;
  };
  await ask('first', '--session', 'k');
  expect(await ask('!fake history', '--session', 'k')).toContain('first');
  expect(await ask('!fake history')).not.toContain('first');
});

test('a bridge with a token is used with --token-file, and not without', async () => {
  const token = join(tempDir(), 'token');
  writeFileSync(token, '0123456789abcdef0123456789abcdef\n', { mode: 0o600 });
  const { program, port } = await serve('--engine', 'fake', '--token-file', token);
  const refused = await warmline(['ask', 'q', '--port', port]);
  expect(refused.code).toBe(1);
  const asked = await warmline(['ask', '!fake echo yes', '--port', port, '--token-file', token]);
  expect(asked).toMatchObject({ code: 0, stdout: 'yes\n' });
  chmodSync(token, 0o644);
  const open = await warmline(['ask', 'q', '--port', port, '--token-file', token]);
  expect(open).toMatchObject({ code: 78 });
  expect(open.stderr).toContain(`chmod 600 ${token}`);
  expect(program.stderr + refused.stderr + open.stderr).not.toContain('0123456789abcdef');
});

test('commands reach a bridge over its Unix socket', async () => {
  const socket = join(tempDir(), 'warmline.sock');
  const { program } = await serve('--engine', 'fake', '--socket', socket);
  expect(await program.ready()).toMatchObject({ socket });
  const words = ['ask', '!fake echo here', '--socket', socket];
  expect(await warmline(words)).toMatchObject({ code: 0, stdout: 'here\n' });
});

test('send puts a question on the bus and names the row, in a conversation old or new', async () => {
  const db = await makeBus();
  const first = await warmline(['send', 'What now?', '--db', db, '--json']);
  const sent = JSON.parse(first.stdout);
  expect(sent).toMatchObject({ message_id: 1, conversation_id: expect.stringMatching(/^conv_/) });
  const again = ['send', 'And then?', '--db', db, '--conversation', sent.conversation_id];
  expect((await warmline(again)).stdout).toBe(
    `message 2 in conversation ${sent.conversation_id}\n`,
  );
  const reader = new Database(db, { readonly: true });
  onTestFinished(() => void reader.close());
  const row = reader.prepare('SELECT * FROM messages WHERE id = 1').get() as Record<string, string>;
  expect(row).toMatchObject({ from_session: 'a', to_session: 'b', read: 0 });
  expect(JSON.parse(row.message ?? '')).toEqual({
    type: 'query',
    query_id: sent.query_id,
    question: 'What now?',
  });
  expect(JSON.parse(row.metadata ?? '')).toEqual({ action_type: 'question' });
});

test('send makes a bus when told to, and refuses what a bus does not take', async () => {
  const db = join(tempDir(), 'new.db');
  expect(await warmline(['send', 'q', '--db', db, '--create'])).toMatchObject({ code: 0 });
  expect(statSync(db).mode & 0o777).toBe(0o600);
  expect(await warmline(['send', ' ', '--db', db])).toMatchObject({ code: 2 });
  expect(await warmline(['send', 'x'.repeat(50_001), '--db', db])).toMatchObject({ code: 2 });
  const unknown = ['send', 'q', '--db', db, '--conversation', 'conv_0123456789abcdef'];
  const refused = await warmline(unknown);
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(refused.stderr).toMatch(/no conversation conv_0123456789abcdef/);
});

test('send keeps a secret in the question off the bus', async () => {
  const db = await makeBus();
  await warmline(['send', `why does ghp_${'a1B2'.repeat(9)} fail?`, '--db', db]);
  const reader = new Database(db, { readonly: true });
  onTestFinished(() => void reader.close());
  const message = reader.prepare('SELECT message FROM messages').pluck().get() as string;
  expect(message).not.toContain('a1B2a1B2');
  expect(JSON.parse(message).question).toMatch(/^why does .*REDACTED.* fail\?$/);
});

test('send --wait prints the answer when it comes, and gives up when its time is up', async () => {
  const db = await makeBus();
  const { port } = await serve();
  const late = await warmline(['send', 'Too soon?', '--db', db, '--wait', '--timeout', '50']);
  expect(late).toMatchObject({ code: 1, stdout: '' });
  expect(late.stderr).toMatch(
    /no answer to message 1 .*\(no autopoll works on this bus: .*\).* warmline doctor --db/,
  );

  await start(['autopoll', '--db', db, '--port', port, '--log-level', 'warn']).ready();
  const words = [
    'send',
    'Where does the kettle stand?',
    '--db',
    db,
    '--context',
    'GUIDE.md',
    '--wait',
  ];
  const plain = await warmline(words);
  expect(plain).toMatchObject({ code: 0, stderr: '' });
  expect(plain.stdout).toMatch(/second shelf[\s\S]*\nSources\n {2}GUIDE\.md:\d+-\d+\n$/);
  expect(JSON.parse((await warmline([...words, '--json'])).stdout)).toMatchObject({
    message_id: expect.any(Number),
    type: 'response',
    sources: [expect.stringMatching(/^GUIDE\.md/)],
    shard_id: 'warmline',
  });
  const failed = await warmline(['send', 'q', '--db', db, '--context', 'NONE.md', '--wait']);
  expect(failed).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^Error: no file NONE\.md/),
  });
});

test('send --wait does not wait in a conversation that has expired', async () => {
  const file = join(tempDir(), 'bus.db');
  const bus = openSqliteBus({ file, create: true });
  const conversation = await bus.createConversation({ roleA: 'a', roleB: 'b', lifetimeMs: 0 });
  await bus.close();
  const words = ['send', 'q', '--db', file, '--conversation', conversation, '--wait'];
  const { code, stdout, stderr } = await warmline(words);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(/has expired[^\n]*--include-expired/);
});

test('autopoll --once answers what is there, sums up and ends', async () => {
  const db = await makeBus();
  const { port } = await serve('--engine', 'fake');
  for (const question of ['one', 'two']) await warmline(['send', question, '--db', db]);
  await warmline(['send', '!fake error=bad_request no', '--db', db]);
  const words = ['autopoll', '--db', db, '--port', port, '--once', '--log-level', 'error'];
  expect(await warmline(words)).toMatchObject({
    code: 0,
    stdout: '2 complete, 1 failed, 0 dead, 0 ignored\n',
  });
  const again = await warmline([...words, '--json']);
  expect(JSON.parse(again.stdout)).toEqual({
    complete: 0,
    failed: 0,
    dead: 0,
    ignored: 0,
    orphaned: 0,
    stale: 0,
    pending: 0,
    leased: 0,
    expired: 0,
  });
});

test('autopoll --once without a bridge fails and says what to start', async () => {
  const db = await makeBus();
  await warmline(['send', 'q', '--db', db]);
  const words = ['autopoll', '--db', db, '--port', '1', '--once', '--connect-ms', '20'];
  const { code, stderr } = await warmline([...words, '--log-level', 'silent']);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^warmline: cannot reach [^\n]*warmline serve[^\n]*\n$/);
});

test('stats prints the counts of bridge and bus', async () => {
  const db = await makeBus();
  const { port } = await serve('--engine', 'fake');
  await warmline(['ask', 'q', '--port', port]);
  await warmline(['send', 'q', '--db', db]);
  const json = JSON.parse((await warmline(['stats', '--db', db, '--json', '--port', port])).stdout);
  expect(json).toMatchObject({
    server: { queries: 1, answered: 1 },
    bus: { pending: 1, leased: 0, complete: 0, oldest_pending_ms: expect.any(Number) },
  });
  const { stdout } = await warmline(['stats', '--db', db, '--port', port]);
  expect(stdout).toMatch(/^pending +1$/m);
  expect(stdout).toMatch(/^server\.answered +1$/m);
});

test('stats of a bus need no bridge, and say that none runs', async () => {
  const db = await makeBus();
  const { code, stdout, stderr } = await warmline(['stats', '--db', db, '--port', '1']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/^pending +0$[\s\S]*^Bridge: not running \(cannot reach .*\)$/m);
});

test('stats of a bus say when no autopoll works on it, and only then', async () => {
  const db = await makeBus();
  const { port } = await serve('--engine', 'fake');
  const sentence = `no autopoll works on this bus: warmline autopoll --db ${db}`;
  const words = ['stats', '--db', db, '--port', port];
  expect((await warmline(words)).stdout).toContain(sentence);
  await start(['autopoll', '--db', db, '--port', port, '--log-level', 'warn']).ready();
  for (;;) {
    const { stdout } = await warmline(words);
    if (/^autopoll \d+: heard of/m.test(stdout)) {
      expect(stdout).not.toContain(sentence);
      break;
    }
  }
});

test('stats --json without a bridge still has the counts of the bus, and the error beside', async () => {
  const db = await makeBus();
  const { code, stdout } = await warmline(['stats', '--db', db, '--json', '--port', '1']);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    error: { code: 'unreachable', message: expect.any(String), retryable: true },
    bus: { pending: 0 },
  });
});

test.each(['stats', 'sessions'])('%s --json without a bridge says why as JSON', async (command) => {
  const { code, stdout, stderr } = await warmline([command, '--json', '--port', '1']);
  expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
  expect(JSON.parse(stdout)).toMatchObject({ type: 'error', code: 'unreachable' });
});

test('sessions prints one row for each', async () => {
  const { port } = await serve('--engine', 'fake');
  await warmline(['ask', 'q', '--session', 'mine', '--port', port]);
  const { stdout } = await warmline(['sessions', '--port', port]);
  expect(stdout.split('\n')[0]).toMatch(/session.*state/);
  expect(stdout).toMatch(/^fake-\d+ .*mine/m);
  const json = JSON.parse((await warmline(['sessions', '--json', '--port', port])).stdout);
  expect(Object.keys(json)).toEqual(['sessions']);
  expect(json.sessions.length).toBeGreaterThan(0);
});

interface Diagnosis {
  readonly ok: boolean;
  readonly checks: { name: string; status: string; message: string; fix?: string }[];
}

async function diagnose(words: string[], cwd = documents()): Promise<Diagnosis & { code: number }> {
  const { code, stdout } = await warmline(['doctor', '--json', ...words], { cwd });
  return { ...JSON.parse(stdout), code };
}

test('the doctor is content with a bridge that runs, a bus and documents', async () => {
  const cwd = documents();
  writeFileSync(join(cwd, 'README.md'), '# Read me\n');
  const db = await makeBus();
  const { port } = await serve();
  const { ok, code, checks } = await diagnose(['--db', db, '--port', port], cwd);
  expect({ ok, code }).toEqual({ ok: true, code: 0 });
  const statuses = Object.fromEntries(checks.map(({ name, status }) => [name, status]));
  expect(statuses).toMatchObject({
    node: 'ok',
    sqlite: 'ok',
    bridge: 'ok',
    'context roots': 'ok',
    context: 'ok',
    bus: 'ok',
  });
});

test('the doctor says how to put right what it finds', async () => {
  const foreign = await takenPort();
  const dir = tempDir();
  const shared = join(dir, 'shared');
  mkdirSync(shared);
  chmodSync(shared, 0o777);
  const db = join(shared, 'bus.db');
  await openSqliteBus({ file: db, create: true }).close();
  const token = join(dir, 'token');
  writeFileSync(token, 'x'.repeat(32), { mode: 0o644 });
  const noDatabase = join(dir, 'notes.txt');
  writeFileSync(noDatabase, 'no database');
  const foreignBus = join(dir, 'foreign.db');
  new Database(foreignBus).exec('CREATE TABLE other (id)').close();
  const damaged = await makeBus();
  damage(damaged);
  const cases: [string[], string, string, RegExp][] = [
    [['--port', foreign], 'port', 'fail', /another --port/],
    [['--port', '0', '--http-port', foreign], 'http-port', 'fail', /another --http-port/],
    [['--port', '0', '--db', join(dir, 'no.db')], 'bus', 'fail', /warmline up --db .* --create/],
    [['--port', '0', '--db', noDatabase], 'bus', 'fail', /check --db/],
    [['--port', '0', '--db', foreignBus], 'bus', 'fail', /check --db/],
    [['--port', '0', '--db', damaged], 'bus', 'fail', /restore a backup/],
    [['--port', '0', '--db', db], 'directory', 'warn', /directory of yours/],
    [['--port', '0', '--context-root', join(dir, 'none')], 'context', 'fail', /--context-root/],
    [['--port', '0'], 'context', 'warn', /--context/],
    [['--port', '0', '--token-file', token], 'token', 'fail', /chmod 600/],
  ];
  for (const [words, name, status, help] of cases) {
    const { ok, code, checks } = await diagnose(words);
    const found = checks.find((check) => check.name === name);
    expect(found, words.join(' ')).toMatchObject({ status });
    expect(`${found?.message} ${found?.fix}`).toMatch(help);
    expect({ ok, code }).toEqual(
      status === 'fail' ? { ok: false, code: 1 } : { ok: true, code: 0 },
    );
  }
});

/** Overwrites all pages but the first, which holds the schema. */
function damage(file: string): void {
  const bytes = readFileSync(file);
  writeFileSync(file, bytes.fill(0xff, 4096));
}

test.each([
  ['file', 0o777, 0o444],
  ['directory', 0o555, 0o666],
] as const)(
  'the doctor finds a bus whose %s this user cannot write, and says how to change that',
  async (what, directoryMode, fileMode) => {
    const dir = tempDir();
    const db = join(dir, 'bus.db');
    await openSqliteBus({ file: db, create: true }).close();
    chmodSync(db, fileMode);
    chmodSync(dir, directoryMode);
    const child = new Program(process.execPath, [UNPRIVILEGED, db]);
    const [finding] = JSON.parse((await child.ended).stdout);
    const path = what === 'file' ? db : dir;
    expect(finding).toMatchObject({
      name: 'bus',
      status: 'fail',
      message: expect.stringContaining(`${path} is not readable and writable`),
      fix: expect.stringContaining(`chmod u+rwX ${path}`),
    });
    chmodSync(dir, 0o700);
  },
);

test('the doctor finds damage, and changes nothing in a bus', async () => {
  const db = await makeBus();
  await warmline(['send', 'q', '--db', db]);
  const before = fingerprint(db);
  await diagnose(['--db', db, '--port', '0']);
  expect(fingerprint(db)).toEqual(before);
  writeFileSync(db, 'no database');
  const { checks, code } = await diagnose(['--db', db, '--port', '0']);
  expect(code).toBe(1);
  expect(checks.find(({ name }) => name === 'bus')).toMatchObject({ status: 'fail' });
});

function fingerprint(file: string): unknown {
  const db = new Database(file, { readonly: true });
  try {
    return {
      version: db.pragma('schema_version', { simple: true }),
      messages: db.prepare('SELECT * FROM messages').all(),
      work: db.prepare('SELECT * FROM warmline_work').all(),
    };
  } finally {
    db.close();
  }
}
