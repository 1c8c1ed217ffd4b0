/** Sessions of a `claude` that misbehaves in ways the real one cannot be made to. */
import { describe, expect, test } from 'vitest';
import type { TurnEvent } from '../../../src/engines/index.js';
import { engineContract } from '../../contract/engine.suite.js';
import { contextOf, isRunning, openSession, startEngine } from './harness.js';

engineContract('claude, stood in for', {
  create: startEngine,
  context: () => contextOf('The sky is green on Mars.'),
  question: 'What colour is the sky?',
  streamed: 'What is the colour of the sky?',
  endless: '[[endless]]',
  deadly: '[[exit]]',
});

async function open() {
  return openSession(await startEngine());
}

async function failure(promise: Promise<unknown>): Promise<{ code: string; message: string }> {
  return promise.then(
    () => expect.unreachable('it did not fail'),
    (error) => error,
  );
}

test('a process that exits without a result fails the turn, its last words shown and no secret', async () => {
  const { session, ask } = await open();
  const error = await failure(ask('[[exit]]'));
  expect(error.code).toBe('engine_error');
  expect(error.message).toContain('out of luck');
  expect(error.message).not.toContain('secret-123');
  expect(await session.closed).toMatchObject({ how: 'died' });
});

test('what a process said of one question is told to nobody but its asker', async () => {
  const first = await open();
  const mine = await failure(first.ask('[[exit]]'));
  expect(mine.message).toContain('it exited with code 3: fatal: out of luck');
  expect(await first.session.closed).toEqual({ how: 'died', reason: 'it exited with code 3' });
  const late = await failure(first.ask('Are you there?'));
  expect(late.message).not.toContain('out of luck');

  const second = await open();
  await second.ask('[[mutter]] MY-QUESTION');
  await second.session.reset();
  const theirs = await failure(second.ask('[[silent exit]]'));
  expect(theirs.message).toContain('it exited with code 4');
  expect(theirs.message).not.toContain('MY-QUESTION');
});

test('a process that exits as if all were well is no answer', async () => {
  const { session, ask } = await open();
  expect(await failure(ask('[[clean exit]]'))).toMatchObject({ code: 'engine_error' });
  expect(await session.closed).toMatchObject({ how: 'died' });
});

test('a process that answers and then does not clear is not called clear', async () => {
  const { session, ask } = await open();
  await expect(ask('[[hang on clear]] hello')).resolves.toHaveProperty('answer');
  const reset = failure(Promise.resolve(session.reset()));
  await session.close();
  expect(await reset).toMatchObject({ code: 'engine_error' });
});

test('a conversation that still holds something after it was cleared is not called clear', async () => {
  const { session, ask } = await open();
  await ask('[[remember]] the canary is yellow');
  await expect(session.reset()).rejects.toMatchObject({ code: 'engine_error' });
});

test('a process that stays in its conversation is not called clear', async () => {
  const engine = await startEngine();
  const { session, ask } = await openSession(engine, { context: contextOf('[[keeps all]]') });
  await ask('hello');
  await expect(session.reset()).rejects.toThrow('kept something');
});

test('a process that answers twice is heard once and never asked again', async () => {
  const { session, ask } = await open();
  expect((await ask('[[twice]] one')).answer).toBe('You asked: one');
  await expect(session.reset()).rejects.toMatchObject({ code: 'engine_error' });
});

test('the result of another question is not taken for the answer', async () => {
  const { ask } = await open();
  expect((await ask('[[stale]] mine')).answer).toBe('You asked: mine');
});

test('lines that make no sense are passed over', async () => {
  const { ask } = await open();
  expect((await ask('[[noise]] still here?')).answer).toBe('You asked: still here?');
});

test('a result without a single field is a failure', async () => {
  const { ask } = await open();
  expect(await failure(ask('[[no fields]]'))).toMatchObject({ code: 'engine_error' });
});

describe('half an answer is an error that may be asked again', () => {
  test.each(['[[broken]]', '[[no end]]'])('%s', async (question) => {
    const { ask } = await open();
    const error = await failure(ask(question));
    expect(error).toMatchObject({ code: 'engine_error', retryable: true });
  });
});

test('an answer of nothing is an error', async () => {
  const { ask } = await open();
  expect(await failure(ask('[[nothing]]'))).toMatchObject({ code: 'engine_error' });
});

test('a line without end takes the process down, not the server', async () => {
  const { session, ask } = await open();
  expect(await failure(ask('[[flood]]'))).toMatchObject({ code: 'engine_error' });
  expect(await session.closed).toMatchObject({ how: 'died' });
});

test('a turn that does not stop ends with its session, and nothing is left of it', async () => {
  const { session, ask } = await open();
  const [pid] = session.pids;
  const turn = failure(ask('[[deaf]]'));
  session.cancel();
  await session.close();
  expect(await turn).toMatchObject({ code: 'cancelled' });
  expect(session.pids).toEqual([]);
  expect(isRunning(pid as number)).toBe(false);
});

test('a silent turn can be cancelled, and the session answers on', async () => {
  const { session, ask } = await open();
  const turn = failure(ask('[[silent]]'));
  session.cancel();
  expect(await turn).toMatchObject({ code: 'cancelled' });
  await session.reset();
  expect((await ask('hello')).answer).toBe('You asked: hello');
});

describe('what the API says reaches the asker as', () => {
  test.each([
    ['engine_auth', { api_error_status: 401, terminal_reason: 'api_error', result: 'expired' }],
    ['engine_limit', { api_error_status: 429, terminal_reason: 'api_error', result: 'limit' }],
    ['engine_unavailable', { api_error_status: 529, terminal_reason: 'api_error', result: 'busy' }],
    ['context_too_large', { api_error_status: 400, terminal_reason: 'prompt_too_long' }],
    ['bad_request', { api_error_status: 400, terminal_reason: 'api_error', result: 'bad' }],
    [
      'engine_unavailable',
      { api_error_status: 404, terminal_reason: 'api_error', result: 'no model' },
    ],
    ['engine_limit', { api_error_status: 402, terminal_reason: 'api_error', result: 'pay' }],
    ['engine_unavailable', { terminal_reason: 'api_error', result: 'ECONNREFUSED' }],
    ['engine_error', { subtype: 'error_max_turns', errors: ['too many'] }],
  ])('%s: %j', async (code, result) => {
    const { session, ask } = await open();
    expect(await failure(ask(`[[fail]] ${JSON.stringify(result)}`))).toMatchObject({ code });
    await session.reset();
    await expect(ask('hello')).resolves.toHaveProperty('answer');
  });

  test.each([
    ['engine_limit', { error_status: 429, retry_delay_ms: 61_000 }, 61_000],
    ['engine_unavailable', { error_status: 529, retry_delay_ms: 5000 }, 5000],
    ['engine_auth', { error_status: 401, retry_delay_ms: 5000 }, undefined],
    // The delay of the program itself says nothing of the API.
    ['engine_unavailable', { error_status: null, retry_delay_ms: 500 }, undefined],
    ['engine_limit', { error_status: 429, retry_delay_ms: 600 }, undefined],
  ])('%s, at once, when the API would be asked again: %j', async (code, retry, retryAfterMs) => {
    const { ask } = await open();
    const error = await failure(ask(`[[retry]] ${JSON.stringify(retry)}`));
    expect(error).toMatchObject({ code, retryAfterMs });
  });
});

test('the state of the account is what the last turns met', async () => {
  const engine = await startEngine();
  const { ask } = await openSession(engine);
  expect(engine.status()).toEqual({ auth: 'unknown', limit: { state: 'ok' } });
  await ask('hello');
  expect(engine.status()).toEqual({ auth: 'ok', limit: { state: 'ok' } });
  await failure(ask('[[fail]] {"api_error_status":401}'));
  expect(engine.status().auth).toBe('failed');
  await failure(ask('[[retry]] {"error_status":429,"retry_delay_ms":60000}'));
  const { auth, limit } = engine.status();
  expect(auth).toBe('ok');
  expect(limit.state).toBe('limited');
  expect(limit.resetAtMs).toBeGreaterThan(Date.now());
  await ask('hello');
  expect(engine.status()).toEqual({ auth: 'ok', limit: { state: 'ok' } });
});

test('the answer is streamed as it comes, with signs of life', async () => {
  const { ask } = await open();
  const events: TurnEvent[] = [];
  const { answer } = await ask('two words', (event) => events.push(event));
  const text = events.flatMap((event) => (event.type === 'delta' ? [event.text] : []));
  expect(text.length).toBeGreaterThan(1);
  expect(text.join('')).toBe(answer);
  expect(events).toContainEqual({ type: 'progress', stage: 'generating_response' });
});
