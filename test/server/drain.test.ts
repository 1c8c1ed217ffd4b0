import { expect, test } from 'vitest';
import { answerByHand, serve, Wire } from './support.js';

const query = (id?: number) => ({ type: 'query', id, question: `q${id}` });

test('a drain answers what runs, refuses what is new, ends every connection and resolves', async () => {
  const { bridge, connect, server, address } = await serve(answerByHand);
  const [idle, busy] = [await connect(), await connect()];
  idle.send('ping');
  await idle.line();
  busy.send(query(1));
  const asked = await bridge.next();
  const drained = server.drain(60_000);
  expect(await idle.rest()).toEqual([]);
  busy.send(query(2), 'health', 'ping');
  const [refused, health, pong] = await busy.lines(3);
  expect(refused).toMatchObject({ id: 2, code: 'shutting_down', retryable: true });
  expect(health).toMatchObject({ ready: false, live: true });
  expect(pong).toEqual({ type: 'pong' });
  await expect(Wire.open(address.port)).rejects.toThrow('ECONNREFUSED');
  asked.answer('x'.repeat(5_000_000));
  const lines = await busy.rest();
  expect(lines.map((line) => [line.id, line.answer.length])).toEqual([[1, 5_000_000]]);
  idle.socket.end();
  busy.socket.end();
  await drained;
  expect(server.stats().connections).toMatchObject({ open: 0 });
});

test('a one-shot query during a drain gets its one line', async () => {
  const { bridge, connect, server } = await serve(answerByHand);
  const wire = await connect();
  wire.send(query(1));
  const asked = await bridge.next();
  const drained = server.drain(60_000);
  wire.send(query());
  expect(await wire.line()).toMatchObject({ code: 'shutting_down', sources: [] });
  asked.answer();
  expect(await wire.rest()).toHaveLength(1);
  wire.socket.end();
  await drained;
});

test('a drain whose deadline passes fails what is left, each query with its one line', async () => {
  const { bridge, connect, server } = await serve(answerByHand, { limits: { maxInFlight: 1 } });
  const wire = await connect();
  wire.send('ping', query(1), query(2));
  await wire.line();
  const asked = await bridge.next();
  await server.drain(20);
  const codes = (await wire.rest()).map((line) => [line.id, line.code]);
  expect(codes).toEqual([
    [1, 'shutting_down'],
    [2, 'shutting_down'],
  ]);
  expect(asked.detached).toBe(true);
});

test('close ends a drain and every connection now, and may be called twice', async () => {
  const { bridge, connect, server } = await serve(answerByHand);
  const wire = await connect();
  wire.send(query(1));
  await bridge.next();
  const drained = server.drain(600_000);
  await Promise.all([server.close(), server.close()]);
  expect(await wire.rest()).toEqual([]);
  await drained;
});

test('a server without connections drains at once', async () => {
  const { server } = await serve();
  await server.drain(600_000);
});
