import { rmSync, writeFileSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Clock } from '../../../src/clock.js';
import { createExtractEngine } from '../../../src/engines/extract/index.js';
import { Slices } from '../../../src/engines/extract/slices.js';
import type { Engine, EngineSession, TurnEvent } from '../../../src/engines/index.js';
import { contextFile, counted, parseSource } from './support.js';

const BIG = Array.from({ length: 40_000 }, (_, n) => `- Item ${n} has the code x${n * 7}.`).join(
  '\n',
);

function open(engine: Engine): Promise<EngineSession> {
  const { signal } = new AbortController();
  return engine.open({ context: undefined, sticky: undefined, signal });
}

const quiet = () => {};

describe('a turn', () => {
  test('answers with the lines that hold the answer, and its deltas join to it', async () => {
    const session = await open(createExtractEngine());
    const context = await contextFile(
      '# Notes\n\nThe bridge listens on port 9999.\n\nOther text.\n',
    );
    const events: TurnEvent[] = [];
    const result = await session.turn({ question: 'Which port?', context }, (event) =>
      events.push(event),
    );
    expect(result).toMatchObject({
      answer: 'The bridge listens on port 9999.',
      sources: ['doc.md:3-3'],
      model: 'extract',
    });
    const deltas = events.map((event) => (event.type === 'delta' ? event.text : ''));
    expect(deltas.join('')).toBe(result.answer);
  });

  test('without a context fails with the next step', async () => {
    const session = await open(createExtractEngine());
    await expect(session.turn({ question: 'x', context: undefined }, quiet)).rejects.toMatchObject({
      code: 'context_missing',
      message: expect.stringContaining('--context'),
    });
  });

  test('sees an edited file as it is now', async () => {
    const session = await open(createExtractEngine());
    const before = await contextFile('The port is 1111.\n');
    await session.turn({ question: 'port', context: before }, quiet);
    writeFileSync(before.path, 'The port is 2222.\n');
    const after = { ...before, identity: `${before.identity}, edited` };
    expect((await session.turn({ question: 'port', context: after }, quiet)).answer).toContain(
      '2222',
    );
  });

  test('on a file that cannot be read fails, and the next one works', async () => {
    const session = await open(createExtractEngine());
    const context = await contextFile('The port is 1111.\n');
    rmSync(context.path);
    await expect(session.turn({ question: 'port', context }, quiet)).rejects.toMatchObject({
      code: 'context_missing',
    });
    writeFileSync(context.path, 'The port is 1111.\n');
    expect((await session.turn({ question: 'port', context }, quiet)).sources).toEqual([
      'doc.md:1-1',
    ]);
  });

  test.each([
    ['empty', ''],
    ['one newline', '\n'],
    ['only NUL bytes', '\0'.repeat(100_000)],
    ['invalid UTF-8', Buffer.from([0xff, 0xfe, 0x80, 0x0a, 0xc3, 0x28, 0x0a])],
    ['one line of 16 MiB', Buffer.alloc(16 * 1024 * 1024, 'lorem ipsum dolor ')],
    ['one word of 4 MiB', Buffer.alloc(4 * 1024 * 1024, 'a')],
    ['a million blank lines', Buffer.alloc(1_000_000, '\n')],
  ])('on a file that is %s gives a normal answer', async (_, bytes) => {
    const session = await open(createExtractEngine());
    const context = await contextFile(bytes);
    const { answer, sources } = await session.turn({ question: 'ipsum port', context }, quiet);
    expect(answer.length).toBeLessThan(10_000);
    for (const source of sources) expect(parseSource(source).to).toBe(1);
  });

  test.each([
    ['40,000 characters', `${'word '.repeat(8000)} port`],
    ['a megabyte', `${'\u{1f600} abc-def/ghi '.repeat(60_000)} port`],
    ['another language', '¿Qué puerto usa el puente? 포트 번호 ポート port'],
    ['points', `${'.'.repeat(500_000)}x port`],
    ['one word', `${'_'.repeat(500_000)}x port`],
    ['Chinese', `${'端口'.repeat(20_000)} port`],
    ['code', 'SELECT port FROM x WHERE y = "\\"; --'],
  ])('with a question of %s answers', async (_, question) => {
    const session = await open(createExtractEngine());
    const context = await contextFile('# N\n\nThe port is 9999.\n\nNothing else.\n');
    expect((await session.turn({ question, context }, quiet)).answer).toContain('9999');
  });
});

describe('an index', () => {
  test('is built once for questions that come together and for those after', async () => {
    const engine = createExtractEngine();
    const context = counted(await contextFile('The port is 1111.\n'));
    const sessions = await Promise.all(Array.from({ length: 8 }, () => open(engine)));
    await Promise.all(sessions.map((each) => each.turn({ question: 'port', context }, quiet)));
    await sessions[0]?.turn({ question: 'port', context }, quiet);
    expect(context.reads).toBe(1);
  });

  test('is forgotten when others need the memory, least recently used first', async () => {
    const session = await open(createExtractEngine({ cacheBytes: 60_000 }));
    const text = 'The port is 1111. '.repeat(200);
    const files = await Promise.all(
      Array.from({ length: 12 }, async (_, n) => counted(await contextFile(text, `f${n}.md`))),
    );
    const first = files[0];
    if (first === undefined) throw new Error('no file');
    for (const context of files) {
      await session.turn({ question: 'port', context }, quiet);
      await session.turn({ question: 'port', context: first }, quiet);
    }
    expect(first.reads).toBe(1);
    const [, second] = files;
    await session.turn({ question: 'port', context: second }, quiet);
    expect(second?.reads).toBe(2);
  });

  test('too big to keep still answers', async () => {
    const session = await open(createExtractEngine({ cacheBytes: 1000 }));
    const context = counted(await contextFile(BIG));
    for (let n = 1; n <= 2; n++) {
      const { sources } = await session.turn(
        { question: 'Which code has item 77?', context },
        quiet,
      );
      expect(sources[0]).toBe('doc.md:78-78');
      expect(context.reads).toBe(n);
    }
  });

  test('of a large file leaves the event loop many turns, and says once that it works', async () => {
    const session = await open(createExtractEngine());
    const context = await contextFile(BIG);
    const events: TurnEvent[] = [];
    const turn = session.turn({ question: 'code of item 5', context }, (event) =>
      events.push(event),
    );
    let done = false;
    turn.then(() => {
      done = true;
    });
    let turns = 0;
    while (!done) {
      await nextTurn();
      turns++;
    }
    expect(turns).toBeGreaterThan(5);
    expect(events.filter(({ type }) => type === 'progress').length).toBe(1);
    expect(events[0]?.type).toBe('progress');
  });

  test('lets a small file be answered before a large one is ready', async () => {
    const engine = createExtractEngine();
    const [large, small] = await Promise.all([
      contextFile(BIG.repeat(4)),
      contextFile('A port.\n'),
    ]);
    const order: string[] = [];
    const [one, other] = await Promise.all([open(engine), open(engine)]);
    await Promise.all([
      one.turn({ question: 'port', context: large }, quiet).then(() => order.push('large')),
      other.turn({ question: 'port', context: small }, quiet).then(() => order.push('small')),
    ]);
    expect(order).toEqual(['small', 'large']);
  });
});

describe('stopping', () => {
  test('a turn cancelled while its index is built rejects, and nothing is emitted after', async () => {
    const session = await open(createExtractEngine());
    const context = await contextFile(BIG);
    const events: TurnEvent[] = [];
    const turn = session.turn({ question: 'item', context }, (event) => events.push(event));
    session.cancel();
    await expect(turn).rejects.toMatchObject({ code: 'cancelled' });
    const before = events.length;
    expect(
      (await session.turn({ question: 'item 3', context }, quiet)).sources.length,
    ).toBeGreaterThan(0);
    expect(events.length).toBe(before);
  });

  test('one who cancels does not stop the build others wait for', async () => {
    const engine = createExtractEngine();
    const context = counted(await contextFile(BIG));
    const [one, other] = await Promise.all([open(engine), open(engine)]);
    const left = one.turn({ question: 'item', context }, quiet);
    const stays = other.turn({ question: 'code of item 9', context }, quiet);
    one.cancel();
    await expect(left).rejects.toMatchObject({ code: 'cancelled' });
    expect((await stays).sources[0]).toBe('doc.md:10-10');
    expect(context.reads).toBe(1);
  });

  test('close ends a running turn, may be called twice, and says how it ended', async () => {
    const session = await open(createExtractEngine());
    const context = await contextFile(BIG);
    const turn = session.turn({ question: 'item', context }, quiet);
    const rejected = expect(turn).rejects.toMatchObject({ code: 'cancelled' });
    await session.close();
    await session.close();
    await rejected;
    expect(await session.closed).toEqual({ how: 'closed' });
    await expect(session.turn({ question: 'x', context }, quiet)).rejects.toMatchObject({
      code: 'cancelled',
    });
  });

  test('a session nobody waits for any more is not opened', async () => {
    const signal = AbortSignal.abort();
    const opened = createExtractEngine().open({ context: undefined, sticky: undefined, signal });
    await expect(opened).rejects.toMatchObject({ code: 'cancelled' });
  });
});

describe('slices', () => {
  /** A clock on which every look takes one millisecond. */
  function ticking(): Clock {
    let now = 0;
    return { monotonicMs: () => now++, wallUs: () => 0 };
  }

  function* steps(count: number, log: string[], name: string): Generator<undefined, string> {
    for (let n = 0; n < count; n++) {
      log.push(name);
      yield undefined;
    }
    return name;
  }

  test('take turns, so that work which needs little is not behind work which needs much', async () => {
    const slices = new Slices(ticking());
    const log: string[] = [];
    const { signal } = new AbortController();
    const long = slices.run(steps(1000, log, 'long'), signal);
    const short = slices.run(steps(3, log, 'short'), signal);
    expect(await short).toBe('short');
    expect(log.length).toBeLessThan(20);
    expect(await long).toBe('long');
    expect(log.length).toBe(1003);
  });

  test('stop at an abort and pass on what the work throws', async () => {
    const slices = new Slices(ticking());
    const abort = new AbortController();
    const log: string[] = [];
    const stopped = slices.run(steps(1000, log, 'x'), abort.signal);
    abort.abort(new Error('enough'));
    await expect(stopped).rejects.toThrow('enough');
    expect(log).toEqual([]);
    function* broken(): Generator<undefined, never> {
      yield undefined;
      throw new Error('broken');
    }
    await expect(slices.run(broken(), new AbortController().signal)).rejects.toThrow('broken');
  });
});
