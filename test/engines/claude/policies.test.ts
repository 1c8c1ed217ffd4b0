import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { Conversations } from '../../../src/engines/claude/conversations.js';
import { claudeVariables } from '../../../src/engines/claude/environment.js';
import { isAtLeast, parseVersion, refuse } from '../../../src/engines/claude/executable.js';
import { explain, showable } from '../../../src/engines/claude/failures.js';
import { createClaudeEngine } from '../../../src/engines/claude/index.js';
import { understand } from '../../../src/engines/claude/messages.js';
import { TurnHeard } from '../../../src/engines/claude/turn.js';
import { ConfigError } from '../../../src/errors.js';
import { STAND_INS, startEngine, tempDir } from './harness.js';

const log = pino({ level: 'silent' });

test('whatever a program says is understood or passed over, never thrown at', () => {
  fc.assert(
    fc.property(fc.anything(), (message) => {
      expect(understand(message)).toHaveProperty('type');
    }),
  );
});

test('a turn survives any sequence of messages and settles at most once', async () => {
  const word = fc.constantFrom('message_start', 'content_block_delta', 'message_delta', 'ping');
  const message = fc.oneof(
    fc.record({ type: fc.constant('stream_event'), event: fc.record({ type: word }) }),
    fc.record({ type: fc.constant('system'), subtype: fc.constantFrom('init', 'api_retry') }),
    fc.record(
      { type: fc.constant('result'), is_error: fc.boolean(), result: fc.string() },
      { requiredKeys: ['type'] },
    ),
    fc.anything(),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(message), async (messages) => {
      let settled = 0;
      const turn = new TurnHeard(() => {}, String);
      turn.question = 'a';
      turn.outcome.then(
        () => (settled += 1),
        () => (settled += 1),
      );
      for (const each of messages) turn.hear(understand(each));
      turn.fail(explain({}));
      await turn.outcome.catch(() => {});
      expect(settled).toBe(1);
    }),
  );
});

test('a version is compared by its numbers', () => {
  const version = fc.tuple(fc.nat(999), fc.nat(999), fc.nat(999));
  fc.assert(
    fc.property(version, version, (one, other) => {
      const sorted = one[0] - other[0] || one[1] - other[1] || one[2] - other[2];
      expect(isAtLeast(one, other)).toBe(sorted >= 0);
      expect(parseVersion(`${one.join('.')} (Claude Code)`)).toEqual(one);
    }),
  );
});

test('a claude older than 2.1.248 is refused, with the reason and what to do', () => {
  expect(refuse('/bin/claude', '2.1.248 (Claude Code)\n')).toBeUndefined();
  expect(refuse('/bin/claude', '3.0.0')).toBeUndefined();
  const refusal = refuse('/bin/claude', '2.1.247 (Claude Code)');
  expect(refusal).toContain('2.1.247');
  expect(refusal).toContain('@');
  expect(refusal).toContain('claude update');
  expect(refuse('/bin/true', '')).toContain('is not Claude Code');
});

test('without the SDK, without a claude, or with another program, the engine says what to install', async () => {
  const create = (options: object) =>
    createClaudeEngine({
      name: 'claude',
      env: { PATH: '/nowhere' },
      log,
      ...STAND_INS,
      ...options,
    });
  await expect(create({ sdk: '@anthropic-ai/not-there' })).rejects.toThrow(/npm install/);
  await expect(create({ claudePath: undefined })).rejects.toThrow(/--claude-path/);
  await expect(create({ claudePath: '/nowhere/claude' })).rejects.toThrow(ConfigError);
  await expect(create({ claudePath: '/bin/echo' })).rejects.toThrow(/is not Claude Code/);
  await expect(create({ claudePath: '/bin/false' })).rejects.toThrow(/--version failed/);
});

test('a process sees the login and the way to the API, nothing of a session it may run under', () => {
  const from = {
    CLAUDECODE: '1',
    CLAUDE_CODE_ENTRYPOINT: 'cli',
    CLAUDE_CODE_OAUTH_TOKEN: 'token',
    CLAUDE_CONFIG_DIR: '/config',
    ANTHROPIC_BASE_URL: 'http://one',
    ANTHROPIC_MODEL: 'other',
    AWS_SECRET_ACCESS_KEY: 'secret',
  };
  const settings = { key: undefined, baseUrl: undefined, apiTimeoutMs: 5000 };
  const variables = claudeVariables(from, settings);
  expect(variables).toMatchObject({
    CLAUDE_CODE_OAUTH_TOKEN: 'token',
    CLAUDE_CONFIG_DIR: '/config',
    ANTHROPIC_BASE_URL: 'http://one',
    API_TIMEOUT_MS: '5000',
  });
  for (const name of ['CLAUDECODE', 'CLAUDE_CODE_ENTRYPOINT', 'ANTHROPIC_MODEL']) {
    expect(variables).not.toHaveProperty(name);
  }
  expect(variables).not.toHaveProperty('AWS_SECRET_ACCESS_KEY');
  const keyed = claudeVariables(from, { ...settings, key: 'key', baseUrl: 'http://two' });
  expect(keyed).toMatchObject({ ANTHROPIC_API_KEY: 'key', ANTHROPIC_BASE_URL: 'http://two' });
  expect(keyed).not.toHaveProperty('CLAUDE_CODE_OAUTH_TOKEN');
});

test('no secret and no line break of a program reaches an error', () => {
  const shown = showable('a\nb\u001b[31m key my-own-key, sk-ant-api03-xyz, Bearer abcdef.ghi', [
    'my-own-key',
  ]);
  expect(shown).toBe('a b [31m key [redacted], [redacted], [redacted]');
  expect(showable('x'.repeat(100_000), []).length).toBeLessThanOrEqual(300);
});

const CONVERSATION = '11111111-2222-3333-4444-555555555555';

test('a conversation is found again after a restart, under its key and document', async () => {
  const file = join(tempDir(), 'conversations.json');
  const first = new Conversations(file, log);
  const id = Conversations.idOf('key', '/a');
  first.set(id, CONVERSATION);
  await first.close();
  const again = new Conversations(file, log);
  expect(again.get(id)).toBe(CONVERSATION);
  expect(again.get(Conversations.idOf('key', '/b'))).toBeUndefined();
  expect(again.get(Conversations.idOf('other', '/a'))).toBeUndefined();
  expect(readFileSync(file, 'utf8')).not.toContain('key');
  again.drop(id);
  await again.close();
  expect(new Conversations(file, log).get(id)).toBeUndefined();
});

test('a thousand conversations are remembered, the latest', async () => {
  const file = join(tempDir(), 'conversations.json');
  const conversations = new Conversations(file, log);
  const ids = Array.from({ length: 1100 }, (_, index) => Conversations.idOf(String(index), ''));
  for (const id of ids) conversations.set(id, CONVERSATION);
  await conversations.close();
  const kept = new Conversations(file, log);
  expect(ids.filter((id) => kept.get(id) !== undefined)).toEqual(ids.slice(100));
});

test.each([
  ['cut off', '{"a'],
  ['of another kind', '[1,2]'],
  ['made up', `{"../../etc":"${CONVERSATION}","${'a'.repeat(32)}":"--resume x"}`],
])('a file that is %s resumes nothing and harms nothing', async (_, text) => {
  const file = join(tempDir(), 'conversations.json');
  writeFileSync(file, text);
  const conversations = new Conversations(file, log);
  expect(conversations.get('a'.repeat(32))).toBeUndefined();
  conversations.set(Conversations.idOf('key', undefined), CONVERSATION);
  await conversations.close();
  expect(JSON.parse(readFileSync(file, 'utf8'))).not.toHaveProperty(['../../etc']);
});

test('a state directory that cannot be written costs no question', async () => {
  const folder = tempDir();
  const file = join(folder, 'taken', 'conversations.json');
  writeFileSync(join(folder, 'taken'), '');
  const conversations = new Conversations(file, log);
  conversations.set(Conversations.idOf('key', undefined), CONVERSATION);
  await expect(conversations.close()).resolves.toBeUndefined();
});

test('what lies in the working directory from an earlier run is gone', async () => {
  const stateDir = tempDir();
  const left = join(stateDir, 'claude-claude', 'empty', 'CLAUDE.md');
  mkdirSync(join(left, '..'), { recursive: true });
  writeFileSync(left, 'Do as I say.');
  await startEngine({ stateDir });
  expect(() => readFileSync(left)).toThrow();
});
