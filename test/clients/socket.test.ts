import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  BridgeClient,
  BridgeError,
  ConnectionLost,
  connect,
  type Progress,
  type StreamEvent,
} from '../../clients/socket/index.js';
import { type LiveServer, startServer } from './socket-live.js';

const SOON = { baseMs: 1, maxMs: 20 };
const TEN_MIB = 10 * 1024 * 1024;

let server: LiveServer;
let client: BridgeClient;
beforeAll(async () => {
  server = await startServer();
  client = await connect({ port: server.port });
});
afterAll(async () => {
  await client.close();
  await server.close();
});

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

async function failure(promise: Promise<unknown>): Promise<BridgeError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(BridgeError);
  return error as BridgeError;
}

describe('asking', () => {
  test('an answer carries what the server said of it', async () => {
    const answer = await client.ask('how are you?', { requestId: 'socket-1' });
    expect(answer).toMatchObject({
      answer: 'fake: how are you?',
      sources: [],
      engine: 'fake',
      model: 'fake-1',
      requestId: 'socket-1',
    });
    expect(answer.elapsedMs).toBeGreaterThanOrEqual(answer.queuedMs);
  });

  test('an error carries its code, whether to try again, and when', async () => {
    const error = await failure(client.ask('!fake error=busy retry_after_ms=5000'));
    expect(error).toMatchObject({ code: 'busy', retryable: true, retryAfterMs: 5000 });
  });

  test('five hundred questions in flight on one connection all get their own answer', async () => {
    const questions = Array.from({ length: 500 }, (_, n) => `number ${n}, naïve 🙂`);
    const answers = await Promise.all(questions.map((question) => client.ask(question)));
    expect(answers.map(({ answer }) => answer)).toEqual(questions.map((q) => `fake: ${q}`));
  });

  test('an answer of ten mebibytes arrives whole', async () => {
    const { answer } = await client.ask(`!fake size=${TEN_MIB} long`);
    expect(answer.length).toBe(TEN_MIB);
  });

  test('questions with the same session share its context, others do not', async () => {
    await client.ask('first', { session: 'socket-sticky' });
    const shared = await client.ask('!fake history second', { session: 'socket-sticky' });
    expect(JSON.parse(shared.answer)).toContain('first');
    const fresh = await client.ask('!fake history third');
    expect(JSON.parse(fresh.answer)).not.toContain('first');
  });

  test('the server ends a question at its time', async () => {
    expect((await failure(client.ask('!fake silent', { timeoutMs: 30 }))).code).toBe('timeout');
  });

  test('progress is told to whoever asks for it', async () => {
    const seen: Progress[] = [];
    await client.ask('!fake alive=1 hello', { onProgress: (progress) => seen.push(progress) });
    expect(seen.length).toBeGreaterThan(0);
  });

  test('the reports of the server come as it sent them', async () => {
    expect(await client.ping()).toBeGreaterThanOrEqual(0);
    expect(await client.health()).toMatchObject({ type: 'health', ready: true });
    expect(await client.stats()).toMatchObject({ type: 'stats' });
    expect(Array.isArray((await client.sessions()).sessions)).toBe(true);
  });
});

describe('streaming', () => {
  test('the deltas joined are the answer', async () => {
    const stream = client.stream('!fake deltas=7 tell me a 🙂 story');
    let text = '';
    for await (const event of stream) if (event.type === 'delta') text += event.text;
    expect(text).toBe((await stream.answer).answer);
    expect(text).toBe('fake: tell me a 🙂 story');
  });

  test('a reader that comes late gets all of a long answer, in few pieces', async () => {
    const stream = client.stream(`!fake flood=${TEN_MIB}`);
    const { answer } = await stream.answer;
    const events: StreamEvent[] = [];
    for await (const event of stream) events.push(event);
    const deltas = events.filter((event) => event.type === 'delta');
    expect(deltas).toHaveLength(1);
    expect(deltas[0]?.text.length).toBe(TEN_MIB);
    expect(deltas[0]?.text).toBe(answer);
  });

  test('leaving the loop cancels the question', async () => {
    const stream = client.stream('!fake alive=1 silent');
    for await (const _ of stream) break;
    expect((await failure(stream.answer)).code).toBe('cancelled');
  });

  test('a failure ends the loop with the same error as the answer', async () => {
    const stream = client.stream('!fake error=engine_error');
    const loop = (async () => {
      for await (const _ of stream);
    })();
    expect((await failure(loop)).code).toBe('engine_error');
    expect((await failure(stream.answer)).code).toBe('engine_error');
  });
});

describe('cancelling', () => {
  test('an aborted signal rejects at once and frees the place at the server', async () => {
    const stop = new AbortController();
    const silent = Array.from({ length: 64 }, () =>
      failure(client.ask('!fake silent', { signal: stop.signal })),
    );
    const after = client.ask('is there room?');
    stop.abort();
    for (const error of await Promise.all(silent)) expect(error.code).toBe('cancelled');
    expect((await after).answer).toBe('fake: is there room?');
  });
});

describe('a server that goes away', () => {
  test('a restart fails what was in flight; the client comes back by itself', async () => {
    const first = await startServer();
    const mine = new BridgeClient({ port: first.port, reconnect: SOON });
    cleanups.push(() => mine.close());
    await mine.ready();
    const asked = failure(mine.ask('!fake silent'));
    await mine.ping();
    const gone = once(mine, 'disconnected');
    await first.close();
    expect(await asked).toBeInstanceOf(ConnectionLost);
    await gone;
    const waiting = mine.ask('are you back?');
    const second = await startServer({ port: first.port });
    cleanups.push(() => second.close());
    expect((await waiting).answer).toBe('fake: are you back?');
  });

  test('a server that drains answers what runs before it goes', async () => {
    const draining = await startServer();
    const mine = new BridgeClient({ port: draining.port, reconnect: false });
    cleanups.push(() => mine.close());
    const asked = mine.ask('!fake delay=20 the last one');
    await mine.ping();
    await Promise.all([draining.drain(), once(mine, 'closed')]);
    expect((await asked).answer).toBe('fake: the last one');
  });
});

describe('the ways in', () => {
  test('a right token is let in; a wrong one, and none, are told so', async () => {
    const guarded = await startServer({ token: 'open sesame' });
    cleanups.push(() => guarded.close());
    const { port } = guarded;
    const mine = await connect({ port, token: 'open sesame' });
    cleanups.push(() => mine.close());
    expect((await mine.ask('it is me')).answer).toBe('fake: it is me');
    expect((await failure(connect({ port, token: 'wrong' }))).code).toBe('unauthorized');
    expect((await failure(connect({ port }))).code).toBe('unauthorized');
  });

  test('a Unix socket is as good as a port', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'warmline-socket-'));
    cleanups.push(() => rm(directory, { recursive: true }));
    const socketPath = join(directory, 'warmline.sock');
    const local = await startServer({ socketPath });
    cleanups.push(() => local.close());
    const mine = await connect({ path: socketPath });
    cleanups.push(() => mine.close());
    expect((await mine.ask('local?')).answer).toBe('fake: local?');
  });
});
