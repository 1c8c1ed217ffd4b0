/** What every engine adapter keeps, `src/engines/engine.ts`; run once over each of them. */
import { afterEach, expect, test } from 'vitest';
import type { ContextFile } from '../../src/context/index.js';
import type { Engine, EngineSession, TurnEvent } from '../../src/engines/index.js';

export interface EngineSubject {
  create(): Promise<Engine> | Engine;
  /** Where the answers are, for engines that need one. */
  context(): Promise<ContextFile | undefined> | ContextFile | undefined;
  /** A question that is answered. */
  readonly question: string;
  /** A question whose turn goes on until it is cancelled, where the engine has such turns. */
  readonly endless?: string;
  /** A question answered in several deltas, where the engine streams. */
  readonly streamed?: string;
  /** A question whose turn takes the session down, where that can be asked for. */
  readonly deadly?: string;
}

const never = new AbortController().signal;

export function engineContract(name: string, subject: EngineSubject): void {
  const opened: EngineSession[] = [];
  const engines: Engine[] = [];

  afterEach(async () => {
    await Promise.all(opened.splice(0).map((session) => session.close()));
    await Promise.all(engines.splice(0).map((engine) => engine.close()));
  });

  async function setUp() {
    const engine = await subject.create();
    engines.push(engine);
    const context = await subject.context();
    const session = await engine.open({ context, sticky: undefined, signal: never });
    opened.push(session);
    const ask = (question: string, emit: (event: TurnEvent) => void = () => {}) =>
      session.turn({ question, context }, emit);
    return { engine, session, context, ask };
  }

  test(`${name}: a turn answers with text, sources and the model that reports name`, async () => {
    const { engine, ask } = await setUp();
    const result = await ask(subject.question);
    expect(result.answer).not.toBe('');
    expect(result.model).toBe(engine.model);
    for (const source of result.sources) expect(source).toMatch(/^.+:[1-9]\d*-[1-9]\d*$/);
  });

  test(`${name}: one session answers turn after turn, with a reset between them`, async () => {
    const { session, ask } = await setUp();
    const first = await ask(subject.question);
    await session.reset();
    const second = await ask(subject.question);
    expect(second.answer).toBe(first.answer);
  });

  test(`${name}: the deltas of a turn, joined, are its answer`, async () => {
    const { ask } = await setUp();
    let text = '';
    let deltas = 0;
    const result = await ask(subject.streamed ?? subject.question, (event) => {
      if (event.type !== 'delta') return;
      deltas += 1;
      text += event.text;
    });
    if (subject.streamed !== undefined) expect(deltas).toBeGreaterThan(1);
    if (deltas > 0) expect(text).toBe(result.answer);
  });

  test(`${name}: nothing is emitted once a turn is over`, async () => {
    const { session, ask } = await setUp();
    let isOver = false;
    let late = 0;
    await ask(subject.streamed ?? subject.question, () => {
      if (isOver) late += 1;
    });
    isOver = true;
    await session.reset();
    await ask(subject.question);
    expect(late).toBe(0);
  });

  test(`${name}: cancel, reset and close do no harm when no turn runs`, async () => {
    const { session, ask } = await setUp();
    session.cancel();
    await session.reset();
    session.cancel();
    await expect(ask(subject.question)).resolves.toHaveProperty('answer');
    await session.close();
    session.cancel();
    await session.close();
  });

  test(`${name}: closing a session says so once, as closed`, async () => {
    const { session } = await setUp();
    await session.close();
    await session.close();
    await expect(session.closed).resolves.toEqual({ how: 'closed' });
  });

  test(`${name}: a session nobody waits for any more is not opened`, async () => {
    const { engine, context } = await setUp();
    const signal = AbortSignal.abort(new Error('nobody waits'));
    await expect(engine.open({ context, sticky: undefined, signal })).rejects.toThrow();
  });

  test(`${name}: sessions of one engine work side by side`, async () => {
    const { engine, context } = await setUp();
    const open = () => engine.open({ context, sticky: undefined, signal: never });
    const sessions = await Promise.all([open(), open(), open()]);
    opened.push(...sessions);
    const answers = await Promise.all(
      sessions.map((session) => session.turn({ question: subject.question, context }, () => {})),
    );
    expect(new Set(answers.map(({ answer }) => answer)).size).toBe(1);
  });

  test(`${name}: its status is known without asking a model`, async () => {
    const { engine } = await setUp();
    const { auth, limit } = engine.status();
    expect(['ok', 'failed', 'unknown']).toContain(auth);
    expect(['ok', 'limited']).toContain(limit.state);
  });

  const { endless, deadly } = subject;

  if (endless !== undefined) {
    test(`${name}: a cancelled turn rejects as cancelled and its session answers on`, async () => {
      const { session, ask } = await setUp();
      const turn = ask(endless);
      session.cancel();
      session.cancel();
      await expect(turn).rejects.toMatchObject({ code: 'cancelled' });
      await session.reset();
      await expect(ask(subject.question)).resolves.toHaveProperty('answer');
    });

    test(`${name}: a session closed during a turn leaves no turn hanging`, async () => {
      const { session, ask } = await setUp();
      const turn = ask(endless);
      await session.close();
      await expect(turn).rejects.toThrow();
      await expect(session.closed).resolves.toEqual({ how: 'closed' });
    });
  }

  if (deadly !== undefined) {
    test(`${name}: a session that dies in a turn fails the turn and says why it ended`, async () => {
      const { session, ask } = await setUp();
      await expect(ask(deadly)).rejects.toMatchObject({ code: 'engine_error' });
      await expect(session.closed).resolves.toMatchObject({ how: 'died' });
      await session.close();
    });
  }
}
