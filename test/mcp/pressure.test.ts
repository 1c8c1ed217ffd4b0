import { once } from 'node:events';
import { PassThrough, Writable } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';
import { Backend, serveStdio } from '../../clients/mcp/index.js';
import { PARTNER_TOOLS } from '../../clients/mcp/partner-tools.js';
import { Progress } from '../../clients/mcp/progress.js';
import { BusError, openConversation } from '../../src/bus/index.js';
import { createLogger } from '../../src/log.js';
import { withDatabase } from '../e2e/warmline.js';
import { emptyBus } from './client.js';

function optionsFor(db: string) {
  const log = createLogger({ level: 'silent' });
  return { db, session: 'b', bridge: { port: 1 }, callsPerMinute: 0, log } as const;
}

test('a client that reads nothing is read no further, and gets every reply when it reads again', async () => {
  const backend = new Backend(optionsFor(await emptyBus()));
  const stdin = new PassThrough();
  const waiting: (() => void)[] = [];
  let isRead = false;
  let replies = 0;
  const stdout = new Writable({
    write(_chunk, _encoding, done) {
      replies += 1;
      if (isRead) done();
      else waiting.push(done);
    },
  });
  const stop = new AbortController();
  const served = serveStdio(backend, { stdin, stdout }, stop.signal);
  onTestFinished(async () => {
    stop.abort();
    await served;
    await backend.close();
  });
  const request = `${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' })}\n`;
  const asked = 20_000;
  let sent = 0;
  for (; !stdin.isPaused() && sent < asked; sent += 1) {
    stdin.write(request);
    // As a pipe would hand it over: in pieces.
    if (sent % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  expect(stdin.isPaused()).toBe(true);
  expect(stdout.writableLength).toBeLessThan(16 * 1024 * 1024);
  isRead = true;
  for (const done of waiting) done();
  await once(stdin, 'resume');
  while (replies < sent) await new Promise((resolve) => setImmediate(resolve));
  expect(replies).toBe(sent);
});

test('questions that were taken over are handed over, whatever comes then', async () => {
  const db = await emptyBus();
  class Held extends Backend {
    #writes = 0;

    override inTime: Backend['inTime'] = async (signal, write) => {
      this.#writes += 1;
      // The messages and one question; the lock is held from then on.
      if (this.#writes > 2) throw new BusError('bus_busy', 'held');
      return super.inTime(signal, write);
    };
  }
  const backend = new Held(optionsFor(db));
  onTestFinished(() => backend.close());
  const opened = await backend.bus.write((handle, nowUs) =>
    openConversation(handle, nowUs, ['one', 'other']),
  );
  const row = (message: string, action: string) =>
    withDatabase(db, (handle) =>
      Number(
        handle
          .prepare(
            `INSERT INTO messages (conversation_id, from_session, to_session, message, metadata, timestamp, read)
             VALUES (?, 'a', 'b', ?, ?, '2026-01-01T00:00:00.000000', 0)`,
          )
          .run(opened.conversationId, message, JSON.stringify({ action_type: action }))
          .lastInsertRowid,
      ),
    );
  const query = (id: string) => JSON.stringify({ type: 'query', query_id: id, question: id });
  const questions = ['q1', 'q2', 'q3'].map((id) => row(query(id), 'question'));
  const [lease] = await backend.bus.claim({ limit: 1, leaseMs: 1000 });
  if (lease) await backend.bus.release(lease);
  const hello = row('hello', 'info');
  const check = PARTNER_TOOLS.find(({ name }) => name === 'check_messages');
  const given = {
    conversation_id: opened.conversationId,
    session_id: 'b',
    token: opened.tokens.b,
    take_questions: true,
  };
  const { signal } = new AbortController();
  const call = { backend, signal, progress: new Progress(undefined) };
  const reply = await check?.run(given, call);
  const messages = reply?.data.messages as { id: number }[];
  expect(messages.map(({ id }) => id)).toEqual([...questions.slice(0, 2), hello]);
  expect(reply?.data.left_to_warmline).toEqual(questions.slice(2));
});
