/** What a web page of somebody else can do to the door: nothing. */

import { writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { judgeSite } from '../../src/http/guard.js';
import { warmline } from '../support/process.js';
import { ask, call, documents, openai, rows, startServe, startUp } from './support.js';

interface Sent {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

/** `fetch` sets `Host` and `Origin` by itself; a page that attacks has others. */
function send(port: number, path: string, headers: Record<string, string>, body?: string) {
  return new Promise<Sent>((resolve, reject) => {
    const asked = request(
      { host: '127.0.0.1', port, path, headers, method: body === undefined ? 'GET' : 'POST' },
      async (reply) => {
        let text = '';
        for await (const chunk of reply) text += chunk;
        resolve({ status: reply.statusCode, headers: reply.headers, text });
      },
    );
    asked.on('error', reject);
    asked.end(body);
  });
}

const JSON_TYPE = { 'content-type': 'application/json' };
const QUESTION = JSON.stringify(ask('steal', { polling_mode: true }));

test('a page of another origin can neither read nor ask', async () => {
  const { port, db } = await startUp('--engine', 'fake');
  const local = `127.0.0.1:${port}`;
  const foreign: [string, Record<string, string>][] = [
    ['another origin', { host: local, origin: 'https://evil.example' }],
    ['the same host, another port', { host: local, origin: 'http://127.0.0.1:1' }],
    ['an origin that hides', { host: local, origin: 'null' }],
    ['no origin, sent across sites', { host: local, 'sec-fetch-site': 'cross-site' }],
    ['no origin, from a neighbour', { host: local, 'sec-fetch-site': 'same-site' }],
    ['a name of its own for us', { host: `evil.example:${port}` }],
    ['that name, and the origin of it', { host: 'evil.example', origin: 'http://evil.example' }],
    ['a name that begins like ours', { host: '127.0.0.1.evil.example' }],
    ['a host that is none', { host: 'localhost@evil.example' }],
  ];
  for (const [how, headers] of foreign) {
    for (const path of ['/health', '/v1/models', '/v1/polling/active', '/healthz']) {
      const read = await send(port, path, headers);
      expect(read.status, `${how} reads ${path}`).toBeOneOf([403, 421]);
      expect(read.headers).not.toHaveProperty('access-control-allow-origin');
    }
    const posted = await send(port, '/v1/chat/completions', { ...headers, ...JSON_TYPE }, QUESTION);
    expect(posted.status, `${how} asks`).toBeOneOf([403, 421]);
  }
  expect(rows(db, 'SELECT id FROM messages')).toEqual([]);
});

test('what a page may send unasked is no question: only JSON is read', async () => {
  const { port, db } = await startUp('--engine', 'fake');
  const host = `127.0.0.1:${port}`;
  const simple = [
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
  ];
  for (const type of [...simple, 'application/jsonp', undefined]) {
    const headers = { host, ...(type && { 'content-type': type }) };
    const sent = await send(port, '/v1/chat/completions', headers, QUESTION);
    expect(sent.status, String(type)).toBe(415);
    expect(JSON.parse(sent.text)).toMatchObject({ error: { code: 'unsupported_media_type' } });
  }
  expect(rows(db, 'SELECT id FROM messages')).toEqual([]);
});

test('own pages, and programs by any name of this machine, are served', async () => {
  const { port } = await startServe(documents(), '--engine', 'fake', '--http-name', 'box.local');
  const own = [`127.0.0.1:${port}`, `localhost:${port}`, 'LOCALHOST', `[::1]:${port}`, 'box.local'];
  for (const host of own) {
    expect((await send(port, '/v1/models', { host })).status).toBe(200);
    const page = { host, origin: `http://${host}`.toLowerCase(), 'sec-fetch-site': 'same-origin' };
    expect((await send(port, '/v1/models', page)).status).toBe(200);
  }
});

test('a page that the configuration names is told so, and no other', async () => {
  const origin = 'https://app.example';
  const words = ['--engine', 'fake', '--http-origin', origin];
  const { url } = await startServe(documents(), ...words);
  const asked = await fetch(`${url}/v1/chat/completions`, {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'POST' },
  });
  expect(asked.status).toBe(204);
  expect(asked.headers.get('access-control-allow-origin')).toBe(origin);
  expect(asked.headers.get('access-control-allow-headers')).toContain('authorization');
  const read = await call(`${url}/v1/models`, { headers: { origin } });
  expect(read.status).toBe(200);
  expect(read.headers.get('access-control-allow-origin')).toBe(origin);
  const other = await call(`${url}/v1/models`, { headers: { origin: 'https://other.example' } });
  expect(other.status).toBe(403);
  expect(other.headers.get('access-control-allow-origin')).toBeNull();
});

test('with a token file every call needs the token, but those for liveness', async () => {
  const dir = documents();
  const token = 'a-long-random-token-7d1f-55aa';
  const file = join(dir, 'token');
  writeFileSync(file, token, { mode: 0o600 });
  const server = await startServe(dir, '--engine', 'fake', '--token-file', file);
  for (const authorization of [undefined, 'Bearer wrong', `Basic ${token}`, 'Bearer ', token]) {
    const init = authorization === undefined ? {} : { headers: { authorization } };
    for (const path of ['/v1/models', '/health', '/v1/polling/active', '/nowhere']) {
      const refused = await call(`${server.url}${path}`, init);
      expect(refused).toMatchObject({ status: 401, body: { error: { code: 'unauthorized' } } });
      expect(refused.headers.get('www-authenticate')).toBe('Bearer');
    }
    expect((await call(`${server.url}/healthz`, init)).status).toBe(200);
    expect((await call(`${server.url}/readyz`, init)).status).toBe(200);
  }
  const client = openai(server, { apiKey: token });
  expect((await client.models.list()).data.length).toBeGreaterThan(0);
  expect(server.program.stdout + server.program.stderr).not.toContain(token);
});

test('other machines are only served with a token, and a taken port is one clear line', async () => {
  const cwd = documents();
  const open = ['serve', '--port', '0', '--http-port', '0', '--host', '0.0.0.0'];
  expect(await warmline(open, { cwd })).toMatchObject({ code: 78 });
  const { port } = await startServe(cwd, '--engine', 'fake');
  const taken = await warmline(['serve', '--port', '0', '--http-port', String(port)], { cwd });
  expect(taken).toMatchObject({ code: 78, stdout: '' });
  expect(taken.stderr).toMatch(/already in use.*choose another --http-port, or off/);
});

test('a request without a host, or in another tongue, is refused and closed', async () => {
  const { port } = await startServe(documents(), '--engine', 'fake');
  const say = (bytes: string) =>
    new Promise<string>((resolve) => {
      let heard = '';
      const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
      socket.on('data', (chunk) => {
        heard += chunk;
      });
      socket.on('error', () => undefined).on('close', () => resolve(heard));
    });
  expect(await say('GET /health HTTP/1.1\r\nConnection: close\r\n\r\n')).toMatch(/^HTTP\/1.1 4/);
  expect(await say('GET /health HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1.1 421/);
  expect(await say('{"type":"query","question":"tcp?"}\n')).toMatch(/^HTTP\/1.1 400.*"code"/s);
});

test('a host is ours by what it is, not by how it looks', () => {
  const site = {
    localAddress: '::ffff:192.0.2.7',
    names: new Set(['box.local']),
    origins: new Set<string>(),
  };
  const judge = (host: string) =>
    judgeSite({ host, origin: undefined, fetchSite: undefined }, site).admit;
  for (const host of ['127.0.0.1', '127.9.9.9:80', '[::1]', '192.0.2.7:3010', 'BOX.local:1']) {
    expect(judge(host), host).toBe('program');
  }
  for (const host of [
    '',
    '192.0.2.8',
    'a.box.local',
    '127.0.0.1:x',
    'box.local.',
    '[::2]',
    '0',
    '[127.0.0.1]',
  ]) {
    expect(judge(host), host).toBe('no');
  }
});

test('no name and no origin of others is taken for ours, however it is written', () => {
  const word = fc.stringMatching(/^[a-z0-9.:@[\]\\/#?-]{0,24}$/);
  const ours =
    /^(localhost|127\.\d+\.\d+\.\d+|\[::1\]|\[0*(:0*)*:0*1\]|\[::ffff:[0-9a-f.:]+\])(:\d{1,5})?$/;
  fc.assert(
    fc.property(word, word, fc.constantFrom('localhost', '127.0.0.1', ''), (a, b, name) => {
      const host = `${a}${name}${b}`;
      const site = {
        localAddress: '127.0.0.1',
        names: new Set<string>(),
        origins: new Set<string>(),
      };
      const headers = { host, origin: undefined, fetchSite: undefined };
      const { admit } = judgeSite(headers, site);
      if (admit !== 'no') expect(host).toMatch(ours);
      const page = { host: 'localhost:3010', origin: `http://${host}`, fetchSite: undefined };
      if (host !== 'localhost:3010') expect(judgeSite(page, site).admit).toBe('no');
    }),
    { numRuns: 5000 },
  );
});
