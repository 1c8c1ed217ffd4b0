import { describe, expect, test } from 'vitest';
import { isLoopback } from '../../src/listening/index.js';
import { serve } from './support.js';

const token = 'a-long-random-token-7d1f';
const query = { type: 'query', id: 1, question: 'why?' };

describe('with a token', () => {
  test.each([
    [query],
    [{ type: 'query', question: 'one-shot' }],
    [{ type: 'ping', id: 1 }],
    ['ping'],
    ['health'],
    ['help'],
  ])('everything before hello is unauthorized, then closed: %j', async (request) => {
    const { bridge, connect } = await serve(undefined, { token });
    const wire = await connect();
    wire.send(request, { type: 'hello', token }, query);
    expect(await wire.rest()).toEqual([
      expect.objectContaining({ type: 'error', code: 'unauthorized', retryable: false }),
    ]);
    expect(bridge.asked).toEqual([]);
  });

  test.each([[{ token: 'wrong' }], [{ token: '' }], [{}], [{ token: `${token} ` }]])(
    'a hello with %j is unauthorized, then closed',
    async (more) => {
      const { connect } = await serve(undefined, { token });
      const wire = await connect();
      wire.send({ type: 'hello', ...more }, query);
      expect(await wire.rest()).toEqual([expect.objectContaining({ code: 'unauthorized' })]);
    },
  );

  test('the right hello is welcomed and opens the connection, for long lines too', async () => {
    const { connect } = await serve(undefined, { token });
    const wire = await connect();
    const question = 'x'.repeat(100_000);
    wire.send({ type: 'hello', id: 'h', token, client: 'test' }, { ...query, question });
    expect(await wire.line()).toMatchObject({
      type: 'welcome',
      id: 'h',
      auth: 'token',
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      features: expect.arrayContaining(['stream', 'cancel']),
      limits: { max_line_bytes: 1_048_576, max_in_flight: 64 },
    });
    expect(await wire.line()).toMatchObject({ type: 'response', id: 1 });
  });

  test('a line before hello is at most 8 KiB', async () => {
    const { connect } = await serve(undefined, { token });
    const wire = await connect();
    wire.send({ type: 'hello', token, client: 'x'.repeat(8192) });
    expect(await wire.rest()).toEqual([expect.objectContaining({ code: 'line_too_long' })]);
  });

  test('a client that shows none in time is closed', async () => {
    const { connect } = await serve(undefined, { token, limits: { authMs: 60 } });
    const wire = await connect();
    expect(await wire.rest()).toEqual([expect.objectContaining({ code: 'timeout' })]);
  });

  test('the token is in no log line, reply or report', async () => {
    const { connect, log, server } = await serve(undefined, { token });
    const wire = await connect();
    wire.send({ type: 'hello', token }, 'health', 'stats', 'help', {
      type: 'hello',
      token: 'wrong',
    });
    const seen = JSON.stringify([await wire.rest(), log, server.stats()]);
    expect(seen).toContain('welcome');
    expect(seen).not.toContain(token);
  });
});

test('without a token hello is welcome and not needed', async () => {
  const { connect } = await serve();
  const wire = await connect();
  wire.send({ type: 'hello', token: 'whatever' }, 'ping');
  const lines = await wire.lines(2);
  expect(lines.map((line) => [line.type, line.auth])).toEqual([
    ['welcome', 'off'],
    ['pong', undefined],
  ]);
});

test.each([
  ['127.0.0.1', true],
  ['127.8.9.1', true],
  ['::1', true],
  ['::ffff:127.0.0.1', true],
  ['0.0.0.0', false],
  ['::', false],
  ['10.0.0.1', false],
  ['::ffff:10.0.0.1', false],
  ['localhost', false],
])('the address %s is loopback: %s', (address, loopback) => {
  expect(isLoopback(address)).toBe(loopback);
});
