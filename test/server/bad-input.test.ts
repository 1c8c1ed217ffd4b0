import { request } from 'node:http';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { answerByHand, serve, Wire } from './support.js';

const query = { type: 'query', id: 1, question: 'why?' };

describe('a first line that is not ours', () => {
  test.each([
    ['a TLS hello', Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 10])],
    ['HTTP/2', Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')],
    ['an SSH banner', Buffer.from('SSH-2.0-OpenSSH_9.6\r\n')],
    ['an array', Buffer.from('[{"type":"ping"}]\n')],
    ['null', Buffer.from('null\n')],
    ['an unknown word', Buffer.from('\r\n\nEHLO\n')],
    ['a byte order mark', Buffer.from('\ufeff{"type":"ping"}\n')],
    ['invalid UTF-8', Buffer.from([0x7b, 0xff, 0x7d, 10])],
    ['cut-off JSON', Buffer.from('{"type":"ping"\n')],
  ])('gets one bad_json line and the end: %s', async (_, bytes) => {
    const { bridge, connect } = await serve();
    const wire = await connect();
    wire.socket.write(Buffer.concat([bytes, Buffer.from(`${JSON.stringify(query)}\nping\n`)]));
    expect(await wire.rest()).toEqual([
      expect.objectContaining({ type: 'error', code: 'bad_json' }),
    ]);
    expect(bridge.asked).toEqual([]);
  });

  test('in an HTTP POST keeps the valid query in its body from running', async () => {
    const { address, bridge, server } = await serve();
    const body = `${JSON.stringify(query)}\n`;
    await expect(
      fetch(`http://127.0.0.1:${address.port}/`, { method: 'POST', body }),
    ).rejects.toThrow();
    const raw = await new Promise<string>((resolve) => {
      const post = request({ port: address.port, host: '127.0.0.1', method: 'POST' });
      post.on('error', (error) => resolve(error.message));
      post.on('response', () => resolve('a response'));
      post.end(body);
    });
    expect(raw).toMatch(/Parse Error|HPE|socket hang up|ECONNRESET/);
    expect(bridge.asked).toEqual([]);
    expect(server.stats()).toMatchObject({ queries: 0, connections: { foreign: 2 } });
  });

  test('is logged at most once a minute', async () => {
    const { connect, log } = await serve();
    for (let i = 0; i < 5; i += 1) await (await connect()).send('GET / HTTP/1.1').rest();
    expect(log.filter((line) => line.includes('does not speak this protocol'))).toHaveLength(1);
  });
});

describe('a later bad line', () => {
  test('gets an error with its number and the connection goes on', async () => {
    const { connect } = await serve();
    const wire = await connect();
    wire.send('ping', '', 'garbage', { type: 'query', id: 'x' }, '{"a":', 'ping');
    const lines = await wire.lines(5);
    expect(lines.map(({ type, code, line, id }) => [type, code, line, id])).toEqual([
      ['pong', undefined, undefined, undefined],
      ['error', 'bad_json', 3, undefined],
      ['error', 'bad_request', 4, 'x'],
      ['error', 'bad_json', 5, undefined],
      ['pong', undefined, undefined, undefined],
    ]);
  });

  test('ends the connection when it is the tenth in a row', async () => {
    const { connect } = await serve();
    const wire = await connect();
    wire.send('ping', ...Array(9).fill('bad'), 'ping', ...Array(10).fill('bad'), 'ping');
    const types = (await wire.rest()).map((line) => line.type);
    expect(types).toEqual(['pong', ...Array(9).fill('error'), 'pong', ...Array(10).fill('error')]);
  });

  test('that ends the connection lets the queries in flight be answered', async () => {
    const { bridge, connect } = await serve(answerByHand);
    const wire = await connect();
    wire.send(query, ...Array(10).fill('bad'));
    await wire.lines(10);
    const asked = await bridge.next();
    asked.answer();
    expect(await wire.rest()).toEqual([expect.objectContaining({ type: 'response', id: 1 })]);
  });
});

describe('an over-long line', () => {
  test('gets line_too_long and the end, however much still comes', async () => {
    const { connect, bridge } = await serve();
    const wire = await connect();
    const flood = Buffer.alloc(1024 * 1024, 'x');
    for (let i = 0; i < 20; i += 1) wire.socket.write(flood);
    wire.send('', query);
    expect(await wire.rest()).toEqual([
      expect.objectContaining({ type: 'error', code: 'line_too_long', line: 1 }),
    ]);
    expect(bridge.asked).toEqual([]);
  });

  test('is one byte longer than the longest allowed one', async () => {
    const { connect } = await serve(undefined, { limits: { maxLineBytes: 200 } });
    const wire = await connect();
    const pad = (bytes: number) =>
      JSON.stringify({ type: 'ping', pad: '' }).replace('""', `"${'x'.repeat(bytes - 24)}"`);
    expect([pad(200).length, pad(201).length]).toEqual([200, 201]);
    wire.send(pad(200), pad(201));
    expect((await wire.rest()).map((line) => line.code ?? line.type)).toEqual([
      'pong',
      'line_too_long',
    ]);
  });
});

test('a code point split over packets arrives whole', async () => {
  const { bridge, connect } = await serve();
  const wire = await connect();
  const bytes = Buffer.from(`${JSON.stringify({ ...query, question: '🙂 é 漢' })}\n`);
  for (const byte of bytes) {
    await new Promise<void>((written) => {
      wire.socket.write(Buffer.of(byte), () => setImmediate(written));
    });
  }
  expect((await wire.line()).answer).toBe('answer to 🙂 é 漢');
  expect(bridge.asked).toHaveLength(1);
});

test('an exception inside fails that query only, and tells nothing of the inside', async () => {
  const { connect, log } = await serve((asked) => {
    if (asked.query.question === 'boom') throw new Error('secret detail');
    setImmediate(() => asked.answer());
  });
  const wire = await connect();
  wire.send({ ...query, id: 'bad', question: 'boom' }, { ...query, id: 'good' });
  const lines = await wire.lines(2);
  expect(lines[0]).toMatchObject({ type: 'error', id: 'bad', code: 'internal', retryable: true });
  expect(JSON.stringify(lines[0])).not.toContain('secret detail');
  expect(lines[1]).toMatchObject({ type: 'response', id: 'good' });
  expect(log.join('')).toContain('secret detail');
  const once = await connect();
  once.send({ type: 'query', question: 'boom' });
  expect(await once.rest()).toEqual([expect.objectContaining({ code: 'internal', sources: [] })]);
});

test('every connection with random lines is answered or closed, and the server lives on', async () => {
  const lineCount = Number(process.env.FUZZ_LINES ?? 4000);
  const perConnection = 4;
  const { address, connect } = await serve();
  const valid = fc.constantFrom(
    '{"type":"query","id":1,"question":"why?"}',
    '{"type":"query","question":"once"}',
    '{"type":"ping","id":"a"}',
    '{"type":"cancel","id":1}',
    '{"type":"health"}',
    '{"type":"hello","token":"x"}',
    'help',
    'quit',
  );
  const mutated = fc
    .tuple(valid, fc.nat(), fc.nat({ max: 6 }), fc.uint8Array({ maxLength: 6 }))
    .map(([line, at, remove, insert]) => {
      const bytes = Buffer.from(line);
      const start = at % bytes.length;
      return Buffer.concat([bytes.subarray(0, start), insert, bytes.subarray(start + remove)]);
    });
  const hostile = fc.oneof(
    fc.constantFrom(
      '{"type":"query","id":1e400,"question":"q"}',
      '{"a":1,"a":2}',
      '{"__proto__":null}',
    ),
    fc.json().map((json) => `{"type":"query","id":2,"question":${json}}`),
    fc.constant('['.repeat(3000)),
  );
  const line = fc.oneof(
    valid.map(Buffer.from),
    mutated,
    hostile.map(Buffer.from),
    fc.uint8Array({ maxLength: 60 }).map(Buffer.from),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(line, { minLength: perConnection, maxLength: perConnection }),
      async (lines) => {
        const wire = await Wire.open(address.port);
        wire.socket.write(Buffer.concat(lines.flatMap((it) => [it, Buffer.of(10)])));
        wire.socket.end('ping\n');
        for (const reply of await wire.rest()) expect(typeof reply.type).toBe('string');
        wire.socket.destroy();
      },
    ),
    { numRuns: Math.ceil(lineCount / perConnection) },
  );
  const wire = await connect();
  wire.send('ping');
  expect(await wire.line()).toEqual({ type: 'pong' });
}, 600_000);
