import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Autopoll, type AutopollSettings, Links } from '../../clients/autopoll/index.js';
import { openSqliteBus, type SqliteBus } from '../../src/bus/index.js';
import { systemClock } from '../../src/clock.js';
import { createLogger } from '../../src/log.js';
import { startServer } from '../clients/socket-live.js';
import { SETTINGS } from './house.js';

interface Answer {
  readonly answer: string;
  readonly sources: string[];
  readonly query_id: string;
  readonly error?: { code: string; message: string; attempts: number };
}

interface House {
  readonly bus: SqliteBus;
  readonly file: string;
  readonly autopoll: Autopoll;
  conversation(): Promise<string>;
  /** Puts a question on the bus; the body is a query's, the text a plain question. */
  put(conversation: string, body: object | string): Promise<number>;
  drain(): Promise<void>;
  answer(question: number): Answer;
}

async function house(change: Partial<AutopollSettings> = {}, port?: number): Promise<House> {
  const dir = mkdtempSync(join(tmpdir(), 'warmline-autopoll-'));
  const file = join(dir, 'bus.db');
  const server = port === undefined ? await startServer() : undefined;
  const bus = openSqliteBus({ file, create: true });
  const settings = { ...SETTINGS, ...change };
  const links = new Links({ port: port ?? server?.port }, settings.concurrency);
  const log = createLogger({ level: 'silent' });
  const autopoll = new Autopoll({ bus, links, clock: systemClock, log, settings });
  onTestFinished(async () => {
    await autopoll.stop(0);
    await links.close();
    await server?.close();
    await bus.close();
    rmSync(dir, { recursive: true });
  });
  return {
    bus,
    file,
    autopoll,
    conversation: () => bus.createConversation({ roleA: 'asker', roleB: 'shard' }),
    put: (conversationId, body) =>
      bus.put({
        conversationId,
        from: 'a',
        message: typeof body === 'string' ? body : JSON.stringify({ type: 'query', ...body }),
        metadata: '{"action_type":"question"}',
      }),
    drain: async () => {
      await links.ready();
      await autopoll.drainOnce(AbortSignal.timeout(20_000));
    },
    answer: (question) => JSON.parse(bus.answerTo(question)?.message ?? 'null'),
  };
}

test('a question is answered under its own query id, or under its row', async () => {
  const { conversation, put, drain, answer } = await house();
  const here = await conversation();
  const named = await put(here, { query_id: 'q_7', question: 'One?' });
  const plain = await put(here, 'Two?');
  await drain();
  expect(answer(named)).toMatchObject({ query_id: 'q_7', answer: 'fake: One?' });
  expect(answer(plain)).toMatchObject({ query_id: `msg_${plain}`, answer: 'fake: Two?' });
});

test('a question that cannot be understood gets an error answer that names the field', async () => {
  const { conversation, put, drain, answer } = await house();
  const here = await conversation();
  const wrong = await put(here, { question: 'Yes?', priority: 'high' });
  await drain();
  expect(answer(wrong)).toMatchObject({ error: { code: 'bad_request' } });
  expect(answer(wrong).answer).toMatch(/^Error: .*priority/);
});

test('a failing engine is tried again, then the question gets an error answer and the next one flows', async () => {
  const { conversation, put, drain, answer, bus } = await house();
  const here = await conversation();
  const poison = await put(here, { question: '!fake crash' });
  const next = await put(here, { question: 'Still there?' });
  await drain();
  expect(answer(poison)).toMatchObject({ error: { code: 'engine_error', attempts: 3 } });
  expect(answer(next)).toMatchObject({ answer: 'fake: Still there?' });
  expect(bus.stats()).toMatchObject({ complete: 1, dead: 1, pending: 0, leased: 0 });
});

test('a usage limit parks the question and burns no attempt', async () => {
  const { conversation, put, drain, bus } = await house();
  const here = await conversation();
  const limited = await put(here, { question: '!fake error=engine_limit retry_after_ms=60000' });
  const stopped = drain();
  await vi.waitUntil(() => bus.stats().delayed === 1, { timeout: 10_000, interval: 5 });
  expect(bus.answerTo(limited)).toBeUndefined();
  expect(bus.nextReadyMs()).toBeGreaterThan(30_000);
  const attempts = new Database(bus.file, { readonly: true });
  onTestFinished(() => void attempts.close());
  expect(attempts.prepare('SELECT attempts FROM warmline_lanes').pluck().all()).toEqual([0]);
  stopped.catch(() => undefined);
});

test('a missing context is not tried again', async () => {
  const { conversation, put, drain, answer } = await house();
  const here = await conversation();
  const missing = await put(here, { question: 'What is in it?', context_file: 'none.md' });
  await drain();
  expect(answer(missing)).toMatchObject({ error: { code: 'context_missing', attempts: 1 } });
});

test('a session named by a question belongs to its conversation', async () => {
  const { conversation, put, drain, answer } = await house();
  const [one, two] = [await conversation(), await conversation()];
  await put(one, { question: 'the first of one', session: 'shared' });
  await put(two, { question: 'the first of two', session: 'shared' });
  const [ofOne, ofTwo] = [
    await put(one, { question: '!fake history', session: 'shared' }),
    await put(two, { question: '!fake history', session: 'shared' }),
  ];
  await drain();
  expect(answer(ofOne).answer).toContain('the first of one');
  expect(answer(ofOne).answer).not.toContain('the first of two');
  expect(answer(ofTwo).answer).toContain('the first of two');
  expect(answer(ofTwo).answer).not.toContain('the first of one');
});

test('a session of any length that a question may name stays a session of its own', async () => {
  const { conversation, put, drain, answer } = await house();
  const here = await conversation();
  const [long, other] = [`${'s'.repeat(255)}1`, `${'s'.repeat(255)}2`];
  await put(here, { question: 'the first of one', session: long });
  await put(here, { question: 'the first of two', session: other });
  const history = await put(here, { question: '!fake history', session: long });
  await drain();
  expect(answer(history).answer).toContain('the first of one');
  expect(answer(history).answer).not.toContain('the first of two');
});

test('no choice of names makes two conversations share a session', async () => {
  const { file, conversation, put, drain, answer } = await house();
  const [plain, slashed] = [await conversation(), await conversation()];
  const db = new Database(file);
  db.prepare('UPDATE conversations SET id = ? WHERE id = ?').run('team', plain);
  db.prepare('UPDATE conversations SET id = ? WHERE id = ?').run('team/red', slashed);
  db.close();
  await put('team', { question: 'a canary', session: 'red/blue' });
  const history = await put('team/red', { question: '!fake history', session: 'blue' });
  await drain();
  expect(answer(history).answer).not.toContain('a canary');
});

test('a question sees nothing of the ones before it unless its conversation is sticky', async () => {
  for (const sticky of [false, true]) {
    const { conversation, put, drain, answer } = await house({ sticky });
    const here = await conversation();
    await put(here, { question: 'a canary' });
    const history = await put(here, { question: '!fake history' });
    await drain();
    expect(answer(history).answer.includes('a canary')).toBe(sticky);
  }
});

test('only the conversations that were named are touched', async () => {
  const { bus, file, conversation, put } = await house();
  const [mine, other] = [await conversation(), await conversation()];
  const asked = await put(mine, 'Mine?');
  const left = await put(other, 'Not mine?');
  const { id } = noteOf(file, other);
  const server = await startServer();
  const links = new Links({ port: server.port }, 1);
  const log = createLogger({ level: 'silent' });
  const settings = { ...SETTINGS, conversations: [mine] };
  const autopoll = new Autopoll({ bus, links, clock: systemClock, log, settings });
  await links.ready();
  await autopoll.drainOnce(AbortSignal.timeout(20_000));
  await autopoll.stop(0);
  await links.close();
  await server.close();
  expect(bus.answerTo(asked)).toBeDefined();
  expect(bus.answerTo(left)).toBeUndefined();
  expect(readMarks(file, [asked, left, id])).toEqual([1, 0, 0]);
});

test('a secret in an answer never reaches the bus', async () => {
  const { conversation, put, drain, answer } = await house();
  const here = await conversation();
  const secret = ['gh', 'p_', 'abcdefghijklmnopqrstuvwxyz0123456789'].join('');
  const leak = await put(here, { question: `!fake echo the key is ${secret}` });
  await drain();
  expect(answer(leak).answer).toBe('the key is [REDACTED]');
});

test('partners see this side alive, working while it has questions of theirs', async () => {
  const { autopoll, bus, file, conversation, put } = await house();
  const [busy, idle] = [await conversation(), await conversation()];
  await put(busy, { question: '!fake silent' });
  await autopoll.start();
  await vi.waitUntil(() => bus.stats().leased === 1, { timeout: 10_000, interval: 5 });
  await bus.heartbeat();
  expect(statuses(file)).toEqual({ [busy]: 'working', [idle]: 'waiting' });
});

test('a drain with nothing to do writes nothing', async () => {
  const { autopoll, file, bus, conversation, put, drain } = await house();
  const here = await conversation();
  await put(here, 'One?');
  await drain();
  const watcher = new Database(file, { readonly: true });
  onTestFinished(() => void watcher.close());
  const before = watcher.pragma('data_version', { simple: true });
  await autopoll.drainOnce(AbortSignal.timeout(20_000));
  await bus.reap();
  expect(watcher.pragma('data_version', { simple: true })).toBe(before);
});

test('a backlog of one conversation flows without anything from outside, whatever its answers hold', async () => {
  const { autopoll, bus, conversation, put } = await house({ reapEveryMs: 3_600_000 });
  const here = await conversation();
  for (let number = 0; number < 30; number += 1) {
    const text = number % 2 === 0 ? 'plain' : 'SESSION-RESUME-OF-THE-SHARD.md knows the token';
    await put(here, { question: `!fake echo ${number}: ${text}` });
  }
  await autopoll.start();
  await vi.waitUntil(() => bus.stats().complete === 30, { timeout: 20_000, interval: 5 });
});

test('a stop gives back what it does not finish, and the attempt with it', async () => {
  const { autopoll, bus, file, conversation, put } = await house();
  await put(await conversation(), { question: '!fake silent' });
  await autopoll.start();
  await vi.waitUntil(() => autopoll.active === 1, { timeout: 10_000, interval: 5 });
  await autopoll.stop(0);
  expect(bus.stats()).toMatchObject({ pending: 1, leased: 0 });
  const db = new Database(file, { readonly: true });
  onTestFinished(() => void db.close());
  expect(db.prepare('SELECT attempts FROM warmline_lanes').pluck().all()).toEqual([0]);
});

function noteOf(file: string, conversation: string): { id: number } {
  const db = new Database(file);
  const { lastInsertRowid } = db
    .prepare(
      `INSERT INTO messages (conversation_id, from_session, to_session, message, metadata, timestamp, read)
       VALUES (?, 'a', 'b', 'FYI', '{"action_type":"info"}', '2026-01-01T00:00:00.000000', 0)`,
    )
    .run(conversation);
  db.close();
  return { id: Number(lastInsertRowid) };
}

function readMarks(file: string, ids: number[]): unknown[] {
  const db = new Database(file, { readonly: true });
  const read = db.prepare('SELECT read FROM messages WHERE id = ?').pluck();
  const marks = ids.map((id) => read.get(id));
  db.close();
  return marks;
}

function statuses(file: string): Record<string, string> {
  const db = new Database(file, { readonly: true });
  const rows = db.prepare(`SELECT conversation_id, status FROM session_status`).all() as {
    conversation_id: string;
    status: string;
  }[];
  db.close();
  return Object.fromEntries(rows.map((row) => [row.conversation_id, row.status]));
}
