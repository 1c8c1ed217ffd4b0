import { describe, expect, test } from 'vitest';
import { answerByHand, HandClock, serve, Wire, watchful } from './support.js';

const query = (id: number) => ({ type: 'query', id, question: `q${id}` });

describe('many queries on one connection', () => {
  test('are in flight 64 at a time; the next waits for a free slot', async () => {
    const { bridge, connect } = await serve(answerByHand);
    const wire = await connect();
    wire.send(...Array.from({ length: 66 }, (_, id) => query(id)), { type: 'ping', id: 'p' });
    const first = await bridge.next();
    const others = [first];
    while (others.length < 64) others.push(await bridge.next());
    // Proof that 65 is held, without waiting: another connection is served in the meantime.
    const neighbour = await connect();
    neighbour.send('ping');
    await neighbour.line();
    expect(bridge.asked).toHaveLength(64);
    others[7]?.answer();
    expect(await wire.line()).toMatchObject({ type: 'response', id: 7 });
    expect((await bridge.next()).query.question).toBe('q64');
    expect(bridge.asked).toHaveLength(65);
    for (const asked of bridge.asked.slice(0, 2)) asked.answer();
    const lines = await wire.lines(3);
    expect(lines.map((line) => line.id)).toEqual([0, 1, 'p']);
    expect(bridge.asked).toHaveLength(66);
  });

  test('10,000 pipelined are all answered, never more than 64 at once', async () => {
    let inFlight = 0;
    let most = 0;
    const { connect } = await serve((asked) => {
      inFlight += 1;
      most = Math.max(most, inFlight);
      setImmediate(() => {
        inFlight -= 1;
        asked.answer();
      });
    });
    const wire = await connect();
    wire.send(...Array.from({ length: 10_000 }, (_, id) => query(id)));
    const ids = (await wire.lines(10_000)).map((line) => line.id);
    expect(new Set(ids).size).toBe(10_000);
    expect(most).toBe(64);
  });

  test('beyond the slots, whose client closed its half, are still answered', async () => {
    const { connect } = await serve(undefined, { limits: { maxInFlight: 3 } });
    const wire = await connect();
    const lines = Array.from({ length: 50 }, (_, id) => JSON.stringify(query(id)));
    wire.socket.end(lines.join('\n'));
    expect(await wire.rest()).toHaveLength(50);
  });
});

describe('a client that does not read its replies', () => {
  test('is not read from until it does, and then gets every one of them', async () => {
    const { connect, server } = await serve();
    const wire = await connect();
    const total = 400_000;
    const ping = (id: number) => `{"type":"ping","id":"${String(id).padStart(100, '0')}"}\n`;
    wire.socket.pause();
    for (let id = 0; id < total; id += 1000) {
      wire.socket.write(Array.from({ length: 1000 }, (_, i) => ping(id + i)).join(''));
    }
    // Neighbours are served, and tell when the server has stopped handling this one's lines.
    const neighbour = await connect();
    let seen = -1;
    for (let now = 0; now !== seen; ) {
      seen = now;
      for (let i = 0; i < 50; i += 1) {
        neighbour.send('ping');
        await neighbour.line();
      }
      now = Number(server.stats().lines) - Number(neighbour.bytes) / '{"type":"pong"}\n'.length;
    }
    expect(seen).toBeLessThan(total);
    wire.socket.resume();
    const lines = await wire.lines(total);
    expect(lines.every((line, id) => Number(line.id) === id)).toBe(true);
  });

  test('is kept as long as it takes some of them, and dropped 30 s after it took the last', async () => {
    const clock = new HandClock();
    const { bridge, connect, server, log } = await serve(answerByHand, { clock, limits: watchful });
    const wire = await connect();
    wire.send(query(1), query(2));
    (await bridge.next()).answer('x'.repeat(60_000_000));
    const unanswered = await bridge.next();
    for (let taken = 4_000_000; taken <= 32_000_000; taken += 4_000_000) {
      await wire.take(taken);
      await clock.advance(10_000);
    }
    expect(server.stats().connections).toMatchObject({ open: 1, expired: 0 });
    await clock.advance(10_000);
    await clock.advance(31_000);
    await expect.poll(() => server.stats().connections).toMatchObject({ open: 0, expired: 1 });
    expect(unanswered.detached).toBe(true);
    expect(log.join('')).toContain('it takes none of its replies');
  });

  test('is dropped when more waits for it than the cap', async () => {
    const { bridge, connect, server } = await serve(answerByHand, {
      limits: { maxWaitingBytes: 20_000_000 },
    });
    const wire = await connect();
    wire.send(query(1), query(2));
    wire.socket.pause();
    const [first, second] = [await bridge.next(), await bridge.next()];
    first.answer('x'.repeat(15_000_000));
    second.answer('x'.repeat(15_000_000));
    await expect.poll(() => server.stats().connections).toMatchObject({ open: 0, flooded: 1 });
  });

  test('is dropped, the one with the most first, when more waits for all of them than the cap', async () => {
    const { bridge, connect, server } = await serve(answerByHand, {
      limits: { maxAllWaitingBytes: 30_000_000 },
    });
    const sizes = [12_000_000, 20_000_000, 11_000_000];
    const wires = [];
    for (const size of sizes) {
      const wire = await connect();
      wire.socket.pause();
      wire.send({ type: 'query', question: 'long' });
      (await bridge.next()).answer('x'.repeat(size));
      wires.push(wire);
    }
    await expect.poll(() => server.stats().connections).toMatchObject({ flooded: 1 });
    for (const [index, wire] of wires.entries()) {
      wire.socket.resume();
      if (index !== 1) expect((await wire.rest())[0].answer).toHaveLength(sizes[index] ?? 0);
    }
  });

  test('is dropped once, and no more of them than make room, when they are answered together', async () => {
    const { bridge, connect, server, log } = await serve(answerByHand, {
      limits: { maxAllWaitingBytes: 30_000_000 },
    });
    const all = [];
    for (let each = 0; each < 6; each += 1) {
      const wire = await connect();
      wire.socket.pause();
      wire.send({ type: 'query', question: 'long' });
      all.push(await bridge.next());
    }
    for (const asked of all) asked.answer('x'.repeat(12_000_000));
    await expect.poll(() => server.stats().connections).toMatchObject({ open: 2, flooded: 4 });
    expect(log.join('').match(/pile up unread/g)).toHaveLength(4);
  });

  test('gets a single answer of 10 MB when it reads late', async () => {
    const { bridge, connect } = await serve(answerByHand);
    const wire = await connect();
    wire.socket.pause();
    wire.send({ type: 'query', question: 'long' });
    (await bridge.next()).answer('x'.repeat(10_000_000));
    const neighbour = await connect();
    neighbour.send('ping');
    await neighbour.line();
    wire.socket.resume();
    expect((await wire.rest())[0].answer).toHaveLength(10_000_000);
  });
});

test('a flood of reports does not keep a neighbour waiting for all of them', async () => {
  const { address, connect, server } = await serve();
  const flooder = await connect();
  flooder.send(...Array(2000).fill('health'));
  await flooder.line();
  const neighbour = await Wire.open(address.port);
  neighbour.send('ping');
  await neighbour.line();
  expect(Number(server.stats().lines)).toBeLessThan(2001);
  expect(await flooder.lines(1999)).toHaveLength(1999);
});
