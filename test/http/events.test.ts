/** Events as they happen: numbered, without a gap or a repeat, whatever becomes of server and reader. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import { createBridge } from '../../src/bridge/index.js';
import { openSqliteBus } from '../../src/bus/index.js';
import { systemClock } from '../../src/clock.js';
import { createContextRoots } from '../../src/context/index.js';
import { FakeEngine } from '../../src/engines/fake/index.js';
import { createHttpDoor } from '../../src/http/index.js';
import { createLogger } from '../../src/log.js';
import { start } from '../support/process.js';
import { type EventReader, readEvents, readOn, seqs } from './event-reader.js';
import {
  call,
  documents,
  ended,
  reaches,
  rows,
  startServe,
  startTask,
  startUp,
} from './support.js';

test('every step of a question is told once, under the number it has in the log', async () => {
  const server = await startUp('--engine', 'fake');
  const reader = await readEvents(`${server.url}/v1/events`);
  const id = await startTask(server, 'what happens?');
  await reader.find(isEndOf(id));
  const told = reader.events.filter(({ data }) => data.task_id === id);
  expect(told.map(({ data }) => data.status)).toEqual(['running', 'completed']);
  expect(told.at(-1)?.data).toEqual({
    seq: expect.any(Number),
    task_id: id,
    question_id: 1,
    conversation_id: expect.stringMatching(/^conv_/),
    status: 'completed',
    attempt: 1,
    at: expect.any(Number),
    engine: 'fake',
    error_code: null,
  });
  expect(told.map((event) => Number(event.id))).toEqual(logged(server.db));
});

test('a stream of one task tells where it stands, its progress and its end, and that it is over', async () => {
  const server = await startUp('--engine', 'fake', '--http-tasks', '1');
  const other = await startTask(server, '!fake delay=500 first');
  const id = await startTask(server, '!fake delay=1000 deltas=5 a word or two');
  const reader = await readEvents(`${server.url}/v1/polling/stream/${id}`);
  const events = await reader.ended();
  expect(events.every(({ data }) => data.task_id === id)).toBe(true);
  const steps = events.filter(({ event }) => event === 'status');
  expect(steps.map(({ data }) => data.status)).toEqual(['pending', 'running', 'completed']);
  const progress = events.filter(({ event }) => event === 'progress');
  expect(
    progress.some(({ data }) => JSON.stringify(data).includes('"partial_response":"fake:')),
  ).toBe(true);
  expect(progress.every(({ id: number }) => number === '')).toBe(true);
  expect(await ended(server, other)).toMatchObject({ status: 'completed' });

  expect((await readOn(`${server.url}/v1/polling/stream/${id}`, reader)).status).toBe(204);
  const late = await readEvents(`${server.url}/v1/polling/stream/${id}`);
  expect((await late.ended()).map(({ data }) => data.status)).toEqual(['completed']);
  const unknown = await call(`${server.url}/v1/polling/stream/task_${'0'.repeat(24)}`);
  expect(unknown).toMatchObject({ status: 404, body: { detail: expect.any(String) } });
});

test('a cancelled task is told as cancelled to who reads on after the beginning', async () => {
  const server = await startUp('--engine', 'fake');
  const id = await startTask(server, '!fake silent');
  const url = `${server.url}/v1/polling/stream/${id}`;
  const first = await readEvents(url);
  await first.find(({ data }) => data.status === 'running');
  first.close();
  const second = await readOn(url, first);
  await call(`${server.url}/v1/polling/cancel/${id}`, { method: 'POST' });
  const events = await second.ended();
  expect(events.filter(({ event }) => event === 'status').map(({ data }) => data)).toEqual([
    expect.objectContaining({ status: 'cancelled', error_code: 'cancelled' }),
  ]);
});

test('readers go on across kill -9 of the server without a miss or a repeat', async () => {
  const dir = documents();
  const db = join(dir, 'bus.db');
  await openSqliteBus({ file: db, create: true }).close();
  const words = ['--db', db, '--engine', 'fake', '--max-sessions', '8'];
  const first = await startServe(dir, ...words);
  const { port } = (await first.program.ready()) as { port: number };
  start(['autopoll', '--db', db, '--port', String(port), '--drain-ms', '500'], {
    cwd: dir,
    env: { HOME: dir },
  });
  const reader = await readEvents(`${first.url}/v1/events`);
  const ids: string[] = [];
  for (let n = 0; n < 12; n += 1) ids.push(await startTask(first, `!fake delay=60 number ${n}`));
  await reader.find(isEndOf(ids[2] as string));
  const watching = await readEvents(`${first.url}/v1/polling/stream/${ids[11]}`);
  await watching.find(() => true);
  await first.program.kill('SIGKILL');
  await reader.ended();

  const second = await startServe(dir, ...words, '--port', String(port));
  const again = await readOn(`${second.url}/v1/events`, reader);
  const watchingOn = await readOn(`${second.url}/v1/polling/stream/${ids[11]}`, watching);
  for (const id of ids) await ended(second, id);
  const log = logged(db);
  await again.find(({ data }) => Number(data.seq) === log.at(-1));
  expect([...seqs(reader.events), ...seqs(again.events)]).toEqual(log);
  expect(again.events.every(({ event }) => event === 'status')).toBe(true);
  expect(await statusesOf(watchingOn)).toContain('completed');
});

test('where the log does not reach back so far, one event says so and the rest follows', async () => {
  const server = await startUp('--engine', 'fake');
  const id = await startTask(server, '!fake silent');
  await reaches(server, id, 'running');
  for (const lost of ['17', '9007199254740991']) {
    const reader = await readEvents(`${server.url}/v1/events`, { 'last-event-id': lost });
    const told = await reader.find(() => true);
    expect(told).toMatchObject({ event: 'reset', id: String(told.data.seq) });
    const next = await startTask(server, 'what now?');
    await reader.find(isEndOf(next));
    expect(reader.events.filter(({ event }) => event === 'reset')).toHaveLength(1);
  }
  const url = `${server.url}/v1/polling/stream/${id}?last_event_id=17`;
  const reader = await readEvents(url);
  await reader.find(({ event }) => event === 'status');
  expect(reader.events.slice(0, 2).map(({ event }) => event)).toEqual(['reset', 'status']);
  expect(reader.events[1]?.data).toMatchObject({ task_id: id, status: 'running' });
});

test('whoever asks for the head of a stream gets it, and is no reader', async () => {
  const server = await startUp('--engine', 'fake');
  const head = await fetch(`${server.url}/v1/events`, { method: 'HEAD' });
  expect(head.status).toBe(200);
  expect(head.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  expect(metrics).toContain('warmline_http_event_readers 0');
});

test('a Last-Event-ID that is no number is refused', async () => {
  const server = await startUp('--engine', 'fake');
  for (const wrong of ['-1', '1e3', 'abc', '99999999999999999999']) {
    const { status, body } = await call(`${server.url}/v1/events`, {
      headers: { 'last-event-id': wrong },
    });
    expect({ status, body }).toMatchObject({
      status: 400,
      body: { error: { param: 'last_event_id' } },
    });
  }
});

test('200 readers are all told everything', async () => {
  const server = await startUp('--engine', 'fake', '--max-connections', '300');
  const readers = await Promise.all(
    Array.from({ length: 200 }, () => readEvents(`${server.url}/v1/events`)),
  );
  const ids = await Promise.all(
    Array.from({ length: 20 }, (_, n) => startTask(server, `number ${n}`)),
  );
  for (const reader of readers) for (const id of ids) await reader.find(isEndOf(id));
  const log = logged(server.db);
  expect(log.length).toBe(40);
  for (const reader of readers) expect(seqs(reader.events)).toEqual(log);
});

test('what readers do not take is not held back for them, and is told when they take it', async () => {
  const server = await startUp('--engine', 'fake');
  const stuck = await Promise.all(
    Array.from({ length: 20 }, () => readEvents(`${server.url}/v1/events`)),
  );
  for (const reader of stuck) reader.pause();
  const free = await readEvents(`${server.url}/v1/events`);
  const before = residentBytes(server.pids.bridge);
  const last = writeChanges(server.db, 60_000);
  await free.find(({ data }) => data.seq === last);
  const grown = residentBytes(server.pids.bridge) - before;
  // Their events are some 13 MB for each of them, of which the sockets hold a part.
  expect(grown).toBeLessThan(100 * 2 ** 20);
  const late = stuck[7] as EventReader;
  late.resume();
  await late.find(({ data }) => data.seq === last);
  expect(seqs(late.events)).toEqual(seqs(free.events));
});

test('a log that is lost while it is read is begun anew, and the readers are told', async () => {
  const server = await startUp('--engine', 'fake');
  const reader = await readEvents(`${server.url}/v1/events`);
  const first = await startTask(server, 'before');
  await reader.find(isEndOf(first));
  loseChanges(server.db);
  const reset = await reader.find(({ event }) => event === 'reset');
  const second = await startTask(server, 'after');
  const last = await reader.find(isEndOf(second));
  expect(Number(last.data.seq)).toBeGreaterThan(Number(reset.data.seq));
  expect(reader.events.filter(({ event }) => event === 'reset')).toHaveLength(1);
});

test('a reader that takes nothing is dropped', async () => {
  const dir = documents();
  const db = join(dir, 'bus.db');
  await openSqliteBus({ file: db, create: true }).close();
  const contexts = await createContextRoots({ roots: [dir], maxBytes: 1024 });
  const log = createLogger({ level: 'silent' });
  const engines = [{ engine: new FakeEngine({ name: 'fake' }) }];
  const bridge = createBridge({ engines, contexts, clock: systemClock, log });
  const door = createHttpDoor(
    {
      ...{ host: '127.0.0.1', port: 0, bus: { file: db, session: 'b' } },
      ...{ tasksAtOnce: 5, maxTasks: 10, maxRequests: 3, names: [], origins: [] },
      ...{ strictModels: false, limits: { stallMs: 200 } },
      timeouts: { settingMs: 300_000, bounds: { floorMs: 30_000, ceilingMs: 600_000 } },
    },
    bridge,
    log,
  );
  const url = `http://127.0.0.1:${await door.listen()}`;
  onTestFinished(async () => {
    await door.close();
    await bridge.close();
  });
  const stuck = await readEvents(`${url}/v1/events`);
  stuck.pause();
  const free = await readEvents(`${url}/v1/events`);
  const last = writeChanges(db, 60_000);
  await free.find(({ data }) => data.seq === last);
  for (;;) {
    const text = await (await fetch(`${url}/metrics`)).text();
    if (text.includes('\nwarmline_http_event_readers 1\n')) break;
  }
  stuck.resume();
  expect(seqs(await stuck.ended()).length).toBeLessThan(60_000);
  const again = await readOn(`${url}/v1/events`, stuck);
  await again.find(({ data }) => data.seq === last);
  expect([...seqs(stuck.events), ...seqs(again.events)]).toEqual(seqs(free.events));
});

test('readers leave connections for requests', async () => {
  const server = await startUp('--engine', 'fake', '--max-connections', '32');
  const readers: EventReader[] = [];
  for (let n = 0; n < 30; n += 1) readers.push(await readEvents(`${server.url}/v1/events`));
  const refused = await call(`${server.url}/v1/events`);
  expect(refused).toMatchObject({ status: 429, body: { error: { code: 'busy' } } });
  expect(refused.headers.get('retry-after')).toBe('5');
  readers[0]?.close();
  for (;;) {
    const next = await readEvents(`${server.url}/v1/events`);
    if (next.status === 200) break;
    next.close();
  }
});

test('events are for whoever may call the door', async () => {
  const dir = documents();
  const file = join(dir, 'token');
  writeFileSync(file, 'a-long-random-token-7d1f-55aa', { mode: 0o600 });
  const server = await startUp('--engine', 'fake', '--token-file', file);
  const url = `${server.url}/v1/events`;
  const token = { authorization: 'Bearer a-long-random-token-7d1f-55aa' };
  expect((await readEvents(url)).status).toBe(401);
  expect((await readEvents(url, { ...token, origin: 'https://evil.example' })).status).toBe(403);
  expect((await readEvents(url, { ...token, host: 'evil.example' })).status).toBe(421);
  expect((await readEvents(url, token)).status).toBe(200);
});

test('a stop sends readers away at once, and waits for none', async () => {
  const server = await startUp('--engine', 'fake', '--drain-ms', '600000');
  const reader = await readEvents(`${server.url}/v1/events`);
  server.program.child.kill('SIGTERM');
  await reader.ended();
  expect(await server.program.ended).toMatchObject({ code: 0 });
});

test('without a bus there are no events', async () => {
  const server = await startServe(documents(), '--engine', 'fake');
  const { status, body } = await call(`${server.url}/v1/events`);
  expect({ status, body }).toMatchObject({ status: 503, body: { error: { code: 'no_bus' } } });
});

function isEndOf(id: string) {
  return ({ data }: { data: Readonly<Record<string, unknown>> }) =>
    data.task_id === id && !['pending', 'running'].includes(String(data.status));
}

async function statusesOf(reader: EventReader): Promise<unknown[]> {
  return (await reader.ended()).map(({ data }) => data.status);
}

/** The numbers in the log, without the row it begins with. */
function logged(db: string): number[] {
  const sql = 'SELECT seq FROM warmline_changes WHERE question_id > 0 ORDER BY seq';
  return rows<{ seq: number }>(db, sql).map(({ seq }) => seq);
}

/** So many changes at once, of a question that is nobody's. @returns the number of the last one */
function writeChanges(db: string, count: number): number {
  const peer = new Database(db);
  peer
    .prepare(
      `INSERT INTO warmline_changes (question_id, status, attempt, at_us)
       WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
       SELECT 4711, 'processing', i, 0 FROM n`,
    )
    .run(count);
  const last = peer.prepare('SELECT max(seq) FROM warmline_changes').pluck().get() as number;
  peer.close();
  return last;
}

/** As when nobody has read it for an hour. */
function loseChanges(db: string): void {
  const peer = new Database(db);
  peer.exec(`
    BEGIN IMMEDIATE;
    DROP TRIGGER warmline_changes_of_lanes;
    DROP TRIGGER warmline_changes_of_done;
    DROP TABLE warmline_changes;
    DELETE FROM warmline_meta WHERE key IN ('changes', 'changes_until');
    COMMIT;
  `);
  peer.close();
}

function residentBytes(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) * 1024;
}
