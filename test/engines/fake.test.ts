import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ContextFile } from '../../src/context/index.js';
import { FakeEngine, type FakeOptions } from '../../src/engines/fake/index.js';
import { parseScript } from '../../src/engines/fake/script.js';
import { engineContract } from '../contract/engine.suite.js';
import { FakeClock, settled } from '../support/fake-clock.js';

const context: ContextFile = {
  name: 'notes/RESUME.md',
  path: '/nowhere/notes/RESUME.md',
  identity: '1',
  sizeBytes: 1,
  read: async () => Buffer.from('x'),
};

for (const [name, options] of Object.entries({
  'fake at once': {},
  'fake that takes time': { delayMs: 2, openDelayMs: 2, resetDelayMs: 2 },
  'fake that binds to a context': { binds: 'context' },
} satisfies Record<string, FakeOptions>)) {
  describe(name, () => {
    engineContract(name, {
      create: () => new FakeEngine(options),
      context: () => context,
      question: 'What is a warm session?',
      streamed: '!fake deltas=4 What is a warm session?',
      endless: '!fake silent',
      deadly: '!fake crash',
    });
  });
}

async function open(options: FakeOptions = {}) {
  const clock = new FakeClock();
  const engine = new FakeEngine({ after: clock.after, ...options });
  const signal = new AbortController().signal;
  const session = await engine.open({ context: undefined, sticky: undefined, signal });
  const ask = (question: string) => session.turn({ question, context: undefined }, () => {});
  return { clock, engine, session, ask };
}

test('without a script it repeats the question and cites the first line of the context', async () => {
  const { session } = await open();
  const result = await session.turn({ question: 'Why?', context }, () => {});
  expect(result).toMatchObject({ answer: 'fake: Why?', sources: ['notes/RESUME.md:1-1'] });
});

test('a turn without a delay sets no timer', async () => {
  const { clock, ask } = await open();
  const turn = ask('Why?');
  expect(clock.pending).toBe(0);
  await expect(turn).resolves.toHaveProperty('answer', 'fake: Why?');
});

test('a delay holds the answer back for just as long', async () => {
  const { clock, ask } = await open();
  let answered = false;
  const turn = ask('!fake delay=200 Why?').then(() => {
    answered = true;
  });
  await clock.advance(199);
  expect(answered).toBe(false);
  await clock.advance(1);
  await turn;
});

test('history lists what the session was asked since it was last reset', async () => {
  const { session, ask } = await open();
  await ask('one');
  await ask('two');
  expect(JSON.parse((await ask('!fake history')).answer)).toEqual(['one', 'two']);
  session.reset();
  expect((await ask('!fake history')).answer).toBe('[]');
});

test('an error is raised with the code and the time that were asked for', async () => {
  const { ask } = await open();
  await expect(ask('!fake error=engine_limit retry_after_ms=7000')).rejects.toMatchObject({
    code: 'engine_limit',
    retryAfterMs: 7000,
  });
  await expect(ask('!fake throw')).rejects.toThrow(TypeError);
});

test('size and flood answer with exactly as many characters', async () => {
  const { session, ask } = await open();
  expect((await ask('!fake size=12345')).answer).toHaveLength(12_345);
  let text = '';
  const result = await session.turn({ question: '!fake flood=200000', context }, (event) => {
    if (event.type === 'delta') text += event.text;
  });
  expect(result.answer).toHaveLength(200_000);
  expect(text === result.answer).toBe(true);
});

test('late answers after it was cancelled, deaf never does', async () => {
  const { clock, session, ask } = await open();
  const late = ask('!fake late=50 Why?');
  session.cancel();
  session.cancel();
  await clock.advance(50);
  await expect(late).resolves.toHaveProperty('answer', 'fake: Why?');

  const deaf = ask('!fake deaf');
  session.cancel();
  await clock.advance(100_000);
  expect(await Promise.race([deaf, settled().then(() => 'still silent')])).toBe('still silent');
  await session.close();
  await expect(deaf).rejects.toThrow('ended');
  expect(clock.pending).toBe(0);
});

test('twice goes on talking when its turn is over, die ends the session after its answer', async () => {
  const { clock, session, ask } = await open();
  const texts: string[] = [];
  await session.turn({ question: '!fake twice Why?', context }, (event) => {
    if (event.type === 'delta') texts.push(event.text);
  });
  expect(texts).toEqual([]);
  await clock.advance(1);
  expect(texts).toEqual(['fake: Why?']);

  await expect(ask('!fake die')).resolves.toHaveProperty('answer');
  await clock.advance(1);
  await expect(session.closed).resolves.toMatchObject({ how: 'died' });
});

test('opens fail as often as they were told to', async () => {
  const engine = new FakeEngine({ openFailures: 2 });
  const options = { context, sticky: undefined, signal: new AbortController().signal };
  await expect(engine.open(options)).rejects.toMatchObject({ code: 'engine_unavailable' });
  await expect(engine.open(options)).rejects.toMatchObject({ code: 'engine_unavailable' });
  await expect(engine.open(options)).resolves.toHaveProperty('pids', []);
});

test('an open that nobody waits for stops and leaves no timer', async () => {
  const clock = new FakeClock();
  const engine = new FakeEngine({ openDelayMs: 1_000, after: clock.after });
  const controller = new AbortController();
  const { signal } = controller;
  const opening = engine.open({ context, sticky: undefined, signal });
  controller.abort(new Error('nobody waits'));
  await expect(opening).rejects.toThrow('nobody waits');
  expect(clock.pending).toBe(0);
});

test('whatever stands in a question, the script is read without an error and within its limits', () => {
  const word = fc.constantFrom(
    'delay',
    'deltas',
    'size',
    'flood',
    'late',
    'error',
    'reset',
    'echo',
  );
  const part = fc.oneof(
    fc.string(),
    fc
      .tuple(word, fc.oneof(fc.string(), fc.double().map(String), fc.integer().map(String)))
      .map(([name, value]) => `${name}=${value}`),
  );
  fc.assert(
    fc.property(fc.array(part), (parts) => {
      const script = parseScript(`!fake ${parts.join(' ')}`, { delayMs: 0, deltas: 0 });
      expect(script?.delayMs).toBeGreaterThanOrEqual(0);
      expect(script?.delayMs).toBeLessThanOrEqual(3_600_000);
      expect(script?.floodChars).toBeLessThanOrEqual(64 * 1024 * 1024);
    }),
  );
});

test('only a question that begins with the word is a script', () => {
  const defaults = { delayMs: 0, deltas: 0 };
  expect(parseScript('What is !fake delay=1', defaults)).toBeUndefined();
  expect(parseScript('!fakery delay=1', defaults)).toBeUndefined();
  expect(parseScript('!fake delay=5 delayed=1 why', defaults)).toMatchObject({
    delayMs: 5,
    question: 'delayed=1 why',
  });
});

test('a script for one fake is read by no other: that one answers as usual', async () => {
  const answers = ['primary', 'spare'].map(async (name) => {
    const engine = new FakeEngine({ name });
    const session = await engine.open({
      context: undefined,
      sticky: undefined,
      signal: new AbortController().signal,
    });
    const question = '!fake on=primary error=engine_limit Why?';
    const turn = session.turn({ question, context: undefined }, () => {});
    return turn.then(
      ({ answer }) => answer,
      ({ code }) => code,
    );
  });
  expect(await Promise.all(answers)).toEqual(['engine_limit', 'fake: Why?']);
});
