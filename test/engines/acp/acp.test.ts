import { expect, test } from 'vitest';
import { createAcpEngine } from '../../../src/engines/acp/index.js';
import type { TurnEvent } from '../../../src/engines/index.js';
import { ConfigError } from '../../../src/errors.js';
import { acpOptions, agentHomes, begin, contextOf, openEngine, openSession } from './harness.js';

test('a session is one agent process, which answers turn after turn', async () => {
  const { session, ask } = await openSession();
  const before = session.pids;
  expect(before).toHaveLength(1);
  expect(session.memoryBytes?.()).toBeGreaterThan(10e6);
  for (let turn = 0; turn < 5; turn += 1) expect((await ask('echo hi')).answer).toBe('hi');
  expect(session.pids).toEqual(before);
});

test('instructions and document stand before the question, once in a conversation', async () => {
  const { open } = await openEngine();
  const context = contextOf('# Notes\n\nThe answer is 42.\n');
  const session = await open();
  const ask = (question: string, about = context) =>
    session.turn({ question, context: about }, () => {});
  await ask('echo one');
  await ask('echo two');
  await ask('echo three', contextOf('# Other\n\nNo answers here.\n', 'OTHER.md'));
  const prompts = JSON.parse((await ask('history', undefined)).answer) as string[];
  expect(prompts[0]).toMatch(/NOTES\.md[\s\S]*The answer is 42\.[\s\S]*The question:\n\necho one$/);
  expect(prompts[1]).toBe('The question:\n\necho two');
  expect(prompts[2]).toContain('No answers here.');

  await session.reset();
  await ask('echo four');
  const [first] = JSON.parse((await ask('history')).answer) as string[];
  expect(first).toContain('The answer is 42.');
});

test('a question is never the beginning of a prompt: no slash of it is a command', async () => {
  const { open } = await openEngine([], { preset: 'claude' });
  const session = await open();
  for (const question of ['/cost', '/clear', 'history']) {
    const { answer } = await session.turn({ question, context: undefined }, () => {});
    if (question !== 'history') continue;
    for (const prompt of JSON.parse(answer)) expect(prompt).not.toMatch(/^\s*[/!@$]/);
  }
});

test('after a reset nothing of an earlier conversation is there, in another directory', async () => {
  const { session, ask, facts } = await openSession();
  await ask('echo the canary sings');
  const before = await facts();
  await session.reset();
  const { answer } = await ask('history');
  expect(JSON.parse(answer)).toHaveLength(1);
  expect(answer).not.toContain('canary');
  expect(JSON.parse((await ask('sessions')).answer)).toHaveLength(1);
  expect((await facts()).cwd).not.toBe(before.cwd);
  expect((await facts()).files).toEqual([]);
});

test('an agent that cannot close a conversation is reset as well', async () => {
  const { session, ask } = await openSession(['no-close']);
  await ask('echo the canary sings');
  await session.reset();
  expect((await ask('history')).answer).not.toContain('canary');
});

test('an agent runs in a directory of its own, which is gone with it', async () => {
  const { session, facts } = await openSession();
  const { home, cwd, files } = await facts();
  expect(files).toEqual([]);
  expect(cwd.startsWith(home)).toBe(true);
  expect(agentHomes().some((name) => home.endsWith(name))).toBe(true);
  await session.close();
  expect(agentHomes().some((name) => home.endsWith(name))).toBe(false);
});

test('an agent sees no variable but what it needs', async () => {
  const env = {
    PATH: process.env.PATH,
    HOME: '/tmp',
    CLAUDECODE: '1',
    NODE_OPTIONS: '--no-warnings',
    AWS_SECRET_ACCESS_KEY: 'secret',
    WARMLINE_TOKEN: 'secret',
  };
  const { facts } = await openSession([], { env });
  const seen = Object.keys((await facts()).env).filter((name) => name !== 'WARMLINE_TREE');
  expect(seen.sort()).toEqual(['HOME', 'PATH']);
});

test('permissions are refused, in the way that lets the agent go on', async () => {
  const { ask } = await openSession();
  const outcome = async (kinds: string) => JSON.parse((await ask(`ask ${kinds}`)).answer).outcome;
  const once = await outcome('allow_always allow_once reject_always reject_once');
  expect(once).toEqual({ outcome: 'selected', optionId: 'option-reject_once' });
  const always = await outcome('allow_once reject_always');
  expect(always).toEqual({ outcome: 'selected', optionId: 'option-reject_always' });
  expect(await outcome('allow_always allow_once')).toEqual({ outcome: 'cancelled' });
});

test('an agent reads no file through us', async () => {
  const { ask } = await openSession();
  expect((await ask('read')).answer).toBe('refused -32601');
});

test('tools and thoughts are progress; what is said after a tool is a paragraph of its own', async () => {
  const { ask } = await openSession();
  const events: TurnEvent[] = [];
  const { answer } = await ask('tool', (event) => events.push(event));
  expect(answer).toBe('Let me look.\n\nIt is there.');
  expect(events).toEqual([
    { type: 'delta', text: 'Let me look.' },
    { type: 'alive' },
    { type: 'progress', stage: 'tool_execution', message: 'looking' },
    { type: 'alive' },
    { type: 'delta', text: '\n\nIt is ' },
    { type: 'delta', text: 'there.' },
  ]);
});

test('what an agent says of another conversation is not heard', async () => {
  const { ask } = await openSession();
  expect((await ask('other')).answer).toBe('mine');
});

test.each([
  ['end_turn', 'end_turn'],
  ['max_tokens', 'max_tokens'],
  ['max_turn_requests', 'max_turn_requests'],
  ['refusal', 'refusal'],
])('an answer that stops by %s says so', async (reason, stopReason) => {
  const { ask } = await openSession();
  expect(await ask(`stop ${reason} so it is`)).toMatchObject({ answer: 'so it is', stopReason });
});

test.each([
  ['end_turn', 'engine_error'],
  ['max_tokens', 'engine_error'],
  ['cancelled', 'engine_error'],
  ['refusal', 'bad_request'],
])('a turn that stops by %s without a word is no answer', async (reason, code) => {
  const { ask } = await openSession();
  await expect(ask(`stop ${reason}`)).rejects.toMatchObject({ code });
  await expect(ask('echo on')).resolves.toMatchObject({ answer: 'on' });
});

test('tokens are reported where the agent tells them', async () => {
  const { ask } = await openSession();
  expect((await ask('usage')).usage).toEqual({
    input_tokens: 7,
    output_tokens: 3,
    cache_read_input_tokens: 5,
  });
  expect((await ask('echo hi')).usage).toBeUndefined();
});

test('a turn cancelled before its question went out asks nothing', async () => {
  const { session, ask } = await openSession();
  const turn = ask('echo never');
  session.cancel();
  await expect(turn).rejects.toMatchObject({ code: 'cancelled' });
  expect((await ask('history')).answer).not.toContain('never');
});

test('an agent that answers in spite of being told to stop has not answered', async () => {
  const { session, ask } = await openSession();
  const { turn, begun } = begin(ask, 'stubborn');
  await begun;
  session.cancel();
  await expect(turn).rejects.toMatchObject({ code: 'cancelled' });
  await session.reset();
  await expect(ask('echo on')).resolves.toMatchObject({ answer: 'on' });
});

test('a model is chosen among those the agent offers, by id or name', async () => {
  const { facts, ask } = await openSession(['models=small,large'], { model: 'large' });
  expect((await facts()).model).toBe('large');
  expect((await ask('echo hi')).model).toBe('large');
  const named = await openSession(['models=small,large'], { model: 'SMALL' });
  expect((await named.facts()).model).toBe('small');
});

test('a model the agent does not offer is refused, with those it offers', async () => {
  const { open } = await openEngine(['models=small,large'], { model: 'huge' });
  await expect(open()).rejects.toThrow(/"huge"; it offers small, large/);
});

test('an agent that is not there is a mistake of the configuration', async () => {
  const command = ['no-such-agent', '--acp'];
  await expect(createAcpEngine(acpOptions([], { command }))).rejects.toThrow(ConfigError);
  await expect(createAcpEngine(acpOptions([], { command }))).rejects.toThrow(/no-such-agent/);
});
