/** The server killed with tasks in every state: each goes on to its one end, under its own id. */

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openSqliteBus } from '../../src/bus/index.js';
import { start } from '../support/process.js';
import {
  call,
  documents,
  ended,
  type Json,
  type Running,
  reaches,
  rows,
  startTask,
  startUp,
  status,
} from './support.js';

const TASKS = 50;

test('after kill -9 each task reaches its end once, under the same id', async () => {
  const dir = documents();
  const db = join(dir, 'bus.db');
  await openSqliteBus({ file: db, create: true }).close();
  const first = await startBridge(dir, db, '0', '0');
  start(['autopoll', '--db', db, '--port', first.ports.port, '--drain-ms', '500'], {
    cwd: dir,
    env: { HOME: dir },
  });

  const before = new Map<string, Json>();
  for (const text of ['done', 'done too', '!fake error=context_denied no']) {
    const id = await startTask(first, text);
    before.set(id, await ended(first, id));
  }
  const withdrawn = await startTask(first, '!fake silent withdrawn');
  await reaches(first, withdrawn, 'running');
  await call(`${first.url}/v1/polling/cancel/${withdrawn}`, { method: 'POST' });
  before.set(withdrawn, await ended(first, withdrawn));

  const open: string[] = [];
  while (before.size + open.length < TASKS) {
    open.push(await startTask(first, `!fake delay=800 deltas=4 task ${open.length}`));
  }
  await reaches(first, open[0] as string, 'running');
  await first.program.kill('SIGKILL');

  const second = await startBridge(dir, db, first.ports.port, first.ports.http);
  for (const [index, id] of open.entries()) {
    expect(await ended(second, id)).toMatchObject({ task_id: id, status: 'completed' });
    const { result } = await status(second, id);
    const [choice] = (result as { choices: { message: { content: string } }[] }).choices;
    expect(choice?.message.content).toBe(`fake: task ${index}`);
  }
  for (const [id, then] of before) {
    const { result: _then, ...state } = then;
    expect(await status(second, id)).toMatchObject(state);
  }
  const { body } = await call(`${second.url}/v1/polling/active`);
  expect(body).toEqual({ active_tasks: [], count: 0 });
  const answers = rows<{ to: number; count: number }>(
    db,
    `SELECT json_extract(metadata, '$.in_reply_to') AS "to", count(*) AS count
     FROM messages WHERE from_session = 'b' GROUP BY 1`,
  );
  expect(answers).toHaveLength(TASKS);
  expect(answers.every(({ count }) => count === 1)).toBe(true);
});

test('a task that nobody drained is there after a restart', async () => {
  const dir = documents();
  const db = join(dir, 'bus.db');
  await openSqliteBus({ file: db, create: true }).close();
  const first = await startBridge(dir, db, '0', '0');
  const id = await startTask(first, 'patience');
  expect(await status(first, id)).toMatchObject({ status: 'pending' });
  await first.program.kill('SIGKILL');
  const second = await startBridge(dir, db, '0', '0');
  expect(await status(second, id)).toMatchObject({ status: 'pending', task_id: id });
  const program = start(['autopoll', '--db', db, '--port', second.ports.port, '--once'], {
    cwd: dir,
    env: { HOME: dir },
  });
  expect(await program.ended).toMatchObject({ code: 0 });
  expect(await ended(second, id)).toMatchObject({ status: 'completed' });
});

test('under `up` the door comes back at its address, with the tasks it had', async () => {
  const server = await startUp('--engine', 'fake');
  const id = await startTask(server, '!fake delay=500 deltas=5 through a crash');
  await reaches(server, id, 'running');
  process.kill(server.pids.bridge, 'SIGKILL');
  for (;;) {
    const found = await status(server, id).catch(() => undefined);
    if (found?.status === 'completed') break;
    expect(found?.status ?? 'running').toBeOneOf(['running', 'pending']);
  }
});

interface Bridge extends Running {
  readonly ports: { readonly port: string; readonly http: string };
}

async function startBridge(dir: string, db: string, port: string, http: string): Promise<Bridge> {
  const program = start(
    [
      ...['serve', '--db', db, '--port', port, '--http-port', http, '--engine', 'fake'],
      ...['--drain-ms', '500', '--log-level', 'warn'],
    ],
    { cwd: dir, env: { HOME: dir } },
  );
  const ready = (await program.ready()) as unknown as { port: number; http_port: number };
  const ports = { port: String(ready.port), http: String(ready.http_port) };
  const pids = { bridge: program.pid, autopoll: 0 };
  return {
    program,
    dir,
    db,
    pids,
    ports,
    port: ready.http_port,
    url: `http://127.0.0.1:${ports.http}`,
  };
}
