import { describe, expect, test } from 'vitest';
import { answerByHand, HandClock, serve, watchful } from './support.js';

const query = (id: number, more = {}) => ({ type: 'query', id, question: `q${id}`, ...more });

describe('the connection cap', () => {
  test('turns one more client away with one clear line, and serves the next when one left', async () => {
    const { connect, server } = await serve(undefined, { limits: { maxConnections: 2 } });
    const [first, second] = [await connect(), await connect()];
    first.send('ping');
    second.send('ping');
    await Promise.all([first.line(), second.line()]);
    const third = await connect();
    third.send({ type: 'query', question: 'q' });
    expect(await third.rest()).toEqual([
      expect.objectContaining({ type: 'error', code: 'busy', retryable: true, sources: [] }),
    ]);
    expect(server.stats().connections).toMatchObject({ open: 2, max: 2, refused: 1 });
    first.socket.destroy();
    await expect.poll(() => server.stats().connections).toMatchObject({ open: 1 });
    const fourth = await connect();
    fourth.send('ping');
    expect(await fourth.line()).toEqual({ type: 'pong' });
  });

  test('holds against a flood of clients', async () => {
    const { connect, server } = await serve(undefined, { limits: { maxConnections: 4 } });
    const wires = await Promise.all(Array.from({ length: 200 }, connect));
    for (const wire of wires.slice(4)) wire.socket.destroy();
    await expect
      .poll(() => server.stats().connections)
      .toMatchObject({ accepted: 4, refused: 196, open: 4 });
  });
});

describe('a client', () => {
  test('that connects and leaves without a byte is neither logged nor counted as an error', async () => {
    const { connect, log, server } = await serve();
    for (let i = 0; i < 20; i += 1) {
      const probe = await connect();
      probe.socket.end();
      await probe.rest();
    }
    await expect.poll(() => server.stats().connections).toMatchObject({ accepted: 20, open: 0 });
    expect(server.stats()).toMatchObject({ errors: {}, bad_lines: 0, connections: { expired: 0 } });
    expect(log.filter((line) => JSON.parse(line).level > 20)).toEqual([]);
  });

  test('that resets in the middle of a query hurts nobody', async () => {
    const { bridge, connect, server } = await serve(answerByHand);
    const wire = await connect();
    wire.send(query(1, { stream: true }));
    const asked = await bridge.next();
    wire.socket.resetAndDestroy();
    await expect.poll(() => server.stats().connections).toMatchObject({ open: 0 });
    asked.listener.delta?.('late');
    asked.answer('late');
    const neighbour = await connect();
    neighbour.send('ping');
    expect(await neighbour.line()).toEqual({ type: 'pong' });
  });

  test('that is gone has its queries cancelled or finished, as each asked for', async () => {
    const { bridge, connect } = await serve(answerByHand);
    const wire = await connect();
    wire.send(
      query(1),
      query(2, { on_disconnect: 'cancel' }),
      query(3, { on_disconnect: 'finish' }),
    );
    const all = [await bridge.next(), await bridge.next(), await bridge.next()];
    wire.socket.resetAndDestroy();
    await expect
      .poll(() => all.map(({ cancelled, detached }) => [cancelled, detached]))
      .toEqual([
        [false, true],
        [true, false],
        [false, true],
      ]);
  });

  test('that says quit gets its last replies and the end', async () => {
    const { bridge, connect } = await serve(answerByHand);
    const wire = await connect();
    wire.send(query(1), 'quit', 'ping');
    (await bridge.next()).answer();
    expect((await wire.rest()).map((line) => line.type)).toEqual(['response']);
  });

  test('that closed its half gets all of its replies, then the end', async () => {
    const { bridge, connect } = await serve(answerByHand);
    const wire = await connect();
    wire.socket.end(`${JSON.stringify(query(1))}\n${JSON.stringify(query(2))}\nping`);
    const [first, second] = [await bridge.next(), await bridge.next()];
    expect(await wire.line()).toEqual({ type: 'pong' });
    second.answer();
    first.answer();
    expect((await wire.rest()).map((line) => line.id)).toEqual([2, 1]);
    wire.socket.destroy();
  });
});

describe('a connection is closed', () => {
  test('when no valid line comes in 30 s, but not when it is idle after one', async () => {
    const clock = new HandClock();
    const { connect, server } = await serve(undefined, { clock, limits: watchful });
    const idle = await connect();
    idle.send('ping');
    expect(await idle.line()).toEqual({ type: 'pong' });
    const [silent, useless] = [await connect(), await connect()];
    useless.send({ type: 'nonsense' });
    expect(await useless.line()).toMatchObject({ code: 'bad_request' });
    await clock.advance(31_000);
    expect(await silent.rest()).toEqual([expect.objectContaining({ code: 'timeout' })]);
    expect(await useless.rest()).toEqual([expect.objectContaining({ code: 'timeout' })]);
    idle.send('ping');
    expect(await idle.line()).toEqual({ type: 'pong' });
    expect(server.stats().connections).toMatchObject({ expired: 2 });
  });

  test('when a line that has begun does not end in time', async () => {
    const { connect } = await serve(undefined, { limits: { partialLineMs: 80 } });
    const wire = await connect();
    wire.send('ping');
    await wire.line();
    wire.socket.write('{"type":');
    expect(await wire.rest()).toEqual([expect.objectContaining({ code: 'timeout' })]);
  });

  test('when its client keeps the other half open after ours', async () => {
    const { connect } = await serve(undefined, { limits: { lingerMs: 50 } });
    const wire = await connect();
    wire.send({ type: 'query', question: 'q' });
    expect(await wire.rest()).toHaveLength(1);
    // Our half is still open and sends: only the server can end this.
    const sending = setInterval(() => wire.socket.write('x\n'), 5);
    await wire.close();
    clearInterval(sending);
  });
});
