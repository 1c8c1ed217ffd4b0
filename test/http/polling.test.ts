import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { ask, call, chat, ended, reaches, rows, startTask, startUp, status } from './support.js';

const run = promisify(execFile);

test('the shapes of tasks are what other programs compare, key by key', async () => {
  const { port } = await startUp('--engine', 'fake');
  const script = join(import.meta.dirname, 'clients/polling_shapes.py');
  const { stdout } = await run('python3', [script, String(port)]);
  expect(stdout).toBe('every shape is right\n');
});

test('a task is a question on the bus like any other before anybody is told of it', async () => {
  const server = await startUp('--engine', 'fake');
  process.kill(server.pids.autopoll, 'SIGSTOP');
  const id = await startTask(server, 'what is durable?', { priority: 7 });
  const found = rows<{ message: string; read: number; role: string; expires: string }>(
    server.db,
    `SELECT m.message, m.read, c.session_a_role AS role, c.expires_at AS expires
     FROM messages m JOIN conversations c ON c.id = m.conversation_id`,
  );
  process.kill(server.pids.autopoll, 'SIGCONT');
  expect(found).toHaveLength(1);
  expect(found[0]).toMatchObject({ read: 0, role: 'warmline-http' });
  const asked = { type: 'query', question: 'what is durable?', priority: 7 };
  expect(JSON.parse(found[0]?.message ?? '')).toMatchObject(asked);
  expect(found[0]?.expires).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/);
  expect(await ended(server, id)).toMatchObject({ status: 'completed' });
});

test('five tasks are at work at once, and a free place goes to the most urgent', async () => {
  const server = await startUp('--engine', 'fake', '--max-sessions', '16');
  const holding: string[] = [];
  for (let n = 0; n < 5; n += 1) holding.push(await startTask(server, '!fake silent hold'));
  for (const id of holding) await reaches(server, id, 'running');
  const usual = await startTask(server, '!fake silent usual');
  const urgent = await startTask(server, '!fake silent urgent', { priority: 5 });
  const last = await startTask(server, 'last');
  const { body } = await call(`${server.url}/v1/polling/active`);
  const states = (body.active_tasks as { status: string }[]).map((task) => task.status);
  expect(states).toEqual([...Array(5).fill('running'), ...Array(3).fill('pending')]);
  const freed = holding[2] as string;
  await call(`${server.url}/v1/polling/cancel/${freed}`, { method: 'POST' });
  await reaches(server, urgent, 'running');
  expect(await status(server, usual)).toMatchObject({ status: 'pending' });
  for (const id of [...holding, usual, urgent]) {
    await call(`${server.url}/v1/polling/cancel/${id}`, { method: 'POST' });
  }
  expect(await ended(server, last)).toMatchObject({ status: 'completed' });
  const conversations = rows(server.db, 'SELECT id FROM conversations');
  expect(conversations.length).toBeLessThanOrEqual(5);
});

test('one setting says how many tasks are at work at once', async () => {
  const server = await startUp('--engine', 'fake', '--http-tasks', '1');
  const first = await startTask(server, '!fake silent first');
  await reaches(server, first, 'running');
  const second = await startTask(server, 'second');
  expect(await status(server, second)).toMatchObject({
    status: 'pending',
    started_at: null,
    progress: { stage: 'queued' },
  });
  await call(`${server.url}/v1/polling/cancel/${first}`, { method: 'POST' });
  expect(await ended(server, second)).toMatchObject({ status: 'completed' });
});

test('a task that waits can be cancelled, and is never asked', async () => {
  const server = await startUp('--engine', 'fake', '--http-tasks', '1');
  const first = await startTask(server, '!fake silent first');
  await reaches(server, first, 'running');
  const second = await startTask(server, 'second');
  const cancelled = await call(`${server.url}/v1/polling/cancel/${second}`, { method: 'POST' });
  expect(cancelled).toMatchObject({ status: 200, body: { message: `Task ${second} cancelled` } });
  expect(await ended(server, second)).toMatchObject({ status: 'cancelled', started_at: null });
});

test('cancelling ends the turn, and its session is free again', async () => {
  const server = await startUp('--engine', 'fake', '--max-sessions', '1', '--spares', '1');
  const id = await startTask(server, '!fake silent for ever');
  await reaches(server, id, 'running');
  await call(`${server.url}/v1/polling/cancel/${id}`, { method: 'POST' });
  expect(await ended(server, id)).toMatchObject({ status: 'cancelled' });
  const next = await chat(server, ask('is there room?'));
  expect(next).toMatchObject({ status: 200 });
});

test('an Idempotency-Key gives the same task to the same request, and none to another', async () => {
  const server = await startUp('--engine', 'fake');
  const key = { 'idempotency-key': 'order-17' };
  const id = await startTask(server, '!fake delay=200 once', {}, key);
  expect(await startTask(server, '!fake delay=200 once', {}, key)).toBe(id);
  await ended(server, id);
  expect(await startTask(server, '!fake delay=200 once', {}, key)).toBe(id);
  const other = await chat(server, ask('another', { polling_mode: true }), key);
  expect(other).toMatchObject({
    status: 422,
    body: { error: { code: 'idempotency_key_reused', type: 'invalid_request_error' } },
  });
  const sync = await chat(server, ask('sync'), { 'idempotency-key': 'k2' });
  const again = await chat(server, ask('sync'), { 'idempotency-key': 'k2' });
  expect(again.body).toEqual(sync.body);
  expect(rows(server.db, `SELECT id FROM messages WHERE to_session = 'b'`)).toHaveLength(2);
});

test('a client that hangs up ends its question, unless its key lets it ask again', async () => {
  const server = await startUp('--engine', 'fake', '--http-tasks', '8');
  const hangUp = async (headers: Record<string, string>) => {
    const before = (await call(`${server.url}/v1/polling/active`)).body.count as number;
    const gone = new AbortController();
    const asked = fetch(`${server.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(ask('!fake silent for ever')),
      signal: gone.signal,
    });
    for (;;) {
      const { body } = await call(`${server.url}/v1/polling/active`);
      if (body.count === before + 1) {
        gone.abort();
        await expect(asked).rejects.toThrow();
        const tasks = body.active_tasks as { task_id: string }[];
        return tasks.at(-1)?.task_id as string;
      }
    }
  };
  const unnamed = await hangUp({});
  expect(await ended(server, unnamed)).toMatchObject({ status: 'cancelled' });
  const named = await hangUp({ 'idempotency-key': 'again' });
  expect(await reaches(server, named, 'running')).toMatchObject({ status: 'running' });
});

test.each([
  ['a stream', { stream: true, user: 'somebody' }],
  ['a task', {}],
])('who hangs up while the bus is locked is not answered: %s', async (_name, more) => {
  const server = await startUp('--engine', 'fake');
  const peer = new Database(server.db);
  peer.exec('BEGIN IMMEDIATE');
  const gone = new AbortController();
  const asked = fetch(`${server.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(ask('!fake silent for ever', more)),
    signal: gone.signal,
  });
  asked.catch(() => undefined);
  await chat(server, '{}');
  gone.abort();
  await expect(asked).rejects.toThrow();
  peer.exec('ROLLBACK');
  peer.close();
  // Put after it, in the same session where it has one.
  const next = await chat(server, ask('the next', { user: 'somebody' }));
  expect(next.status).toBe(200);
  for (;;) {
    const { body } = await call(`${server.url}/v1/dashboard/state`);
    if (body.inFlight === 0) break;
  }
  expect((await call(`${server.url}/v1/polling/active`)).body.count).toBe(0);
});

test('too many unfinished tasks are refused as busy, with a time to come back', async () => {
  const server = await startUp('--engine', 'fake', '--http-max-tasks', '2');
  await startTask(server, '!fake silent one');
  await startTask(server, '!fake silent two');
  const third = await chat(server, ask('three', { polling_mode: true }));
  expect(third).toMatchObject({ status: 429, body: { error: { code: 'busy' } } });
  expect(Number(third.headers.get('retry-after'))).toBeGreaterThan(0);
});

test('a question too long for the bus is answered at once, and refused as a task', async () => {
  const server = await startUp('--engine', 'fake');
  const long = `${'word '.repeat(12_000)}end`;
  expect(await chat(server, ask(long))).toMatchObject({ status: 200 });
  expect(await chat(server, ask(long, { polling_mode: true }))).toMatchObject({
    status: 413,
    body: { error: { code: 'question_too_long' } },
  });
});

test('a request nested too deeply to be known again is refused, whichever way it asks', async () => {
  const server = await startUp('--engine', 'fake');
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
  for (const mode of [true, false]) {
    const messages = '[{"role":"user","content":"x"}]';
    const reply = await chat(
      server,
      `{"messages":${messages},"polling_mode":${mode},"metadata":${deep}}`,
    );
    expect(reply).toMatchObject({ status: 400, body: { error: { code: 'bad_request' } } });
  }
});

test('a session is shared by the requests of one user, whichever way they go', async () => {
  const server = await startUp('--engine', 'fake');
  await chat(server, ask('first', { user: 'ann' }));
  await chat(server, ask('second'), { 'x-session-id': 'ann' });
  const streamed = await fetch(`${server.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(ask('third', { user: 'ann', stream: true })),
  });
  await streamed.text();
  await chat(server, ask('not hers', { user: 'bob' }));
  const { body } = await chat(server, ask('!fake history now', { user: 'ann' }));
  const [choice] = body.choices as { message: { content: string } }[];
  expect(JSON.parse(choice?.message.content ?? '')).toEqual(
    expect.arrayContaining(['first', 'second', 'third']),
  );
  expect(choice?.message.content).not.toContain('not hers');
});
