/** Under the real pm2, as `ecosystem.config.js` has it. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { openSqliteBus } from '../../src/bus/index.js';
import { plainEnvironment, processesNaming, tempDir, until } from '../support/process.js';
import { CLI, freePort, look, ROOT } from './warmline.js';

/** Not a dependency of ours (it is another licence, and large): fetched once, for this test. */
const VERSION = '7.0.4';
const CACHE = join(ROOT, '.cache', `pm2-${VERSION}`);
const PM2 = join(CACHE, 'node_modules/pm2/bin/pm2');
const ECOSYSTEM = join(ROOT, 'ecosystem.config.js');

const run = promisify(execFile);

beforeAll(async () => {
  if (existsSync(PM2)) return;
  const words = ['install', '--prefix', CACHE, '--no-audit', '--no-fund', `pm2@${VERSION}`];
  await run('npm', words).catch((error) => {
    throw new Error(`this test needs pm2, and npm could not fetch it: ${error.stderr}`);
  });
}, 120_000);

interface App {
  readonly name: string;
  readonly pid: number;
  readonly pm2_env: { readonly status: string; readonly restart_time: number };
}

/** A pm2 of its own with both programs of ours on a bus of their own. */
async function underPm2(env: Record<string, string> = {}) {
  const home = tempDir();
  const db = join(home, 'bus.db');
  const bus = openSqliteBus({ file: db, create: true });
  onTestFinished(() => bus.close());
  const around = {
    cwd: home,
    env: {
      ...plainEnvironment(),
      PM2_HOME: home,
      PM2_DISABLE_VERSION_CHECK: 'true',
      WARMLINE_DB: db,
      WARMLINE_PORT: String(await freePort()),
      WARMLINE_ENGINE: 'fake',
      WARMLINE_FAKE_DELAY_MS: '20',
      WARMLINE_LOG_LEVEL: 'warn',
      ...env,
    },
  };
  /** @throws when pm2 does not exit with 0 */
  const pm2 = (...words: string[]) => run(process.execPath, [PM2, '--no-color', ...words], around);
  const apps = async (): Promise<Record<string, App>> => {
    const { stdout } = await pm2('jlist');
    const list = JSON.parse(stdout.slice(stdout.lastIndexOf('\n[') + 1)) as App[];
    return Object.fromEntries(list.map((app) => [app.name.replace('warmline-', ''), app]));
  };
  onTestFinished(async () => {
    await pm2('kill');
    await until(() => processesNaming(home).length === 0);
  });
  const conversations = await Promise.all(
    Array.from({ length: 5 }, () =>
      bus.createConversation({ roleA: 'asker', roleB: 'shard', lifetimeMs: 86_400_000 }),
    ),
  );
  let asked = 0;
  /** Puts so many questions on the bus, spread over the conversations. */
  async function ask(count: number): Promise<void> {
    for (let more = 0; more < count; more += 1) {
      asked += 1;
      await bus.put({
        conversationId: conversations[asked % conversations.length] ?? '',
        from: 'a',
        message: JSON.stringify({ type: 'query', question: `!fake echo question ${asked}` }),
        metadata: '{"action_type":"question"}',
      });
    }
  }
  const answers = () => look(db).answers;
  const allAnswered = () => until(() => answers().length >= asked);
  /** Exactly one answer for each question, in the order of its conversation, and none an error. */
  async function expectEachAnsweredOnce(): Promise<void> {
    await allAnswered();
    const { questions } = look(db);
    expect(questions).toHaveLength(asked);
    for (const conversation of conversations) {
      const mine = answers().filter((row) => row.conversation_id === conversation);
      expect(mine.map((row) => row.inReplyTo)).toEqual(
        questions.filter((row) => row.conversation_id === conversation).map((row) => row.id),
      );
      for (const { message } of mine) expect(JSON.parse(message).answer).toMatch(/^question \d+$/);
    }
  }
  return { pm2, apps, ask, answers, expectEachAnsweredOnce };
}

test('pm2 start brings both up, online once they are ready, and they answer', async () => {
  const { pm2, apps, ask, expectEachAnsweredOnce } = await underPm2();
  await pm2('start', ECOSYSTEM);
  const { bridge, autopoll } = await apps();
  for (const app of [bridge, autopoll]) {
    expect(app?.pm2_env).toMatchObject({
      status: 'online',
      restart_time: 0,
      exec_mode: 'fork_mode',
      wait_ready: true,
      kill_timeout: 30_000,
      exp_backoff_restart_delay: 100,
      watch: false,
    });
  }
  await ask(10);
  await expectEachAnsweredOnce();
  await pm2('delete', 'all');
  expect(await apps()).toEqual({});
});

test('a reload under load loses no question and answers none twice', async () => {
  const { pm2, apps, ask, answers, expectEachAnsweredOnce } = await underPm2();
  await pm2('start', ECOSYSTEM);
  const before = await apps();
  await ask(150);
  await until(() => answers().length > 10);
  await pm2('reload', 'all');
  await ask(20);
  await expectEachAnsweredOnce();
  const after = await apps();
  for (const name of ['bridge', 'autopoll']) {
    expect(after[name]?.pm2_env.status).toBe('online');
    expect(after[name]?.pid).not.toBe(before[name]?.pid);
  }
});

test('pm2 brings back what kill -9 took, and every question is answered once', async () => {
  const { pm2, apps, ask, answers, expectEachAnsweredOnce } = await underPm2();
  await pm2('start', ECOSYSTEM);
  const { bridge, autopoll } = await apps();
  for (const victim of [bridge, autopoll]) {
    const already = answers().length;
    await ask(60);
    await until(() => answers().length > already + 5);
    process.kill(victim?.pid ?? 0, 'SIGKILL');
    await expectEachAnsweredOnce();
  }
  const after = await apps();
  for (const name of ['bridge', 'autopoll']) {
    expect(after[name]?.pm2_env).toMatchObject({ status: 'online', restart_time: 1 });
  }
});

test('a program with wrong settings is not started again and again', async () => {
  const { pm2, apps } = await underPm2({ WARMLINE_PROT: '1' });
  await pm2('start', ECOSYSTEM);
  // Beside it a program that fails the same way, of which pm2 was told nothing.
  const back = ['--name', 'other', '--exp-backoff-restart-delay=100'];
  await pm2('start', CLI, ...back, '--', 'serve');
  for (;;) {
    const { bridge, autopoll, other } = await apps();
    for (const app of [bridge, autopoll]) {
      expect(app).toMatchObject({ pid: 0, pm2_env: { restart_time: 0, exit_code: 78 } });
    }
    if ((other?.pm2_env.restart_time ?? 0) >= 3) break;
  }
});
