import { afterEach, expect, test } from 'vitest';
import { Connection } from '../../../src/engines/api/connection.js';
import { type Handler, startServer, streamEvents } from './support.js';

const opened: Connection[] = [];

afterEach(() => {
  for (const connection of opened.splice(0)) connection.close();
});

async function connect(handler: Handler, isSecure = false) {
  const server = await startServer(handler, { isSecure });
  const connection = new Connection({ isSecure, ca: server.ca });
  opened.push(connection);
  const url = `${server.url}/v1/ask`;
  const post = (init: RequestInit = {}) =>
    connection.fetch(url, { method: 'POST', body: '{}', ...init });
  const askForEvents = () => connection.fetchEvents(url, { method: 'POST', body: '{}' });
  return { server, connection, post, askForEvents };
}

const LAST = 'data: [DONE]\n\n';

test('requests one after another share one connection', async () => {
  const { server, connection, post } = await connect((_, response) => {
    streamEvents(response, ['data: 1\n\n', LAST]);
    response.end();
  });
  for (let turn = 0; turn < 5; turn += 1) {
    expect(await (await post()).text()).toBe(`data: 1\n\n${LAST}`);
    await connection.rest();
  }
  expect(server.connections).toBe(1);
});

test('over TLS requests share one handshake', async () => {
  const { server, connection, post } = await connect((_, response) => {
    streamEvents(response, [LAST]);
    response.end();
  }, true);
  for (let turn = 0; turn < 3; turn += 1) {
    await (await post()).text();
    await connection.rest();
  }
  expect(server.connections).toBe(1);
});

test('a server whose certificate nobody vouches for is not talked to', async () => {
  const server = await startServer(() => {}, { isSecure: true });
  const connection = new Connection({ isSecure: true });
  opened.push(connection);
  await expect(connection.fetch(server.url)).rejects.toMatchObject({
    code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
  });
  expect(server.received).toEqual([]);
});

test('an answer is over with its last event, though its stream goes on', async () => {
  const { server, connection, post } = await connect((_, response) => {
    streamEvents(response, ['data: 1\n\n', LAST]);
  });
  expect(await (await post()).text()).toBe(`data: 1\n\n${LAST}`);
  // What never ends is given up, and its connection with it.
  await connection.rest();
  await server.until(() => server.sockets.size === 0);
  expect(await (await post()).text()).toContain('[DONE]');
  expect(server.connections).toBe(2);
});

test('a stream that drips on after its last event is given up', async () => {
  const { server, connection, post } = await connect((_, response) => {
    streamEvents(response, [LAST]);
    const drip = setInterval(() => response.write('\n'), 20);
    response.on('close', () => clearInterval(drip));
  });
  await (await post()).text();
  await connection.rest();
  await server.until(() => server.sockets.size === 0);
});

test.each(['text/plain', 'text/html; charset=utf-8', undefined])(
  'an answer of the type %s is no stream of events: refused before it is read',
  async (type) => {
    const { server, askForEvents } = await connect((_, response) => {
      response.writeHead(200, type === undefined ? {} : { 'content-type': type });
      response.write('x'.repeat(1_000_000));
    });
    await expect(askForEvents()).rejects.toThrow(type ?? 'no type');
    await server.until(() => server.sockets.size === 0);
  },
);

test('an error in JSON where a stream belongs is told in its words', async () => {
  const { askForEvents } = await connect((_, response) => {
    response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' });
    response.end('{"error":"no model is loaded"}');
  });
  await expect(askForEvents()).rejects.toThrow(/no model is loaded/);
});

test('everything else gets its turn while a stream comes as fast as it can', async () => {
  const events = 200_000;
  const { post } = await connect((_, response) => {
    streamEvents(response, ['data: {}\n\n'.repeat(events), LAST]);
  });
  let turns = 0;
  let next = setImmediate(function count() {
    turns += 1;
    next = setImmediate(count);
  });
  const text = await (await post()).text();
  clearImmediate(next);
  expect(text).toHaveLength(events * 10 + LAST.length);
  expect(turns).toBeGreaterThan(text.length / 8192);
});

test('a flood behind the last event is cut off', async () => {
  const { server, connection, post } = await connect((_, response) => {
    streamEvents(response, [LAST]);
    const flood = () => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
    };
    response.on('drain', flood);
    flood();
  });
  await (await post()).text();
  await connection.rest();
  await server.until(() => server.sockets.size === 0);
});

test('an aborted request ends at the server too', async () => {
  const { server, post } = await connect((_, response) => {
    streamEvents(response, ['data: 1\n\n']);
  });
  const abort = new AbortController();
  const response = await post({ signal: abort.signal });
  const text = response.text();
  abort.abort();
  await expect(text).rejects.toThrow();
  await server.until(() => server.sockets.size === 0);
});

test('a stream that breaks off is not a whole one', async () => {
  const { post } = await connect((_, response) => {
    streamEvents(response, ['data: 1\n\n']);
    response.socket?.destroySoon();
  });
  await expect((await post()).text()).rejects.toThrow();
});

test('an event without end is refused and its connection closed', async () => {
  const { server, post } = await connect((_, response) => {
    streamEvents(response, ['data: ']);
    const flood = () => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
    };
    response.on('drain', flood);
    flood();
  });
  await expect((await post()).text()).rejects.toThrow(/larger than/);
  await server.until(() => server.sockets.size === 0);
});

test('of a refusal only the beginning is read', async () => {
  const { server, post } = await connect((_, response) => {
    response.writeHead(500, { 'content-type': 'text/html' });
    const flood = () => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
    };
    response.on('drain', flood);
    flood();
  });
  const response = await post();
  expect(response.status).toBe(500);
  expect((await response.text()).length).toBe(65_536);
  await server.until(() => server.sockets.size === 0);
});

test('a redirect is not followed, so that no key goes elsewhere', async () => {
  const other = await startServer((_, response) => response.end('stolen'));
  const { post } = await connect((_, response) => {
    response.writeHead(307, { location: other.url }).end();
  });
  expect((await post({ headers: { authorization: 'Bearer secret' } })).status).toBe(307);
  expect(other.received).toEqual([]);
});

test('a request on a connection the server just let go is sent once more, and once only', async () => {
  let requests = 0;
  const { server, connection, post } = await connect((_, response) => {
    requests += 1;
    if (requests > 1) {
      response.socket?.resetAndDestroy();
      return;
    }
    streamEvents(response, [LAST]);
    response.end();
  });
  await (await post()).text();
  await connection.rest();
  await expect(post()).rejects.toMatchObject({ code: 'ECONNRESET' });
  expect(server.received).toHaveLength(3);
  expect(server.connections).toBe(2);
});

test.each([101, 999])('HTTP status %i is no answer', async (status) => {
  const { post } = await connect((_, response) => {
    response.socket?.end(`HTTP/1.1 ${status} Odd\r\ncontent-length: 0\r\n\r\n`);
  });
  await expect(post()).rejects.toThrow();
});

test('a server that switches protocols gives no answer', async () => {
  const { server, post } = await connect((_, response) => {
    response.socket?.write('HTTP/1.1 101 Odd\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n');
  });
  await expect(post()).rejects.toThrow(/no response/);
  await server.until(() => server.sockets.size === 0);
});

test('signs of life are told for a stream only', async () => {
  let life = 0;
  const { connection, post } = await connect(({ method }, response) => {
    if (method === 'GET') response.end('{}');
    else {
      streamEvents(response, [': ping\n\n', LAST]);
      response.end();
    }
  });
  connection.onByte = () => {
    life += 1;
  };
  const { url } = await startServer((_, response) => response.end('{}'));
  await (await connection.fetch(url)).text();
  expect(life).toBe(0);
  await (await post()).text();
  expect(life).toBeGreaterThan(1);
});

test('the end of the last connection is told, a close of our own is not', async () => {
  const { server, connection, post } = await connect((_, response) => response.end('{}'));
  let lost = 0;
  const told = new Promise<void>((resolve) => {
    connection.onLost = () => {
      lost += 1;
      resolve();
    };
  });
  await (await post()).text();
  expect(connection.isOpen).toBe(true);
  for (const socket of server.sockets) socket.destroy();
  await told;
  expect(connection.isOpen).toBe(false);
  await (await post()).text();
  connection.close();
  await server.until(() => server.sockets.size === 0);
  expect(lost).toBe(1);
});
