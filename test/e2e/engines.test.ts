/** Several engines in real processes: chosen by model, standing in for each other, and looked after. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type BridgeClient, connect } from '../../clients/socket/index.js';
import { openSqliteBus } from '../../src/bus/index.js';
import { isAlive, type Program, start, tempDir, warmline } from '../support/process.js';
import { freePort, look, ROOT, withDatabase } from './warmline.js';

const SEVERAL = `
engine = "primary"

[engines.primary]
kind = "fake"
model = "model-1"
aliases = ["fast"]
fallback = "spare"
max_sessions = 2

[engines.spare]
kind = "fake"
model = "model-2"

[engines.slow]
kind = "fake"
fake_delay_ms = 3600000
max_sessions = 1
`;

interface Running {
  readonly program: Program;
  readonly port: string;
  readonly client: BridgeClient;
}

async function serve(file: string, ...words: string[]): Promise<Running> {
  const cwd = tempDir();
  writeFileSync(join(cwd, 'warmline.toml'), file);
  const program = start(['serve', '--port', '0', '--log-level', 'warn', ...words], { cwd });
  const { port } = await program.ready();
  const client = await connect({ port });
  onTestFinished(() => client.close());
  return { program, port: String(port), client };
}

async function healthOf(client: BridgeClient, name: string): Promise<Record<string, unknown>> {
  const { engines } = (await client.health()) as unknown as {
    engines: (Record<string, unknown> & { engine: string })[];
  };
  return engines.find(({ engine }) => engine === name) ?? {};
}

test('a question chooses its engine by name, alias or model, and a slow one delays no other', async () => {
  const { client } = await serve(SEVERAL);
  const stuck = Array.from({ length: 20 }, () => client.ask('Why?', { model: 'slow' }));
  for (const question of stuck) question.catch(() => undefined);
  const chosen = ['fast', 'model-1', 'spare', 'model-2', 'no-such-model', undefined];
  const answers = await Promise.all(chosen.map((model) => client.ask('Who?', { model })));
  expect(answers.map(({ engine, model }) => `${engine} ${model}`)).toEqual([
    'primary model-1',
    'primary model-1',
    'spare model-2',
    'spare model-2',
    'primary model-1',
    'primary model-1',
  ]);
  expect(await healthOf(client, 'slow')).toMatchObject({ queued: 19, sessions: { busy: 1 } });
  expect(await healthOf(client, 'primary')).toMatchObject({ queued: 0, default: true });
});

test('the fall-back answers while the limit lasts, and health says until when', async () => {
  const { client } = await serve(SEVERAL);
  const limited = '!fake on=primary error=engine_limit retry_after_ms=3600000 Why?';
  expect(await client.ask(limited)).toMatchObject({ engine: 'spare', answer: 'fake: Why?' });
  expect(await client.ask('And now?')).toMatchObject({ engine: 'spare', model: 'model-2' });
  expect(await healthOf(client, 'primary')).toMatchObject({
    state: 'down',
    trouble: 'parked',
    limit: { state: 'limited', reset_at_ms: expect.any(Number) },
    last_failure: { code: 'engine_limit' },
  });
  const stats = (await client.stats()) as { bridge?: { engines?: unknown } };
  expect(stats.bridge?.engines).toMatchObject({
    primary: { fell_back: 2 },
    spare: { answered: 2 },
  });
});

test('on the bus a limit parks the question, and its fall-back answers in its own name', async () => {
  const file = `${SEVERAL}\n[engines.alone]\nkind = "fake"\n`;
  const { port, client } = await serve(file);
  const db = join(tempDir(), 'bus.db');
  const bus = openSqliteBus({ file: db, create: true });
  const put = async (question: Record<string, unknown>) =>
    bus.put({
      conversationId: await bus.createConversation({ roleA: 'asker', roleB: 'shard' }),
      from: 'a',
      message: JSON.stringify({ type: 'query', ...question }),
      metadata: null,
    });
  const why = '!fake on=primary error=engine_auth Why?';
  const fellBack = await put({ question: why });
  const parked = await put({
    question: '!fake error=engine_limit retry_after_ms=3600000',
    model: 'alone',
  });
  await bus.close();
  const words = ['autopoll', '--db', db, '--port', port, '--log-level', 'warn'];
  const poller = start(words);
  await poller.ready();
  const soonUs = (Date.now() + 600_000) * 1_000;
  const lanes = () =>
    withDatabase(db, (file) =>
      file.prepare('SELECT attempts, ready_at_us > ? AS parked FROM warmline_lanes').all(soonUs),
    );
  await expect
    .poll(() => ({ answers: look(db).answers.length, waiting: lanes() }), { timeout: 20_000 })
    .toEqual({ answers: 1, waiting: [{ attempts: 0, parked: 1 }] });
  const [answer] = look(db).answers;
  expect(answer?.inReplyTo).toBe(fellBack);
  expect(JSON.parse(answer?.message ?? '')).toMatchObject({
    answer: 'fake: Why?',
    llm_type: 'spare',
  });
  expect(look(db).questions.find(({ id }) => id === parked)?.read).toBe(0);
  expect(await healthOf(client, 'alone')).toMatchObject({ limit: { state: 'limited' } });
});

test('settings of an engine are flags, and --concurrency of serve is its sessions', async () => {
  const words = ['--engine', 'fake', '--engine-model', 'm-7', '--concurrency', '2'];
  const { client } = await serve('', ...words);
  expect(await client.ask('Who?')).toMatchObject({ engine: 'fake', model: 'm-7' });
  expect(await healthOf(client, 'fake')).toMatchObject({ sessions: { size: 2 } });
});

test('health shows the processes of an engine, and one that is killed is replaced', async () => {
  const agent = join(ROOT, 'test/support/echo-agent.mjs');
  const words = ['--engine', 'acp', '--acp-command', `"${process.execPath}" "${agent}"`];
  const { client } = await serve('', ...words, '--concurrency', '1');
  expect((await client.ask('Who?')).engine).toBe('acp');
  const before = (await healthOf(client, 'acp')).processes as Processes;
  expect(before.pids.length).toBeGreaterThan(0);
  expect(before.memory_bytes).toBeGreaterThan(1024 * 1024);
  for (const pid of before.pids) process.kill(pid, 'SIGKILL');
  await expect
    .poll(async () => (await healthOf(client, 'acp')).last_failure)
    .toMatchObject({ code: 'engine_error' });
  expect((await client.ask('And now?')).engine).toBe('acp');
  const after = await healthOf(client, 'acp');
  expect(after).toMatchObject({ state: 'ok', last_failure: { code: 'engine_error' } });
  expect(before.pids.filter(isAlive)).toEqual([]);
});

interface Processes {
  readonly pids: readonly number[];
  readonly memory_bytes: number;
}

async function fakeModel(): Promise<string> {
  const program = start(['fake-model', '--port', '0', '--json']);
  const ready = (await program.ready()) as unknown as { url: string };
  return ready.url;
}

test('a model API is asked with the key of a file, and the key is nowhere to be seen', async () => {
  const url = await fakeModel();
  const key = 'sk-test-0123456789';
  const keyFile = join(tempDir(), 'key');
  writeFileSync(keyFile, `${key}\n`, { mode: 0o600 });
  const file = `
[engines.gpt]
kind = "openai"
base_url = "${url}/v1"
model = "m"
key_file = "${keyFile}"
[engines.haiku]
kind = "anthropic"
base_url = "${url}"
model = "claude-test"
key_env = "SOME_KEY"
`;
  const cwd = tempDir();
  writeFileSync(join(cwd, 'warmline.toml'), file);
  const words = ['serve', '--port', '0', '--log-level', 'debug'];
  const program = start(words, { cwd, env: { SOME_KEY: key } });
  const { port } = await program.ready();
  const client = await connect({ port });
  onTestFinished(() => client.close());
  for (const model of ['gpt', 'haiku', 'max/claude-test']) {
    const { engine, answer } = await client.ask('Why?', { model });
    expect(engine).toBe(model === 'haiku' ? 'haiku' : 'gpt');
    expect(answer).not.toBe('');
  }
  expect(JSON.stringify([await client.health(), await client.stats()])).not.toContain(key);
  const { stderr, stdout } = await program.kill('SIGTERM');
  expect(stderr + stdout).not.toContain(key);

  const doctor = await warmline(['doctor', '--json', '--port', '0'], {
    cwd,
    env: { SOME_KEY: key },
  });
  const { checks } = JSON.parse(doctor.stdout) as { checks: { name: string; status: string }[] };
  expect(checks.filter(({ name }) => name === 'engine').map(({ status }) => status)).toEqual([
    'ok',
    'ok',
  ]);
  expect(doctor.stdout + doctor.stderr).not.toContain(key);
});

test('what a table says of answers and caches reaches the model API', async () => {
  const url = await fakeModel();
  const { client } = await serve(`
[engines.gpt]
kind = "openai"
base_url = "${url}/v1"
model = "m"
max_output_tokens = 321
[engines.haiku]
kind = "anthropic"
base_url = "${url}"
model = "claude-test"
max_output_tokens = 654
cache_ttl = "1h"
`);
  const received = async (model: string) =>
    (await client.ask('[[fake: echo]]', { model })).answer.replaceAll(/\s/g, '');
  expect(await received('gpt')).toMatch(/"max_(completion_)?tokens":321\b/);
  const haiku = await received('haiku');
  expect(haiku).toContain('"max_tokens":654');
  expect(haiku).toContain('"ttl":"1h"');
});

interface Check {
  readonly name: string;
  readonly status: string;
  readonly message: string;
  readonly fix?: string;
}

test('the doctor names what each engine lacks, and what to do', async () => {
  const port = await freePort();
  const nowhere = `http://127.0.0.1:${port}/v1`;
  const cases: [string[], RegExp][] = [
    [
      ['--engine', 'openai', '--engine-model', 'm', '--base-url', nowhere],
      /check that http.* answers/,
    ],
    [['--engine', 'anthropic', '--engine-model', 'm'], /needs a key.*--key-file/],
    [['--engine', 'claude', '--claude-path', '/nowhere/claude'], /claude/],
    [['--engine', 'acp', '--acp-command', '/nowhere/agent'], /agent/],
  ];
  for (const [words, help] of cases) {
    const { code, stdout } = await warmline(['doctor', '--json', '--port', '0', ...words]);
    const { checks } = JSON.parse(stdout) as { checks: Check[] };
    const found = checks.find(({ name }) => name === 'engine');
    expect(found, words.join(' ')).toMatchObject({ status: 'fail' });
    expect(`${found?.message} ${found?.fix}`).toMatch(help);
    expect(code).toBe(1);
  }
});

test('an engine that cannot be had ends the start in one line, with exit code 78', async () => {
  const cases: [string[], RegExp][] = [
    [['--engine', 'clod'], /--engine must be one of .*did you mean "claude"\?/],
    [['--engine', 'openai'], /engine openai needs a model: --engine-model/],
    [['--engine', 'openai', '--engine-model', 'm'], /needs a key.*--key-file/],
    [['--engine', 'claude', '--claude-path', '/nowhere/claude'], /claude/],
    [['--engine', 'fake', '--base-url', 'http://h'], /--base-url is for claude, .* not for fake/],
  ];
  for (const [words, says] of cases) {
    const { code, stderr } = await warmline([
      'serve',
      '--port',
      '0',
      '--log-level',
      'error',
      ...words,
    ]);
    expect({ code, words }).toEqual({ code: 78, words });
    expect(stderr).toMatch(says);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  }
});

test('a secret that is given where none belongs is refused, and not repeated', async () => {
  const secret = 'sk-not-to-be-seen';
  for (const word of [
    `--key=${secret}`,
    `--key-env=${secret}`,
    `--base-url=http://u:${secret}@h`,
  ]) {
    const { code, stderr } = await warmline(['serve', '--port', '0', word]);
    expect({ code, word }).toEqual({ code: 2, word });
    expect(stderr).toMatch(/--key|--base-url/);
    expect(stderr).not.toContain(secret);
  }
});
