import { getEventListeners } from 'node:events';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { toAnswer } from '../../clients/socket/answer.js';
import { reconnectDelayMs } from '../../clients/socket/backoff.js';
import { Exchange } from '../../clients/socket/exchange.js';
import {
  BridgeClient,
  type BridgeClientOptions,
  BridgeError,
  ConnectionLost,
  connect,
} from '../../clients/socket/index.js';
import { type Peer, PeerServer, response } from './socket-peer.js';

const SOON = { baseMs: 1, maxMs: 5 };

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

async function listen(port?: number): Promise<PeerServer> {
  const server = await PeerServer.listen(port);
  cleanups.push(() => server.close());
  return server;
}

function newClient(options: BridgeClientOptions): BridgeClient {
  const client = new BridgeClient({ reconnect: SOON, ...options });
  cleanups.push(() => client.close());
  return client;
}

async function greeted(
  options: BridgeClientOptions = {},
  limits?: { max_in_flight: number; max_line_bytes: number },
): Promise<{ server: PeerServer; client: BridgeClient; peer: Peer }> {
  const server = await listen();
  const client = newClient({ port: server.port, ...options });
  const peer = await server.accept();
  await peer.greet(limits);
  await client.ready();
  return { server, client, peer };
}

async function failure(promise: Promise<unknown>): Promise<BridgeError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(BridgeError);
  return error as BridgeError;
}

function event<K extends 'connected' | 'disconnected' | 'reconnecting' | 'closed'>(
  client: BridgeClient,
  name: K,
): Promise<{ reason?: BridgeError; attempt?: number; delayMs?: number }> {
  return new Promise((resolve) => client.once(name as 'reconnecting', resolve));
}

describe('a server that misbehaves', () => {
  test('an answer cut into single bytes, inside its code points, arrives whole', async () => {
    const { client, peer } = await greeted();
    const asked = client.ask('long?');
    const { id } = await peer.expect('query');
    const line = Buffer.from(`${JSON.stringify(response(id, 'naïve 🙂 text\u2028'))}\r\n\n`);
    for (let at = 0; at < line.length; at += 1) {
      await new Promise((sent) => peer.socket.write(line.subarray(at, at + 1), sent));
    }
    expect((await asked).answer).toBe('naïve 🙂 text\u2028');
  });

  test.each([
    ['an HTTP reply', Buffer.from('HTTP/1.1 400 Bad Request\r\n')],
    ['an array', Buffer.from('[]\n')],
    ['null', Buffer.from('null\n')],
    ['bytes that are not UTF-8', Buffer.from([0xff, 0xfe, 0x0a])],
  ])('%s on the connection fails what is on it, and the client dials again', async (_, garbage) => {
    const { server, client, peer } = await greeted();
    const asked = failure(client.ask('hello?'));
    await peer.expect('query');
    peer.socket.write(garbage);
    const error = await asked;
    expect(error).toBeInstanceOf(ConnectionLost);
    expect(error.retryable).toBe(true);
    expect((error.cause as BridgeError).code).toBe('bad_reply');
    const again = client.ask('better?');
    const next = await server.accept();
    await next.greet();
    next.send(response((await next.expect('query')).id, 'yes'));
    expect((await again).answer).toBe('yes');
  });

  test('half a line and then the end is a lost connection, not an answer', async () => {
    const { client, peer } = await greeted();
    const asked = failure(client.ask('whole?'));
    await peer.expect('query');
    peer.socket.end('{"type":"response","id":1,"answer":"ha');
    expect(await asked).toBeInstanceOf(ConnectionLost);
  });

  test('a server that vanishes in the middle of a line fails everything in flight', async () => {
    const { client, peer } = await greeted();
    const asked = [client.ask('one'), client.ask('two'), client.ping()].map(failure);
    await peer.expect('query');
    peer.socket.write('{"type":"resp', () => peer.socket.resetAndDestroy());
    const errors = await Promise.all(asked.slice(0, 2));
    for (const error of errors) expect(error.code).toBe('connection_lost');
    await client.close();
    await asked[2];
  });

  test('a response without an answer fails that question alone', async () => {
    const { client, peer } = await greeted();
    const bad = failure(client.ask('one'));
    const good = client.ask('two');
    const first = await peer.expect('query');
    const second = await peer.expect('query');
    peer.send({ type: 'response', id: first.id, answer: 1 }, response(second.id, 'fine'));
    expect((await bad).code).toBe('bad_reply');
    expect((await good).answer).toBe('fine');
  });

  test('a reply beyond maxReplyBytes ends the connection instead of filling memory', async () => {
    const { client, peer } = await greeted({ maxReplyBytes: 1000 });
    const asked = failure(client.ask('long?'));
    const { id } = await peer.expect('query');
    peer.send(response(id, 'x'.repeat(2000)));
    const error = await asked;
    expect(error.code).toBe('connection_lost');
    expect(error.message).toContain('maxReplyBytes');
  });

  test('lines of unknown type, unknown id and unknown fields are passed over', async () => {
    const { client, peer } = await greeted();
    const asked = client.ask('hello?');
    const { id } = await peer.expect('query');
    peer.send(
      { type: 'weather', id, sunny: true },
      { type: 'weather' },
      response(id + 1000, 'for nobody'),
      { type: 'progress', id },
      { ...response(id, 'hi'), mood: 'new' },
      response(id, 'a second answer'),
    );
    expect((await asked).answer).toBe('hi');
    expect(client.pending).toBe(0);
  });

  test('an error code only a newer server knows reads as internal and keeps its sentence', async () => {
    const { client, peer } = await greeted();
    const asked = failure(client.ask('hello?'));
    const { id } = await peer.expect('query');
    peer.send({ type: 'error', id, code: 'solar_flare', message: 'later', retryable: true });
    expect(await asked).toMatchObject({ code: 'internal', message: 'later', retryable: true });
  });

  test('a server that never greets is given up, and connect says so', async () => {
    const server = await listen();
    const error = await failure(connect({ port: server.port, connectTimeoutMs: 20 }));
    expect(error.code).toBe('unreachable');
    expect(error.message).toContain('no greeting');
  });

  test('a last word about the connection is the reason of its loss', async () => {
    const { client, peer } = await greeted();
    const asked = failure(client.ask('hello?'));
    await peer.expect('query');
    const word = { type: 'error', code: 'line_too_long', message: 'too long', retryable: false };
    peer.socket.end(`${JSON.stringify(word)}\n`);
    expect(((await asked).cause as BridgeError).code).toBe('line_too_long');
  });

  test('a full server is tried again no sooner than it asked', async () => {
    const server = await listen();
    const client = newClient({ port: server.port });
    const waiting = event(client, 'reconnecting');
    const ready = failure(client.ready());
    const peer = await server.accept();
    const busy = { type: 'error', code: 'busy', message: 'full', retryable: true };
    peer.socket.end(`${JSON.stringify({ ...busy, retry_after_ms: 3_600_000 })}\n`);
    expect((await ready).code).toBe('busy');
    expect((await waiting).delayMs).toBe(3_600_000);
  });

  test('a listener that throws does not keep the others of its chunk waiting', async () => {
    const { client, peer } = await greeted();
    const thrown = new Promise((resolve) => {
      const others = process.rawListeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      process.once('uncaughtException', (error) => {
        for (const other of others) process.on('uncaughtException', other as () => void);
        resolve(error);
      });
    });
    client.submit(
      'one',
      {},
      {
        done: () => {
          throw new Error('mine');
        },
      },
    );
    const second = client.ask('two');
    const ids = [await peer.expect('query'), await peer.expect('query')].map(({ id }) => id);
    peer.send(...ids.map((id) => response(id, 'hi')));
    expect((await second).answer).toBe('hi');
    expect(await thrown).toMatchObject({ message: 'mine' });
  });
});

describe('one connection, many requests', () => {
  test('questions of one event-loop turn leave in one write', async () => {
    const { client, peer } = await greeted();
    const chunks: number[] = [];
    peer.socket.on('data', (chunk: Buffer) => chunks.push(chunk.toString().split('\n').length - 1));
    const asked = [1, 2, 3].map((n) => failure(client.ask(`question ${n}`)));
    for (let n = 0; n < 3; n += 1) await peer.expect('query');
    expect(chunks).toEqual([3]);
    await client.close();
    await Promise.all(asked);
  });

  test('replies of one chunk reach their listeners in one event-loop turn', async () => {
    const { client, peer } = await greeted();
    const heard: string[] = [];
    const all = new Promise<void>((resolve) => {
      for (let n = 0; n < 50; n += 1) {
        client.submit(
          `question ${n}`,
          {},
          {
            done: () => {
              if (n === 0) setImmediate(() => heard.push('next turn'));
              heard.push('done');
              if (n === 49) setImmediate(resolve);
            },
          },
        );
      }
    });
    const ids: number[] = [];
    while (ids.length < 50) ids.push((await peer.expect('query')).id);
    peer.send(...ids.map((id) => response(id, 'hi')));
    await all;
    expect(heard).toEqual([...Array(50).fill('done'), 'next turn']);
  });

  test('no more questions are on the wire than the server allows; urgent ones go first', async () => {
    const { client, peer } = await greeted({}, { max_in_flight: 2, max_line_bytes: 1000 });
    const asked = ['a', 'b', 'c', 'd'].map((question) => client.ask(question));
    asked.push(client.ask('urgent', { priority: 5 }));
    const pinged = client.ping();
    const first = await peer.expect('query');
    const second = await peer.expect('query');
    expect([first.question, second.question]).toEqual(['a', 'b']);
    const ping = await peer.expect('ping');
    peer.send({ type: 'pong', id: ping.id });
    await pinged;
    const order: unknown[] = [];
    let waiting = [first.id, second.id];
    for (let left = 3; left > 0; left -= 1) {
      peer.send(response(waiting.shift(), 'done'));
      const next = await peer.expect('query');
      order.push(next.question);
      waiting = [...waiting, next.id];
    }
    peer.send(...waiting.map((id) => response(id, 'done')));
    await Promise.all(asked);
    expect(order).toEqual(['urgent', 'c', 'd']);
  });

  test('a cancelled question holds its place until the server says it has stopped', async () => {
    const { client, peer } = await greeted({}, { max_in_flight: 1, max_line_bytes: 1000 });
    const stop = new AbortController();
    const first = failure(client.ask('one', { signal: stop.signal }));
    const second = client.ask('two');
    const { id } = await peer.expect('query');
    stop.abort();
    expect((await first).code).toBe('cancelled');
    expect(await peer.expect('cancel')).toEqual({ type: 'cancel', id });
    const ping = client.ping();
    peer.send({ type: 'pong', id: (await peer.expect('ping')).id });
    await ping;
    peer.send({ type: 'error', id, code: 'cancelled', message: 'stopped', retryable: false });
    const next = await peer.expect('query');
    expect(next.question).toBe('two');
    peer.send(response(next.id, 'hi'));
    expect((await second).answer).toBe('hi');
  });

  test('a question longer than the server takes is refused before it can end the connection', async () => {
    const { client, peer } = await greeted({}, { max_in_flight: 2, max_line_bytes: 200 });
    expect((await failure(client.ask('é'.repeat(100)))).code).toBe('line_too_long');
    const asked = client.ask('short');
    const query = await peer.expect('query');
    expect(query.question).toBe('short');
    peer.send(response(query.id, 'hi'));
    await asked;
  });

  test('a question that is no string, or options JSON cannot carry, fail without a trace', async () => {
    const { client } = await greeted();
    await expect(client.ask(7 as unknown as string)).rejects.toThrow(TypeError);
    const odd = client.ask('hi', { priority: 1n as unknown as number });
    expect((await failure(odd)).code).toBe('bad_request');
    expect(client.pending).toBe(0);
  });
});

describe('time and cancelling', () => {
  test('a signal that is aborted already sends nothing and rejects with its reason', async () => {
    const { client, peer } = await greeted();
    const error = await failure(client.ask('never', { signal: AbortSignal.abort('why') }));
    expect(error).toMatchObject({ code: 'cancelled', cause: 'why', retryable: false });
    const pinged = client.ping();
    peer.send({ type: 'pong', id: (await peer.expect('ping')).id });
    await pinged;
  });

  test('aborting before the connection stands takes the question back unsent', async () => {
    const server = await listen();
    const client = newClient({ port: server.port });
    const stop = new AbortController();
    const asked = failure(client.ask('never', { signal: stop.signal }));
    const peer = await server.accept();
    stop.abort();
    expect((await asked).code).toBe('cancelled');
    const second = client.ask('now');
    await peer.greet();
    const query = await peer.expect('query');
    expect(query.question).toBe('now');
    peer.send(response(query.id, 'hi'));
    await second;
  });

  test('a settled question leaves no listener on its signal', async () => {
    const { client, peer } = await greeted();
    const { signal } = new AbortController();
    const asked = client.ask('hi', { signal });
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    peer.send(response((await peer.expect('query')).id, 'hi'));
    await asked;
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  test('a question that finds no connection fails at its own deadline', async () => {
    const server = await listen();
    const client = newClient({ port: server.port });
    const error = await failure(client.ask('anyone?', { timeoutMs: 10 }));
    expect(error).toMatchObject({ code: 'timeout', retryable: true });
  });

  test('a server that lets the deadline pass is not waited for beyond the grace time', async () => {
    const { client, peer } = await greeted({ graceMs: 10 });
    const asked = failure(client.ask('anyone?', { timeoutMs: 10 }));
    const query = await peer.expect('query');
    expect(query.timeout_ms).toBe(10);
    expect((await asked).code).toBe('timeout');
    expect((await peer.expect('cancel')).id).toBe(query.id);
  });

  test('the time spent waiting for a connection is taken off what the server is given', () => {
    let nowMs = 0;
    const exchange = new Exchange(
      7,
      {
        request: { type: 'query', question: 'hi' },
        expects: 'response',
        read: toAnswer,
        listener: { done: () => undefined },
        options: { timeoutMs: 60_000 },
        resend: false,
      },
      {
        clock: { monotonicMs: () => nowMs, wallUs: () => 0 },
        timeoutMs: 1,
        graceMs: 1,
        recall: () => undefined,
        halt: () => undefined,
        settled: () => undefined,
      },
    );
    nowMs = 1234.5;
    expect(JSON.parse(exchange.toLine(1000))).toEqual({
      type: 'query',
      id: 7,
      question: 'hi',
      timeout_ms: 58_766,
    });
    exchange.cancel();
  });
});

describe('losing the connection', () => {
  test('a lost question is not sent again; one that waited is', async () => {
    const { server, client, peer } = await greeted({}, { max_in_flight: 1, max_line_bytes: 1000 });
    const lost = failure(client.ask('on the wire', { requestId: 'r1' }));
    const waited = client.ask('waiting');
    await peer.expect('query');
    const gone = event(client, 'disconnected');
    const back = event(client, 'reconnecting');
    peer.socket.destroy();
    expect(await lost).toBeInstanceOf(ConnectionLost);
    expect((await gone).reason).toBeInstanceOf(BridgeError);
    expect((await back).attempt).toBe(1);
    const next = await server.accept();
    await next.greet();
    const query = await next.expect('query');
    expect(query.question).toBe('waiting');
    next.send(response(query.id, 'hi'));
    expect((await waited).answer).toBe('hi');
  });

  test('with resend on, a question with a requestId is sent again, in front, and no other', async () => {
    const limits = { max_in_flight: 2, max_line_bytes: 1000 };
    const { server, client, peer } = await greeted({ resend: true }, limits);
    const safe = client.ask('safe', { requestId: 'r1' });
    const unsafe = failure(client.ask('unsafe'));
    const waited = client.ask('waiting');
    await peer.expect('query');
    await peer.expect('query');
    peer.socket.destroy();
    expect(await unsafe).toBeInstanceOf(ConnectionLost);
    const next = await server.accept();
    await next.greet(limits);
    const first = await next.expect('query');
    expect(first).toMatchObject({ question: 'safe', request_id: 'r1' });
    const second = await next.expect('query');
    expect(second.question).toBe('waiting');
    next.send(response(first.id, 'one'), response(second.id, 'two'));
    expect([(await safe).answer, (await waited).answer]).toEqual(['one', 'two']);
  });

  test('a refused token fails everyone who waits, and a later token gets in', async () => {
    const server = await listen();
    const tokens = ['old', 'new'];
    const client = newClient({ port: server.port, token: () => tokens.shift() ?? 'none' });
    const waited = failure(client.ask('let me in'));
    const refused = failure(client.ready());
    const peer = await server.accept();
    expect((await peer.expect('hello')).token).toBe('old');
    const no = { type: 'error', code: 'unauthorized', message: 'wrong token', retryable: false };
    peer.socket.end(`${JSON.stringify(no)}\n`);
    expect((await waited).code).toBe('unauthorized');
    expect((await refused).code).toBe('unauthorized');
    const next = await server.accept();
    expect((await next.greet()).token).toBe('new');
    await client.ready();
  });

  test('a token that cannot be read is a refusal, not a crash', async () => {
    const server = await listen();
    const token = () => {
      throw new Error('no such file');
    };
    const error = await failure(connect({ port: server.port, token }));
    expect(error.code).toBe('unauthorized');
    expect(error.message).toContain('no such file');
  });

  test('with reconnect off the first loss closes the client and says why', async () => {
    const { client, peer } = await greeted({ reconnect: false });
    const asked = failure(client.ask('hi'));
    await peer.expect('query');
    const closed = event(client, 'closed');
    peer.socket.destroy();
    expect(await asked).toBeInstanceOf(ConnectionLost);
    expect((await closed).reason?.code).toBe('connection_lost');
    expect((await failure(client.ask('more'))).code).toBe('closed');
  });

  test('connect to a port where nobody listens names the address and the next step', async () => {
    const server = await listen();
    const { port } = server;
    await server.close();
    const error = await failure(connect({ port }));
    expect(error.code).toBe('unreachable');
    expect(error.message).toContain(`127.0.0.1:${port}`);
    expect(error.message).toContain('warmline serve');
  });
});

describe('the end', () => {
  test('drain takes nothing new, waits for what is under way, and then ends', async () => {
    const { client, peer } = await greeted({}, { max_in_flight: 1, max_line_bytes: 1000 });
    const asked = [client.ask('one'), client.ask('two')];
    const drained = client.drain();
    expect((await failure(client.ask('three'))).code).toBe('closed');
    for (const answer of ['first', 'second']) {
      peer.send(response((await peer.expect('query')).id, answer));
    }
    expect((await Promise.all(asked)).map(({ answer }) => answer)).toEqual(['first', 'second']);
    await drained;
    expect(await peer.receive()).toBeUndefined();
  });

  test('drain outlives a lost connection for a question that still waits', async () => {
    const server = await listen();
    const client = newClient({ port: server.port });
    const asked = client.ask('patient');
    const drained = client.drain();
    (await server.accept()).socket.destroy();
    const peer = await server.accept();
    await peer.greet();
    peer.send(response((await peer.expect('query')).id, 'hi'));
    expect((await asked).answer).toBe('hi');
    await drained;
  });

  test('close fails what is under way at once, drains included, and may be called twice', async () => {
    const { client, peer } = await greeted({}, { max_in_flight: 1, max_line_bytes: 1000 });
    const asked = [failure(client.ask('sent')), failure(client.ask('waiting'))];
    await peer.expect('query');
    const drained = client.drain();
    await Promise.all([client.close(), client.close()]);
    for (const error of await Promise.all(asked)) expect(error.code).toBe('closed');
    await drained;
    expect((await failure(client.ready())).code).toBe('closed');
    expect(await peer.receive()).toBeUndefined();
  });

  test('close ends a client that is dialling or waiting to dial', async () => {
    const server = await listen();
    const dialling = newClient({ port: server.port });
    const refused = failure(dialling.ready());
    await dialling.close();
    expect((await refused).code).toBe('closed');
    const { port } = server;
    await server.close();
    const waiting = newClient({ port, reconnect: { baseMs: 3_600_000, maxMs: 3_600_000 } });
    await event(waiting, 'reconnecting');
    await waiting.close();
    expect(waiting.connected).toBe(false);
  });
});

test('the wait before a new attempt grows to its limit and is never less than half of it', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10_000 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      fc.integer({ min: 1, max: 1000 }),
      fc.integer({ min: 1000, max: 60_000 }),
      (attempt, random, baseMs, maxMs) => {
        const policy = { baseMs, maxMs };
        const delay = reconnectDelayMs(attempt, random, policy);
        const ceiling = Math.min(maxMs, baseMs * 2 ** Math.min(attempt - 1, 30));
        expect(delay).toBeGreaterThanOrEqual(Math.floor(ceiling / 2));
        expect(delay).toBeLessThanOrEqual(ceiling);
        expect(reconnectDelayMs(attempt + 1, random, policy)).toBeGreaterThanOrEqual(delay);
      },
    ),
  );
});
