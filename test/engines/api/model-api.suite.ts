/** What every engine for a model API keeps, against the fake model; run once over each of them. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ApiEngineOptions } from '../../../src/engines/api/index.js';
import type { Engine } from '../../../src/engines/index.js';
import { ConfigError, WarmlineError } from '../../../src/errors.js';
import { engineContract } from '../../contract/engine.suite.js';
import { startServer, streamEvents } from './support.js';
import { ask, contextOf, engineAt, fakeModel, KEY, MODEL, NOTES, testLog } from './world.js';

export interface ApiSubject {
  create(options: ApiEngineOptions): Promise<Engine>;
  /** From the address of the fake model. */
  baseUrl(url: string): string;
  /** An address where its own server is. */
  readonly officialUrl: string;
  /** The events of the answer `All of it.` */
  readonly whole: readonly string[];
  /** The same, but for those that say that it is complete. */
  readonly unfinished: readonly string[];
  /** Events of the right form with anything in them. */
  readonly hostile: fc.Arbitrary<string>;
}

async function worldOf(subject: ApiSubject, options: Partial<ApiEngineOptions> = {}) {
  const fake = await fakeModel();
  return { fake, ...(await remoteOf(subject, fake.url, options)) };
}

/** @param url of a server of the test's own */
function remoteOf(subject: ApiSubject, url: string, options: Partial<ApiEngineOptions> = {}) {
  return engineAt(subject.baseUrl(url), (usual) => subject.create({ ...usual, ...options }));
}

export function apiSuite(name: string, subject: ApiSubject): void {
  engineContract(name, {
    create: async () => (await worldOf(subject)).engine,
    context: () => contextOf(NOTES),
    question: 'Which port does the bridge listen on?',
    endless: '[[fake: stall]] anybody there?',
    streamed: '[[fake: deltas=5]] Say something of some length about the port.',
  });

  const world = (options?: Partial<ApiEngineOptions>) => worldOf(subject, options);
  const remote = (url: string) => remoteOf(subject, url);

  test(`${name}: an answer comes with its citation, its cost and why it ended`, async () => {
    const { open } = await world();
    const context = await contextOf(NOTES);
    const session = await open();
    const question = '[[fake: cite=NOTES.md:3-3 text=The bridge listens on port 9999]] Which port?';
    const result = await ask(session, question, context);
    expect(result.answer).toContain('9999');
    expect(result.sources).toEqual(['NOTES.md:3-3']);
    expect(result.stopReason).toBe('end_turn');
    expect(result.usage?.output_tokens).toBeGreaterThan(0);
  });

  test(`${name}: the system text is the same to the byte for every question, and read from the cache`, async () => {
    const { fake, open } = await world();
    const context = await contextOf(NOTES);
    const session = await open();
    const first = await ask(session, 'Which port?', context);
    await session.reset();
    const second = await ask(await open(), 'Who owns it?', context);
    expect(first.usage?.cache_read_input_tokens ?? 0).toBe(0);
    expect(second.usage?.cache_read_input_tokens).toBeGreaterThan(0);
    const systems = fake.requests.map(({ system }) => system);
    expect(systems).toHaveLength(2);
    expect(systems[0]).toContain('3| The bridge listens on port 9999.');
    expect(new Set(systems).size).toBe(1);
  });

  test(`${name}: a fresh turn is in no other request, however it ended`, async () => {
    const { fake, open } = await world();
    const session = await open();
    await ask(session, 'The canary is called Tweety.');
    await session.reset();
    await expect(ask(session, '[[fake: half]] Tweety?')).rejects.toThrow();
    await session.reset();
    const stopped = ask(session, '[[fake: stall]] Tweety?');
    await fake.waitForRequest(({ question }) => question === 'Tweety?');
    session.cancel();
    await expect(stopped).rejects.toMatchObject({ code: 'cancelled' });
    await session.reset();
    fake.clear();
    for (const one of [session, await open()]) await ask(one, 'What is the canary called?');
    expect(fake.requests).toHaveLength(2);
    for (const { raw } of fake.requests) expect(raw).not.toContain('Tweety');
  });

  test(`${name}: a session that is not reset remembers what was answered, and nothing that failed`, async () => {
    const { fake, open } = await world();
    const session = await open();
    await ask(session, '[[fake: text=Nice to meet you]] I am Ada.');
    await expect(ask(session, '[[fake: half]] Never mind.')).rejects.toThrow();
    await ask(session, 'Who am I?');
    const said = fake.requests.at(-1)?.messages.map(({ role, text }) => `${role}: ${text}`);
    expect(said).toEqual([
      'user: [[fake: text=Nice to meet you]] I am Ada.',
      'assistant: Nice to meet you',
      'user: Who am I?',
    ]);
  });

  test(`${name}: a conversation that outgrew the model goes on without its older half`, async () => {
    const { fake, open } = await world();
    const session = await open();
    for (const turn of ['one', 'two', 'three', 'four']) await ask(session, turn);
    await expect(ask(session, '[[fake: too-long]] five')).rejects.toMatchObject({
      code: 'engine_error',
    });
    await ask(session, 'five');
    const said = fake.requests.at(-1)?.messages.map(({ text }) => text);
    expect(said).toHaveLength(5);
    expect(said?.[0]).toBe('three');
  });

  test.each(['half', 'half-end', 'bad-json', 'empty', 'hang-up', 'tool=Read'])(
    `${name}: an answer that is %s is no answer, and the session answers on`,
    async (words) => {
      const { open } = await world();
      const session = await open();
      await expect(ask(session, `[[fake: ${words}]] Hello?`)).rejects.toMatchObject({
        code: 'engine_error',
      });
      await expect(ask(session, 'Hello?')).resolves.toHaveProperty('answer');
    },
  );

  test(`${name}: a server that fails in mid-stream gives no answer`, async () => {
    const { open } = await world();
    await expect(ask(await open(), '[[fake: half-error]] Hello?')).rejects.toMatchObject({
      code: expect.stringMatching(/^engine_(?:error|unavailable)$/),
    });
  });

  test(`${name}: all the text of an answer without its end is no answer`, async () => {
    const server = await startServer((_, response) => {
      streamEvents(response, subject.unfinished);
      response.end();
    });
    const session = await (await remote(server.url)).open();
    let heard = '';
    const turn = ask(session, 'Hello?', undefined, (event) => {
      if (event.type === 'delta') heard += event.text;
    });
    await expect(turn).rejects.toMatchObject({ code: 'engine_error' });
    expect(heard).toBe('All of it.');
  });

  test(`${name}: a turn that is cancelled in mid-stream ends at the server and is no answer`, async () => {
    const { fake, open } = await world();
    const session = await open();
    const turn = ask(session, '[[fake: endless gap=0]] Go on!', undefined, (event) => {
      if (event.type === 'delta') session.cancel();
    });
    await expect(turn).rejects.toMatchObject({ code: 'cancelled' });
    await fake.waitForRequest(({ aborted }) => aborted);
  });

  test.each(['silence', 'stall', 'half-silence', 'pings'])(
    `${name}: a server in %s is waited for until the turn is cancelled or its session closed`,
    async (ending) => {
      const { fake, open } = await world();
      const [cancelled, closed] = [await open(), await open()];
      const turns = [cancelled, closed].map((session) => ask(session, `[[fake: ${ending}]] x`));
      await fake.waitForRequest(() => fake.requests.length === 2);
      cancelled.cancel();
      await closed.close();
      const outcomes = await Promise.allSettled(turns);
      expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
      await fake.waitForRequest(() => fake.requests.every(({ aborted }) => aborted));
    },
  );

  test(`${name}: pings are signs of life`, async () => {
    const { open } = await world();
    const session = await open();
    let signs = 0;
    const turn = ask(session, '[[fake: pings gap=0]] x', undefined, ({ type }) => {
      if (type === 'alive') signs += 1;
      if (signs === 5) session.cancel();
    });
    await expect(turn).rejects.toMatchObject({ code: 'cancelled' });
  });

  test.each([
    ['401', 'engine_auth', 'failed', 'ok'],
    ['403', 'engine_auth', 'failed', 'ok'],
    ['429', 'engine_limit', 'unknown', 'limited'],
    ['500', 'engine_unavailable', 'unknown', 'ok'],
    ['503', 'engine_unavailable', 'unknown', 'ok'],
    ['529', 'engine_unavailable', 'unknown', 'ok'],
    ['400', 'bad_request', 'unknown', 'ok'],
    ['too-long', 'context_too_large', 'unknown', 'ok'],
    ['413', 'context_too_large', 'unknown', 'ok'],
  ] as const)(
    `${name}: %s is told as %s, once, and shows in the status`,
    async (words, code, auth, limit) => {
      const { fake, engine, open } = await world();
      const session = await open();
      await expect(ask(session, `[[fake: ${words}]] Hello?`)).rejects.toMatchObject({ code });
      expect(fake.requests).toHaveLength(1);
      expect(engine.status()).toMatchObject({ auth, limit: { state: limit } });
      await ask(session, 'Hello?');
      expect(engine.status()).toMatchObject({ auth: 'ok', limit: { state: 'ok' } });
    },
  );

  test(`${name}: a limit ends when its reset has come`, async () => {
    let nowUs = 1_000_000;
    const clock = { monotonicMs: () => nowUs / 1000, wallUs: () => nowUs };
    const { engine, open } = await world({ clock });
    const turn = ask(await open(), '[[fake: 429 reset=90]] Hello?');
    await expect(turn).rejects.toMatchObject({ code: 'engine_limit', retryAfterMs: 90_000 });
    expect(engine.status().limit).toEqual({ state: 'limited', resetAtMs: 91_000 });
    nowUs += 90_000_000;
    expect(engine.status().limit).toEqual({ state: 'ok' });
  });

  test(`${name}: a huge answer arrives whole, piece by piece`, async () => {
    const { open } = await world();
    let [pieces, chars] = [0, 0];
    const { answer } = await ask(await open(), '[[fake: huge=3000000]] x', undefined, (event) => {
      if (event.type !== 'delta') return;
      pieces += 1;
      chars += event.text.length;
    });
    expect(answer).toHaveLength(3_000_000);
    expect(chars).toBe(3_000_000);
    expect(pieces).toBeGreaterThan(10);
  });

  test(`${name}: whatever a server streams is an answer or an error that can be told`, async () => {
    let events: readonly string[] = [];
    const server = await startServer((_, response) => {
      streamEvents(response, events);
      response.end();
    });
    const session = await (await remote(server.url)).open();
    const event = fc.oneof(fc.constantFrom(...subject.whole), fc.string(), subject.hostile);
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 8 }), async (stream) => {
        events = stream;
        let heard = '';
        const outcome = await ask(session, 'x', undefined, (event) => {
          if (event.type === 'delta') heard += event.text;
        }).catch((thrown: unknown) => thrown);
        if (outcome instanceof Error) expect(outcome).toBeInstanceOf(WarmlineError);
        else expect(outcome).toMatchObject({ answer: heard, model: MODEL });
        await session.reset();
      }),
      { numRuns: 150 },
    );
  });

  test(`${name}: bytes that are no UTF-8 do not end an answer`, async () => {
    const { open } = await world();
    const { answer } = await ask(await open(), '[[fake: bad-encoding deltas=3]] Some words here.');
    expect(answer).toContain('\ufffd');
    expect(answer.isWellFormed()).toBe(true);
  });

  test(`${name}: questions share the connection that was opened before the first`, async () => {
    const { fake, open } = await world();
    const session = await open();
    expect(fake.connections).toBe(1);
    for (const question of ['One?', 'Two?', 'Three?']) {
      await ask(session, question);
      await session.reset();
    }
    expect(fake.requests.map(({ connection }) => connection)).toEqual([1, 1, 1]);
    expect(fake.connections).toBe(1);
  });

  test(`${name}: a context is shown to the provider once before it is asked about, if wanted`, async () => {
    const { fake, open } = await world({ prefetch: true });
    const context = await contextOf(NOTES);
    const session = await open(context);
    await open(context);
    expect(fake.requests).toHaveLength(1);
    const { usage } = await ask(session, 'Which port?', context);
    expect(usage?.cache_read_input_tokens).toBeGreaterThan(0);
    expect(fake.requests.at(-1)?.messages).toHaveLength(1);
    expect(fake.requests.at(-1)?.system).toBe(fake.requests[0]?.system);
  });

  test(`${name}: the key is in nothing that is logged or told, even when the server repeats it`, async () => {
    const server = await startServer(({ method, headers }, response) => {
      const said = JSON.stringify({ error: { message: `I heard ${headers.authorization}` } });
      response.writeHead(method === 'GET' ? 404 : 400, { 'content-type': 'application/json' });
      response.end(said);
    });
    const { open, log, logged } = await remote(server.url);
    const session = await open();
    const error = await ask(session, 'Hello?').catch((thrown: unknown) => thrown);
    expect(server.received.at(-1)?.headers.authorization).toBe(`Bearer ${KEY}`);
    log.info({ err: error }, 'as a log shows it');
    expect(logged.at(-1)).toContain('I heard Bearer [key]');
    expect(logged.join('')).not.toContain(KEY);
  });

  test(`${name}: the key is in no answer, even when the server repeats it`, async () => {
    const server = await startServer((_, response) => {
      const halves = (event: string) =>
        event.replace('All ', `I heard ${KEY.slice(0, 5)}`).replace('of it.', KEY.slice(5));
      streamEvents(response, subject.whole.map(halves));
      response.end();
    });
    const session = await (await remote(server.url)).open();
    let heard = '';
    const { answer } = await ask(session, 'Hello?', undefined, (event) => {
      if (event.type === 'delta') heard += event.text;
    });
    expect(heard).toBe(answer);
    expect(answer).toBe('I heard [key]');
  });

  test(`${name}: an answer that is no stream of events is refused at once`, async () => {
    const server = await startServer(({ method }, response) => {
      if (method === 'GET') response.end('{}');
      else response.writeHead(200, { 'content-type': 'text/plain' }).write('x'.repeat(100_000));
    });
    const session = await (await remote(server.url)).open();
    await expect(ask(session, 'Hello?')).rejects.toMatchObject({
      code: 'engine_error',
      message: expect.stringContaining('no stream of events but text/plain'),
    });
  });

  test(`${name}: without a key none is sent`, async () => {
    const { fake, open } = await world({ key: undefined });
    await ask(await open(), 'Hello?');
    expect(Object.keys(fake.requests[0]?.headers ?? {})).not.toContain('authorization');
    expect(Object.keys(fake.requests[0]?.headers ?? {})).not.toContain('x-api-key');
  });

  test(`${name}: where nothing listens no session opens, and the error says what to do`, async () => {
    const { fake, open } = await world();
    await fake.close();
    const opened = open();
    await expect(opened).rejects.toMatchObject({
      code: 'engine_unavailable',
      message: expect.stringContaining(`${fake.url}`),
    });
    await expect(opened).rejects.toThrow(/is the server running there/);
  });

  test(`${name}: a key that is refused opens no session`, async () => {
    const server = await startServer((_, response) => response.writeHead(401).end('{}'));
    const { engine, open } = await remote(server.url);
    const opened = open();
    await expect(opened).rejects.toMatchObject({ code: 'engine_auth' });
    expect(engine.status().auth).toBe('failed');
    await server.until(() => server.sockets.size === 0);
  });

  test(`${name}: a model that is not there is told with those that are`, async () => {
    const server = await startServer(({ url }, response) => {
      const isList = /\/models(?:\?|$)/.test(url);
      response.writeHead(isList ? 200 : 404, { 'content-type': 'application/json' });
      response.end(JSON.stringify(isList ? { data: [{ id: 'small' }, { id: 'large' }] } : {}));
    });
    const session = await (await remote(server.url)).open();
    await expect(ask(session, 'Hello?')).rejects.toMatchObject({
      code: 'engine_unavailable',
      message: expect.stringContaining('it has small, large'),
    });
  });

  secureTests(name, subject);
  configTests(name, subject);
}

function secureTests(name: string, subject: ApiSubject): void {
  async function secureWorld(headers: Record<string, string> = {}) {
    const server = await startServer(
      ({ method, body }, response) => {
        for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
        if (method === 'GET') {
          response.end('{}');
          return;
        }
        const isHalf = body.includes('half');
        streamEvents(response, isHalf ? subject.unfinished : subject.whole);
        if (!isHalf) response.end();
        else if (body.includes('break')) response.socket?.destroySoon();
      },
      { isSecure: true },
    );
    const time = { ms: 0 };
    const clock = { monotonicMs: () => time.ms, wallUs: () => time.ms * 1000 };
    let tellReopened = () => {};
    const reopened = new Promise<void>((resolve) => {
      tellReopened = resolve;
    });
    const { log } = testLog((line) => {
      if (line.includes('opened again')) tellReopened();
    });
    const { open } = await remoteOf(subject, server.url, { log, clock, ca: server.ca });
    const session = await open();
    return { server, session, time, reopened };
  }

  test(`${name}: the TLS handshake is over before the first question, and is the only one`, async () => {
    const { server, session } = await secureWorld();
    expect(server.connections).toBe(1);
    for (const question of ['One?', 'Two?']) {
      await expect(ask(session, question)).resolves.toMatchObject({ answer: 'All of it.' });
      await session.reset();
    }
    expect(server.connections).toBe(1);
  });

  test(`${name}: a secure connection the server lets go is open again before the next question`, async () => {
    const { server, session, time, reopened } = await secureWorld();
    time.ms += 60_000;
    for (const socket of server.sockets) socket.destroy();
    await reopened;
    expect(server.connections).toBe(2);
    await ask(session, 'Hello?');
    expect(server.connections).toBe(2);
  });

  test.each(['half, break', 'half, cancel'])(
    `${name}: after a turn that ended in "%s" a secure connection is open again`,
    async (question) => {
      const { server, session, time, reopened } = await secureWorld();
      time.ms += 60_000;
      const turn = ask(session, question, undefined, ({ type }) => {
        if (type === 'delta' && question.endsWith('cancel')) session.cancel();
      });
      await expect(turn).rejects.toThrow();
      await reopened;
      expect(server.connections).toBe(2);
      await ask(session, 'Hello?');
      expect(server.connections).toBe(2);
    },
  );

  test(`${name}: a server without TLS is left alone while nobody asks`, async () => {
    const clock = { monotonicMs: () => performance.now() * 1_000, wallUs: () => 0 };
    const { fake, open } = await worldOf(subject, { clock });
    const session = await open();
    await expect(ask(session, '[[fake: half]] x')).rejects.toThrow();
    await session.reset();
    await ask(session, 'Hello?');
    expect(fake.probes).toHaveLength(1);
  });

  test(`${name}: a server that ends every connection is left alone while nobody asks`, async () => {
    const { server, session } = await secureWorld({ connection: 'close' });
    for (const question of ['One?', 'Two?', 'Three?']) {
      await ask(session, question);
      await session.reset();
      await server.until(() => server.sockets.size === 0);
    }
    // The look-up at the opening and the questions, and none between.
    expect(server.received.map(({ method }) => method)).toEqual(['GET', 'POST', 'POST', 'POST']);
  });
}

function configTests(name: string, subject: ApiSubject): void {
  const { log } = testLog();
  const good = { name: 'remote', model: MODEL, key: KEY, log };

  test.each<[string, Partial<ApiEngineOptions>, RegExp]>([
    ['no model', { model: undefined }, /needs a model/],
    ['no key where one is needed', { key: undefined }, /needs a key/],
    ['a key of two lines', { key: 'one\ntwo' }, /key/],
    ['an address that is none', { baseUrl: 'localhost:11434' }, /base URL/],
    ['a secret in the address', { baseUrl: 'https://me:secret@host/v1' }, /base URL/],
  ])(`${name}: %s is a mistake in the settings`, async (_, wrong, message) => {
    const { baseUrl = subject.officialUrl } = wrong;
    const creating = subject.create({ ...good, baseUrl, ...wrong });
    await expect(creating).rejects.toBeInstanceOf(ConfigError);
    await expect(creating).rejects.toThrow(message);
    await expect(creating).rejects.not.toThrow(/secret|two/);
  });

  test(`${name}: a key that would cross a network in the clear is warned of`, async () => {
    const { log, lines } = testLog();
    await subject.create({ ...good, log, baseUrl: 'http://10.0.0.1/v1' });
    expect(lines.join('')).toContain('unencrypted');
    await subject.create({ ...good, log: testLog().log, baseUrl: 'http://127.0.0.1:1/v1' });
    expect(lines).toHaveLength(1);
  });
}
