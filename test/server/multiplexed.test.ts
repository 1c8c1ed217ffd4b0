import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fault } from '../../src/errors.js';
import { Reply } from '../../src/protocol/index.js';
import { answerByHand, type Line, serve } from './support.js';

const query = (id: unknown, more = {}) => ({ type: 'query', id, question: `q${id}`, ...more });

describe('queries with an id', () => {
  test('are answered in any order, each under its own id, on a connection that stays', async () => {
    const { bridge, connect } = await serve(answerByHand);
    const wire = await connect();
    wire.send(query('a'), query(1), query('1'));
    const [a, one, text] = [await bridge.next(), await bridge.next(), await bridge.next()];
    text.answer('text one');
    one.answer('number one');
    a.answer('letter');
    const lines = await wire.lines(3);
    expect(lines.map(({ id, answer }) => [id, answer])).toEqual([
      ['1', 'text one'],
      [1, 'number one'],
      ['a', 'letter'],
    ]);
    wire.send({ type: 'ping', id: 'z' });
    expect(await wire.line()).toEqual({ type: 'pong', id: 'z' });
  });

  test('carry every field of the reply that the bridge knows', async () => {
    const { bridge, connect } = await serve(answerByHand);
    const wire = await connect();
    wire.send(query('a', { request_id: 'r1' }));
    const asked = await bridge.next();
    asked.answer('yes', {
      usage: { input_tokens: 3, output_tokens: 4 },
      stopReason: 'end_turn',
      requestId: 'r1',
      elapsedMs: 12.3456789,
      firstByteMs: 3.5,
    });
    expect(Reply.parse(await wire.line())).toEqual({
      type: 'response',
      id: 'a',
      answer: 'yes',
      sources: ['A.md:1-2'],
      model: 'scripted-1',
      engine: 'scripted',
      session: 's1',
      elapsed_ms: 12.346,
      queued_ms: 0.25,
      first_byte_ms: 3.5,
      usage: { input_tokens: 3, output_tokens: 4 },
      stop_reason: 'end_turn',
      request_id: 'r1',
    });
  });

  test('reach the bridge with every field of the request', async () => {
    const { bridge, connect } = await serve();
    const wire = await connect();
    wire.send({
      type: 'query',
      id: 1,
      question: 'why?',
      context_file: 'A.md',
      session: 'key',
      model: 'm',
      timeout_ms: 1000,
      turn_timeout_ms: 500,
      priority: -3,
      request_id: 'r',
    });
    expect((await bridge.next()).query).toEqual({
      question: 'why?',
      contextFile: 'A.md',
      session: 'key',
      model: 'm',
      timeoutMs: 1000,
      turnTimeoutMs: 500,
      priority: -3,
      requestId: 'r',
    });
    await wire.line();
  });

  test('fail under their id with code, retry time and without an answer', async () => {
    const { bridge, connect } = await serve(answerByHand);
    const wire = await connect();
    wire.send(query('a'));
    const asked = await bridge.next();
    asked.fail(fault('busy', 'the queue is full', { retryAfterMs: 250 }));
    expect(await wire.line()).toEqual({
      type: 'error',
      id: 'a',
      code: 'busy',
      message: 'the queue is full',
      retryable: true,
      retry_after_ms: 250,
    });
  });

  test('must not share an id while one is in flight, and may use it again afterwards', async () => {
    const { bridge, connect } = await serve(answerByHand);
    const wire = await connect();
    wire.send(query('a'), query('a'));
    expect(await wire.line()).toMatchObject({ id: 'a', code: 'duplicate_id' });
    const first = await bridge.next();
    first.answer('first');
    expect(await wire.line()).toMatchObject({ answer: 'first' });
    wire.send(query('a'));
    const second = await bridge.next();
    second.answer('second');
    expect(await wire.line()).toMatchObject({ answer: 'second' });
  });

  test('get one terminal line even from a bridge that reports twice', async () => {
    const { bridge, connect } = await serve(answerByHand);
    const wire = await connect();
    wire.send(query('a', { stream: true }));
    const asked = await bridge.next();
    asked.answer('once');
    asked.answer('twice');
    asked.listener.delta?.('late');
    asked.fail(fault('timeout', 'late'));
    wire.send('ping');
    const types = (await wire.lines(3)).map((line) => line.type);
    expect(types).toEqual(['delta', 'response', 'pong']);
  });
});

describe('cancel', () => {
  test('stops the query with that id; its terminal line is the reply', async () => {
    const { bridge, connect } = await serve(answerByHand);
    const wire = await connect();
    wire.send(query('a'), { type: 'cancel', id: 'a' }, 'ping');
    expect(await wire.line()).toEqual({ type: 'pong' });
    const asked = await bridge.next();
    expect(asked.cancelled).toBe(true);
    asked.fail(fault('cancelled', 'cancelled by the asker'));
    expect(await wire.line()).toMatchObject({ type: 'error', id: 'a', code: 'cancelled' });
  });

  test('of an unknown or finished id is not_found', async () => {
    const { connect } = await serve();
    const wire = await connect();
    wire.send(query('a'));
    await wire.line();
    wire.send({ type: 'cancel', id: 'a' }, { type: 'cancel', id: 9 });
    expect(await wire.lines(2)).toEqual([
      expect.objectContaining({ id: 'a', code: 'not_found' }),
      expect.objectContaining({ id: 9, code: 'not_found' }),
    ]);
  });

  test('reaches only the own connection', async () => {
    const { bridge, connect } = await serve(answerByHand);
    const [mine, other] = [await connect(), await connect()];
    mine.send(query('a'));
    const asked = await bridge.next();
    other.send({ type: 'cancel', id: 'a' });
    expect(await other.line()).toMatchObject({ code: 'not_found' });
    expect(asked.cancelled).toBe(false);
  });
});

describe('a stream', () => {
  async function stream(chunks: string[], more = { stream: true }): Promise<Line[]> {
    const { bridge, connect } = await serve(answerByHand);
    const wire = await connect();
    wire.send(query('a', more));
    const asked = await bridge.next();
    asked.listener.accepted?.(2);
    asked.listener.progress?.({ stage: 'running', message: 'reading' });
    for (const chunk of chunks) asked.listener.delta?.(chunk);
    asked.answer(chunks.join('') || 'whole');
    const lines: Line[] = [];
    do lines.push(await wire.line());
    while (lines.at(-1)?.type !== 'response');
    return lines;
  }

  const deltas = (lines: Line[]) => lines.filter((line) => line.type === 'delta');

  test('tells position, progress and numbered deltas before the response', async () => {
    const lines = await stream(['par', 't']);
    expect(lines.map((line) => Reply.parse(line))).toEqual([
      { type: 'accepted', id: 'a', position: 2 },
      expect.objectContaining({ type: 'progress', stage: 'running', message: 'reading' }),
      { type: 'delta', id: 'a', seq: 0, text: 'par' },
      { type: 'delta', id: 'a', seq: 1, text: 't' },
      expect.objectContaining({ type: 'response', id: 'a', answer: 'part' }),
    ]);
  });

  test('has one delta with the answer when the engine sent none', async () => {
    expect(deltas(await stream([]))).toEqual([{ type: 'delta', id: 'a', seq: 0, text: 'whole' }]);
  });

  test('asked for as progress only has no delta', async () => {
    const types = (await stream(['x'], { progress: true } as never)).map((line) => line.type);
    expect(types).toEqual(['accepted', 'progress', 'response']);
  });

  test('not asked for has the response only', async () => {
    const types = (await stream(['x'], {} as never)).map((line) => line.type);
    expect(types).toEqual(['response']);
  });

  test('never splits a character: deltas decoded one by one, joined in order, are the answer', async () => {
    const { bridge, connect } = await serve(answerByHand);
    const wire = await connect();
    let id = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: 'binary', minLength: 1 }),
        fc.array(fc.nat(), { maxLength: 5 }),
        async (answer, cuts) => {
          id += 1;
          wire.send(query(id, { stream: true }));
          const asked = await bridge.next();
          const edges = [0, ...cuts.map((cut) => cut % answer.length), answer.length];
          edges.sort((a, b) => a - b);
          for (let i = 1; i < edges.length; i += 1) {
            asked.listener.delta?.(answer.slice(edges[i - 1], edges[i]));
          }
          asked.answer(answer);
          const texts: string[] = [];
          let line = await wire.line();
          for (; line.type === 'delta'; line = await wire.line()) {
            expect(line.seq).toBe(texts.length);
            texts.push(Buffer.from(line.text).toString());
          }
          expect(line.answer).toBe(answer);
          expect(texts.join('')).toBe(answer);
        },
      ),
    );
  });
});
