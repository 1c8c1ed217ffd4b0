/** The door while its server stops, and while its bus cannot be used. */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { openSqliteBus } from '../../src/bus/index.js';
import { start, warmline } from '../support/process.js';
import {
  ask,
  call,
  chat,
  documents,
  ended,
  openai,
  reaches,
  startServe,
  startTask,
  startUp,
  status,
} from './support.js';

test('a stop lets what runs be answered, and refuses what comes', async () => {
  const dir = documents();
  const server = await startServe(dir, '--engine', 'fake', '--drain-ms', '20000');
  const client = openai(server);
  const stream = await client.chat.completions.create({
    model: 'fake',
    messages: [{ role: 'user', content: '!fake delay=1000 deltas=20 a long way to the end' }],
    stream: true,
  });
  let text = '';
  let isTold = false;
  for await (const chunk of stream) {
    // A second signal would end it at once.
    if (!isTold) isTold = server.program.child.kill('SIGTERM');
    text += chunk.choices[0]?.delta.content ?? '';
  }
  expect(text).toBe('fake: a long way to the end');
  await expect(fetch(`${server.url}/healthz`)).rejects.toThrow();
  expect(await server.program.ended).toMatchObject({ code: 0 });
});

test('a stop answers a synchronous question that runs, and tells where one that waits goes on', async () => {
  const server = await startUp('--engine', 'fake', '--http-tasks', '1', '--drain-ms', '20000');
  const running = chat(server, ask('!fake delay=1500 deltas=5 runs'));
  const [first] = await actives(server, 1);
  // Claimed it is running, and its turn may not have begun.
  while (stageOf(await reaches(server, first as string, 'running')) !== 'generating_response');
  const waiting = chat(server, ask('waits'));
  const [, second] = await actives(server, 2);
  server.program.child.kill('SIGTERM');
  expect(await running).toMatchObject({ status: 200 });
  const told = await waiting;
  expect(told).toMatchObject({ status: 503, body: { error: { code: 'shutting_down' } } });
  expect((told.body.error as { message: string }).message).toContain(String(second));
  expect(await server.program.ended).toMatchObject({ code: 0 });
});

const stageOf = ({ progress }: Record<string, unknown>) =>
  (progress as { readonly stage: string }).stage;

async function actives(server: { url: string }, count: number): Promise<string[]> {
  for (;;) {
    const { body } = await call(`${server.url}/v1/polling/active`);
    if (body.count === count) {
      return (body.active_tasks as { task_id: string }[]).map((task) => task.task_id);
    }
  }
}

test('a bus that cannot be used is told, and used once it can be', async () => {
  const dir = documents();
  const db = join(dir, 'bus.db');
  writeFileSync(db, 'this is no bus');
  const server = await startServe(dir, '--engine', 'fake', '--db', db);
  const refused = await chat(server, ask('later', { polling_mode: true }));
  expect(refused.status).toBe(503);
  expect((refused.body.error as { code: string }).code).toMatch(/^bus_/);
  const { body: health } = await call(`${server.url}/health`);
  expect(health).toMatchObject({ polling_support: false, database_path: db });
  const streamed = await openai(server).chat.completions.create({
    model: 'fake',
    messages: [{ role: 'user', content: 'still there?' }],
    stream: true,
  });
  let text = '';
  for await (const chunk of streamed) text += chunk.choices[0]?.delta.content ?? '';
  expect(text).toBe('fake: still there?');
  await openSqliteBus({ file: `${db}.new`, create: true }).close();
  renameSync(`${db}.new`, db);
  for (;;) {
    const { status } = await chat(server, ask('later', { polling_mode: true }));
    if (status === 200) break;
    expect(status).toBe(503);
  }
});

test('a bus that is put in the place of another takes tasks', async () => {
  const server = await startUp('--engine', 'fake');
  await ended(server, await startTask(server, 'on the first bus'));
  const other = `${server.db}.new`;
  await openSqliteBus({ file: other, create: true }).close();
  for (const tail of ['-wal', '-shm']) rmSync(`${server.db}${tail}`, { force: true });
  renameSync(other, server.db);
  for (;;) {
    const { status: code, body } = await chat(server, ask('later', { polling_mode: true }));
    if (code !== 200) continue;
    expect(await ended(server, String(body.task_id))).toMatchObject({ status: 'completed' });
    break;
  }
});

test('an answer that another program has spoilt on the bus is told as it stands', async () => {
  const server = await startUp('--engine', 'fake', '--max-attempts', '1');
  const cut = await startTask(server, 'what is cut off?');
  const failed = await startTask(server, '!fake error=engine_error no');
  await ended(server, cut);
  await ended(server, failed);
  await server.program.kill('SIGTERM');
  const peer = new Database(server.db);
  const spoil = peer.prepare(
    `UPDATE messages SET message = ? WHERE id = (
       SELECT d.answer_id FROM warmline_door_tasks t
       JOIN warmline_done d ON d.question_id = t.question_id WHERE t.task_id = ?)`,
  );
  spoil.run('{"type":"response","answer":"cut o', cut);
  spoil.run('null', failed);
  peer.close();
  const again = await startServe(server.dir, '--engine', 'fake', '--db', server.db);
  expect(await status(again, cut)).toMatchObject({
    status: 'completed',
    result: { choices: [{ message: { content: '{"type":"response","answer":"cut o' } }] },
  });
  expect(await status(again, failed)).toMatchObject({ status: 'failed', error: 'null' });
});

test('a task whose turns take too long ends as timed out', async () => {
  const server = await startUp('--engine', 'fake', '--max-attempts', '1');
  const id = await startTask(server, '!fake silent', { timeout: 0.2 });
  const { status, error, completed_at: at } = await ended(server, id);
  expect({ status, error, at }).toEqual({
    status: 'timeout',
    error: expect.any(String),
    at: expect.any(Number),
  });
});

test('doctor gives a line to use the door by, without the token in it', async () => {
  const dir = documents();
  const file = join(dir, 'token');
  writeFileSync(file, 'a-long-random-token-7d1f-55aa', { mode: 0o600 });
  const words = ['--engine', 'fake', '--token-file', file];
  const program = start(['serve', '--port', '0', '--http-port', '0', ...words], { cwd: dir });
  const { port, http_port } = (await program.ready()) as unknown as Record<string, number>;
  const addresses = ['--port', String(port), '--http-port', String(http_port)];
  const { stdout } = await warmline(['doctor', ...addresses, ...words], { cwd: dir });
  const line = /curl -H "Authorization: Bearer \$\(cat '(.*)'\)" (http:\S+)/.exec(stdout);
  expect(line?.slice(1)).toEqual([file, `http://127.0.0.1:${http_port}/v1/models`]);
  expect(stdout).not.toContain('7d1f');
});
