/** Whatever an agent does, its session says so, nothing of it is left, and nobody waits for ever. */
import { expect, test } from 'vitest';
import type { TurnEvent } from '../../../src/engines/index.js';
import { isAlive, until } from '../../support/process.js';
import { agentHomes, begin, hidden, openEngine, openSession } from './harness.js';

test('an agent that never answers its first request is left when nobody waits any more', async () => {
  const { open } = await openEngine(['silent']);
  const homes = agentHomes();
  const waiting = new AbortController();
  const opening = open(undefined, waiting.signal);
  const home = await until(() => agentHomes().find((name) => !homes.includes(name)));
  waiting.abort(new Error('nobody waits'));
  await expect(opening).rejects.toThrow('nobody waits');
  expect(agentHomes()).not.toContain(home);
});

test('an agent that dies as it starts is told by its last words', async () => {
  const { open } = await openEngine(['dies']);
  await expect(open()).rejects.toMatchObject({
    code: 'engine_error',
    message: expect.stringMatching(/no model is installed/),
  });
});

test('a program that is no agent is told by how it ended', async () => {
  const { open } = await openEngine([], { command: ['false'] });
  await expect(open()).rejects.toMatchObject({
    code: 'engine_error',
    message: expect.stringMatching(/exited with code 1/),
  });
});

test('an agent of another version of the protocol is refused', async () => {
  const { open } = await openEngine(['version=9']);
  await expect(open()).rejects.toMatchObject({
    code: 'engine_unavailable',
    message: expect.stringMatching(/version 9/),
  });
});

test('an agent that is not signed in fails as engine_auth, and the status says so', async () => {
  const { engine, open } = await openEngine(['auth']);
  expect(engine.status().auth).toBe('unknown');
  await expect(open()).rejects.toMatchObject({ code: 'engine_auth' });
  expect(engine.status().auth).toBe('failed');
});

test('a limit fails as engine_limit with the time to wait, until a question is answered', async () => {
  const { engine, ask } = await openSession();
  const error = { code: 429, message: 'Rate limit exceeded', data: { retryDelay: '30s' } };
  await expect(ask(`error ${JSON.stringify(error)}`)).rejects.toMatchObject({
    code: 'engine_limit',
    retryAfterMs: 30_000,
  });
  expect(engine.status()).toMatchObject({ auth: 'ok', limit: { state: 'limited' } });
  await ask('echo hi');
  expect(engine.status()).toEqual({ auth: 'ok', limit: { state: 'ok' } });
});

test.each([
  ['limit it tries again, in 20s', 'engine_limit'],
  ['service it tries again', 'engine_unavailable'],
  ['connection it tries again', 'engine_unavailable'],
])('an agent that tells it tries again is stopped: %s', async (told, code) => {
  const { session, ask } = await openSession();
  await expect(ask(`retry ${told}`)).rejects.toMatchObject({ code, retryAfterMs: undefined });
  await session.reset();
  expect((await ask('echo on')).answer).toBe('on');
});

test.each([
  ['access', 'engine_auth'],
  ['limit', 'engine_limit'],
  ['request', 'bad_request'],
  ['service', 'engine_unavailable'],
  ['request the prompt is too long', 'context_too_large'],
])('a failure told beside the end of a turn is no answer: %s', async (told, code) => {
  const { ask } = await openSession();
  await expect(ask(hidden(`fail ${told}`))).rejects.toMatchObject({ code });
});

test('a notice is no failure', async () => {
  const { ask } = await openSession();
  expect((await ask('fail unknown a new version is there')).answer).toBe('sorry');
});

test('an agent that dies in a turn is told by its last words, on one printable line', async () => {
  const { session, ask } = await openSession();
  await expect(ask(hidden('crash \u001b[31mout of\u0007 luck\u001b[0m'))).rejects.toMatchObject({
    code: 'engine_error',
    message: expect.stringMatching(/^the agent ended: [\x20-\x7e]*out of luck[\x20-\x7e]*$/),
  });
  expect(await session.closed).toMatchObject({
    how: 'died',
    reason: expect.stringMatching(/out of luck/),
  });
  expect(session.pids).toEqual([]);
});

test('an agent killed after half an answer has not answered', async () => {
  const { session, ask } = await openSession();
  await expect(ask('half')).rejects.toMatchObject({
    code: 'engine_error',
    message: expect.stringMatching(/SIGKILL/),
  });
  expect(await session.closed).toMatchObject({ how: 'died' });
});

test('an agent killed between turns is noticed', async () => {
  const { session, ask } = await openSession();
  await ask('echo hi');
  process.kill(session.pids[0] as number, 'SIGKILL');
  expect(await session.closed).toMatchObject({ how: 'died' });
  await expect(ask('echo on')).rejects.toMatchObject({ code: 'engine_error' });
});

test('a key is in no error, whoever says it', async () => {
  const key = 'AIza-secret-key-of-this-test';
  const { ask } = await openSession([], { preset: 'gemini', key });
  const error = { code: 500, message: `no answer for ${key}`, data: { url: `?key=${key}` } };
  const said = await ask(hidden(`error ${JSON.stringify(error)}`)).catch(
    (thrown) => thrown.message,
  );
  expect(said).toMatch(/no answer for \[redacted\]/);
  expect(said).not.toContain(key);
  await expect(ask(hidden(`crash it was ${key}`))).rejects.not.toThrow(key);
});

test('a stopped agent is closed, and its turn fails', async () => {
  const { session, ask } = await openSession();
  const { turn, begun } = begin(ask, 'stubborn');
  await begun;
  const pids = session.pids;
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  await session.close();
  await expect(turn).rejects.toMatchObject({
    code: 'engine_error',
    message: 'the session was closed; ask again',
  });
  expect(pids.filter(isAlive)).toEqual([]);
});

test('an agent that does not stop when it is cancelled is closed', async () => {
  const { session, ask } = await openSession();
  const { turn, begun } = begin(ask, 'deaf');
  await begun;
  session.cancel();
  await session.close();
  await expect(turn).rejects.toMatchObject({
    code: 'engine_error',
    message: 'the session was closed; ask again',
  });
  expect(await session.closed).toEqual({ how: 'closed' });
});

test.each([
  ['closed', 'echo on'],
  ['dead', 'crash'],
])('what an agent started in another session ends with it when it is %s', async (_how, last) => {
  const { session, ask } = await openSession();
  const pid = Number((await ask('spawn')).answer);
  expect(isAlive(pid)).toBe(true);
  await ask(last).catch(() => {});
  if (last === 'crash') await session.closed;
  else await session.close();
  expect(isAlive(pid)).toBe(false);
});

test('what is no message on standard output is passed over', async () => {
  const { ask } = await openSession();
  expect((await ask('garbage Welcome! {')).answer).toBe('still here');
  expect((await ask('echo on')).answer).toBe('on');
});

test.each([
  ['noise', /no message of the protocol/],
  ['line', /a line of more than/],
  ['requests', /more than is answered/],
])('an agent that floods its output by %s is ended', async (question, reason) => {
  const { session, ask } = await openSession();
  await expect(ask(question)).rejects.toMatchObject({
    code: 'engine_error',
    message: expect.stringMatching(reason),
  });
  expect(await session.closed).toMatchObject({
    how: 'died',
    reason: expect.stringMatching(reason),
  });
  expect(session.pids).toEqual([]);
});

test('an endless answer is ended by closing its session from within', async () => {
  const { session, ask } = await openSession();
  let chars = 0;
  let closing: Promise<void> | undefined;
  const hear = (event: TurnEvent) => {
    if (event.type === 'delta') chars += event.text.length;
    if (chars > 1e6) closing ??= session.close();
  };
  await expect(ask('flood', hear)).rejects.toMatchObject({
    code: 'engine_error',
    message: 'the session was closed; ask again',
  });
  await closing;
  expect(await session.closed).toEqual({ how: 'closed' });
});

test('a flood on standard error harms nobody', async () => {
  const { ask } = await openSession();
  expect((await ask('stderr a long line of no use')).answer).toBe('done');
  await expect(ask(hidden('crash the end'))).rejects.toThrow(/the end/);
});

test('an agent that goes on talking when its turn is over is not asked again', async () => {
  const { session, ask } = await openSession();
  expect((await ask('late said')).answer).toBe('said');
  expect(await session.closed).toMatchObject({
    how: 'died',
    reason: expect.stringMatching(/nothing was asked/),
  });
});

test('a failing agent answers on', async () => {
  const { ask } = await openSession();
  await expect(ask('error {"code":-32603,"message":"Internal error"}')).rejects.toMatchObject({
    code: 'engine_error',
  });
  expect((await ask('echo on')).answer).toBe('on');
});

test('late words of a cancelled question are in no later answer, in the same conversation of an asker', async () => {
  const { session, ask } = await openSession(['no-close']);
  await ask('echo before');
  const { turn, begun } = begin(ask, 'trailing');
  await begun;
  session.cancel();
  await expect(turn).rejects.toMatchObject({ code: 'cancelled' });
  // As with a sticky session: it is not reset between.
  expect((await ask('echo on')).answer).toBe('on');
  expect(JSON.parse((await ask('history')).answer)).toHaveLength(2);
});

test('a cancel before the question went out keeps the conversation', async () => {
  const { session, ask } = await openSession();
  await ask('echo before');
  const turn = ask('echo never');
  session.cancel();
  await expect(turn).rejects.toMatchObject({ code: 'cancelled' });
  expect((await ask('history')).answer).toContain('before');
});

test('a question that a failing agent quotes is shown to nobody', async () => {
  const { session, ask } = await openSession();
  const said = await ask('crash What is a usage limit? try again in 99999 h').catch((why) => why);
  expect(said).toMatchObject({ code: 'engine_error', retryAfterMs: undefined });
  expect(said.message).not.toMatch(/usage|limit|99999/);
  const end = await session.closed;
  expect(JSON.stringify(end)).toMatch(/died/);
  expect(JSON.stringify(end)).not.toMatch(/usage|limit|99999/);
});

test('no half of a character and no control character is in what an agent answers', async () => {
  const { ask } = await openSession();
  const texts: string[] = [];
  const hear = (event: TurnEvent) => void (event.type === 'delta' && texts.push(event.text));
  const { answer, stopReason } = await ask('halves', hear);
  expect(answer).toBe('a \u{1f600} b \ufffd c \ufffd\ufffd');
  expect(texts.join('')).toBe(answer);
  expect(texts.every((text) => text.isWellFormed())).toBe(true);
  expect(stopReason).toBe('unknown');
});

test('a model is offered by a name that a terminal can show', async () => {
  const { open } = await openEngine(['models=\u001b]0;owned\u0007x'], { model: 'huge' });
  const said = await open().catch((why) => why.message);
  expect(said).toMatch(/it offers [\x20-\x7e]+$/);
});
