/** The events over a WebSocket: the same numbers, the same rules of who may come in. */
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import WebSocket from 'ws';
import {
  ask,
  call,
  documents,
  ended,
  type Running,
  reaches,
  rows,
  startServe,
  startTask,
  startUp,
} from './support.js';

interface Message {
  readonly type: string;
  readonly [field: string]: unknown;
}

class Peer {
  readonly heard: Message[] = [];
  readonly socket: WebSocket;
  #closed: number | undefined;
  #told: (() => void)[] = [];

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data) => {
      this.heard.push(JSON.parse(String(data)));
      this.#tell();
    });
    socket.on('close', (code) => {
      this.#closed = code;
      this.#tell();
    });
    socket.on('error', () => undefined);
    onTestFinished(() => socket.terminate());
  }

  say(message: object | string): void {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  async hears(fits: (message: Message) => boolean): Promise<Message> {
    for (;;) {
      const found = this.heard.find(fits);
      if (found !== undefined) return found;
      if (this.#closed !== undefined) throw new Error(`closed with ${this.#closed}`);
      await new Promise<void>((resolve) => this.#told.push(resolve));
    }
  }

  async closed(): Promise<number> {
    while (this.#closed === undefined) {
      await new Promise<void>((resolve) => this.#told.push(resolve));
    }
    return this.#closed;
  }

  get events(): Readonly<Record<string, unknown>>[] {
    return this.heard.flatMap(({ type, events }) => (type === 'events' ? (events as []) : []));
  }

  #tell(): void {
    for (const told of this.#told.splice(0)) told();
  }
}

/** @returns the peer, or the status that the door refused it with */
function open(
  { port }: Running,
  protocols: string[] = [],
  headers: Record<string, string> = {},
): Promise<Peer | number> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/ws`, protocols, { headers });
    const peer = new Peer(socket);
    socket.once('open', () => resolve(peer));
    socket.once('unexpected-response', (_request, reply) => resolve(reply.statusCode ?? 0));
    socket.once('error', reject);
  });
}

async function opened(server: Running): Promise<Peer> {
  const peer = await open(server);
  if (typeof peer === 'number') throw new Error(`refused with ${peer}`);
  return peer;
}

test('every change comes under its number, and after a reconnect what came since', async () => {
  const server = await startUp('--engine', 'fake');
  const first = await opened(server);
  first.say({ type: 'subscribe' });
  expect(await first.hears(() => true)).toEqual({ type: 'subscribed', tasks: 'all' });
  await startTask(server, 'one');
  await first.hears(({ events }) => JSON.stringify(events ?? '').includes('completed'));
  first.socket.close();
  await first.closed();
  await ended(server, await startTask(server, 'two'));
  const second = await opened(server);
  second.say({ type: 'subscribe', tasks: 'all', after: first.events.at(-1)?.seq });
  await second.hears(({ events }) => JSON.stringify(events ?? '').includes('completed'));
  const log = rows<{ seq: number }>(
    server.db,
    'SELECT seq FROM warmline_changes WHERE question_id > 0 ORDER BY seq',
  );
  expect([...first.events, ...second.events].map(({ seq }) => seq)).toEqual(
    log.map(({ seq }) => seq),
  );
  second.say({ type: 'subscribe', after: 17 });
  expect(await second.hears(({ type }) => type === 'reset')).toMatchObject({
    seq: log.at(-1)?.seq,
  });
});

test('a subscription to tasks tells where they stand, their progress and their ends', async () => {
  const server = await startUp('--engine', 'fake', '--http-tasks', '2');
  const ids = [
    await startTask(server, '!fake delay=700 deltas=5 the first of two'),
    await startTask(server, '!fake silent'),
  ];
  const other = await startTask(server, 'somebody else');
  await reaches(server, ids[1] as string, 'running');
  const peer = await opened(server);
  peer.say({ type: 'subscribe', tasks: ids });
  await peer.hears(({ type, task_id }) => type === 'progress' && task_id === ids[0]);
  await call(`${server.url}/v1/polling/cancel/${ids[1]}`, { method: 'POST' });
  await peer.hears(({ type }) => type === 'over');
  const told = (id: string | undefined) =>
    peer.events.filter((event) => event.task_id === id).map(({ status }) => status);
  expect(told(ids[0]).at(-1)).toBe('completed');
  expect(told(ids[1])).toEqual(['running', 'cancelled']);
  expect(told(other)).toEqual([]);
  peer.say({ type: 'subscribe', tasks: [other] });
  await peer.hears(({ events }) => JSON.stringify(events ?? '').includes(other));
});

test('a message that is wrong gets an error, and the connection goes on', async () => {
  const server = await startUp('--engine', 'fake');
  const peer = await opened(server);
  const unknown = `task_${'0'.repeat(24)}`;
  const wrong = [
    ['{', 'bad_json'],
    ['[]', 'bad_request'],
    [{ type: 'unsubscribe' }, 'bad_request'],
    [{ type: 'subscribe', tasks: [] }, 'bad_request'],
    [{ type: 'subscribe', tasks: ['no id'] }, 'bad_request'],
    [{ type: 'subscribe', after: -1 }, 'bad_request'],
    [{ type: 'subscribe', tasks: [unknown] }, 'not_found'],
  ] as const;
  for (const [message] of wrong) peer.say(message);
  peer.socket.send(Buffer.from([1, 2, 3]));
  peer.say({ type: 'subscribe' });
  await peer.hears(({ type }) => type === 'subscribed');
  const codes = peer.heard
    .filter(({ type }) => type === 'error')
    .map(({ error }) => (error as { code: string }).code);
  expect(codes).toEqual([...wrong.map(([, code]) => code), 'bad_json']);
  peer.say('x'.repeat(17 * 1024));
  expect(await peer.closed()).toBe(1009);
});

test('a page of another origin, a wrong name and a wrong token stay outside', async () => {
  const dir = documents();
  const file = join(dir, 'token');
  const token = 'a-long-random-token-7d1f-55aa';
  writeFileSync(file, token, { mode: 0o600 });
  const server = await startUp('--engine', 'fake', '--token-file', file);
  const bearer = { authorization: `Bearer ${token}` };
  const inProtocol = (word: string) => `warmline.token.${Buffer.from(word).toString('base64url')}`;
  expect(await open(server)).toBe(401);
  expect(await open(server, ['warmline', inProtocol('wrong')])).toBe(401);
  expect(await open(server, [], { ...bearer, origin: 'https://evil.example' })).toBe(403);
  expect(await open(server, [], { ...bearer, host: 'evil.example' })).toBe(421);
  const byHeader = await open(server, [], bearer);
  expect(byHeader).toBeInstanceOf(Peer);
  const byProtocol = (await open(server, ['warmline', inProtocol(token)])) as Peer;
  expect(byProtocol.socket.protocol).toBe('warmline');
});

test('sockets count among the readers', async () => {
  const server = await startUp('--engine', 'fake', '--max-connections', '32');
  const peers: Peer[] = [];
  for (let n = 0; n < 30; n += 1) peers.push(await opened(server));
  expect(await open(server)).toBe(429);
  expect((await call(`${server.url}/v1/events`)).status).toBe(429);
  peers[0]?.socket.close();
  while (typeof (await open(server)) === 'number');
});

test('without an upgrade the address says what it is for, and without a bus that there is none', async () => {
  const server = await startUp('--engine', 'fake');
  const { status, body } = await call(`${server.url}/v1/ws`);
  expect({ status, body }).toMatchObject({
    status: 426,
    body: { error: { code: 'upgrade_required' } },
  });
  const busless = await startServe(documents(), '--engine', 'fake');
  expect(await open(busless)).toBe(503);
});

test('an upgrade at an address that is none is refused', async () => {
  const server = await startUp('--engine', 'fake');
  const refused = await new Promise<string>((resolve) => {
    let text = '';
    const socket = connect(server.port, '127.0.0.1', () => {
      socket.write(
        `GET // HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
      );
    });
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('close', () => resolve(text));
  });
  expect(refused).toMatch(/^HTTP\/1\.1 404 /);
});

test('a client that offers HTTP/2 with its request is answered all the same', async () => {
  const server = await startUp('--engine', 'fake');
  const body = JSON.stringify(ask('what about an offer?'));
  const heard = await new Promise<string>((resolve, reject) => {
    let text = '';
    const socket = connect(server.port, '127.0.0.1', () => {
      socket.write(
        [
          'POST /v1/chat/completions HTTP/1.1',
          `Host: 127.0.0.1:${server.port}`,
          'Content-Type: application/json',
          `Content-Length: ${body.length}`,
          'Connection: Upgrade, HTTP2-Settings',
          'Upgrade: h2c',
          'HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA',
          '',
          body.slice(0, 10),
        ].join('\r\n'),
      );
      socket.write(body.slice(10));
    });
    socket.on('data', (chunk) => {
      text += chunk;
      if (text.includes('an offer?"')) socket.destroy();
    });
    socket.on('close', () => resolve(text));
    socket.on('error', reject);
  });
  expect(heard).toMatch(/^HTTP\/1\.1 200 OK/);
  expect(heard).toContain('fake: what about an offer?');
});

test('a stop says goodbye to everybody', async () => {
  const server = await startUp('--engine', 'fake', '--drain-ms', '600000');
  const silent = await opened(server);
  const reading = await opened(server);
  reading.say({ type: 'subscribe' });
  await reading.hears(() => true);
  server.program.child.kill('SIGTERM');
  expect(await silent.closed()).toBe(1001);
  expect(await reading.closed()).toBe(1001);
  expect(await server.program.ended).toMatchObject({ code: 0 });
});
