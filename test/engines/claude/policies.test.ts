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

test('a secret is masked before anything is cut off, and whatever is hidden in it', () => {
  const secret = 'my-own-key-0123456789';
  for (let before = 3_950; before < 4_100; before += 1) {
    const shown = showable(`${' '.repeat(before)}${secret}${'x'.repeat(5_000)}`, [secret]);
    expect(shown).not.toContain('my-o');
  }
  expect(showable(`${'a'.repeat(290)} ${secret}`, [secret])).not.toContain('my-o');
  expect(showable('my-own\u200b-key-01\u202e23456789', [secret])).toBe('[redacted]');
});

test('no control of direction and no half character reaches an error', () => {
  expect(showable('a\u202eb\u2066c\u200fd\ufeff', [])).toBe('abcd');
  expect(showable(`${'x'.repeat(299)}\u{1f600}`, []).isWellFormed()).toBe(true);
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(showable(text, [])).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
    }),
  );
});

test('what a failure is called is judged by its fields, whatever its words quote', () => {
  const fields = fc.record({
    status: fc.option(fc.constantFrom(400, 401, 404, 413, 429, 500, 529), { nil: undefined }),
    kind: fc.constantFrom(undefined, 'rate_limit', 'overloaded', 'invalid_request'),
    reason: fc.constantFrom(undefined, 'api_error', 'prompt_too_long'),
  });
  const quoted = fc.constantFrom('429 rate limit', 'login expired', 'prompt is too long', '529');
  fc.assert(
    fc.property(fields, quoted, (trouble, said) => {
      expect(explain({ ...trouble, said }).code).toBe(explain(trouble).code);
    }),
  );
});

test('a reason to stop and a model are names, whatever a program says', () => {
  const stop = (stop_reason: unknown) => understand({ type: 'result', stop_reason });
  expect(stop('max_tokens')).toMatchObject({ stopReason: 'max_tokens' });
  expect(stop(undefined)).toMatchObject({ stopReason: undefined });
  for (const hostile of ['\u001b]0;x\u0007', 'A'.repeat(100_000), 'a b', '\u202e']) {
    expect(stop(hostile)).toMatchObject({ stopReason: 'other' });
  }
  const init = { type: 'system', subtype: 'init', session_id: 'a' };
  expect(understand({ ...init, model: 'claude-x[1m]' })).toMatchObject({ model: 'claude-x[1m]' });
  expect(understand({ ...init, model: '\u001b[2J' })).toMatchObject({ model: undefined });
  expect(understand({ ...init, model: 'm'.repeat(1000) })).toMatchObject({ model: undefined });
});

test('usage is counts of tokens, and not many', () => {
  const many = Array.from({ length: 1000 }, (_, index) => [`${'a'.repeat(index)}_tokens`, 1]);
  const used = (usage: object) => understand({ type: 'result', usage });
  const strange = { b_tokens: -1, c_tokens: 0.5, d_tokens: '1', e: 1, 'f\n_tokens': 1 };
  expect(used({ a_tokens: 0, ...strange })).toHaveProperty('usage', { a_tokens: 0 });
  const { usage } = used(Object.fromEntries(many)) as { usage: object };
  expect(Object.keys(usage).length).toBeLessThanOrEqual(32);
});

function heardTurn() {
  const deltas: string[] = [];
  const turn = new TurnHeard((event) => {
    if (event.type === 'delta') deltas.push(event.text);
  }, String);
  turn.question = 'a';
  const conclude = (text = '') =>
    turn.hear(
      understand({ type: 'result', is_error: false, user_message_uuid: 'a', result: text }),
    );
  return { turn, deltas, conclude };
}

test('an answer is well-formed, wherever its stream is cut, and is what was streamed', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string({ unit: 'binary' })), async (texts) => {
      const { turn, deltas, conclude } = heardTurn();
      const said = `a${texts.join('')}\ud83d`;
      for (const text of said.split('')) turn.hear({ type: 'text', text });
      conclude();
      const { answer } = await turn.outcome;
      expect(answer).toBe(said.toWellFormed());
      expect(deltas.join('')).toBe(answer);
      expect(deltas.every((delta) => delta.isWellFormed())).toBe(true);
    }),
  );
  const { turn, conclude } = heardTurn();
  conclude('not streamed \ud83d');
  expect((await turn.outcome).answer).toBe('not streamed \ufffd');
});

test('text of a turn that was cancelled is not even looked at', async () => {
  const { turn, deltas, conclude } = heardTurn();
  turn.hear({ type: 'text', text: 'before' });
  turn.stop(explain({}));
  let read = 0;
  const late = {
    type: 'text' as const,
    get text() {
      read += 1;
      return 'after';
    },
  };
  for (let count = 0; count < 100; count += 1) turn.hear(late);
  conclude();
  await expect(turn.outcome).rejects.toMatchObject({ code: 'engine_error' });
  expect(read).toBe(0);
  expect(deltas).toEqual(['before']);
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

test('a thousand conversations are remembered, those used last', async () => {
  const file = join(tempDir(), 'conversations.json');
  const conversations = new Conversations(file, log);
  const ids = Array.from({ length: 1100 }, (_, index) => Conversations.idOf(String(index), ''));
  const [first] = ids as [string];
  for (const id of ids) {
    conversations.set(id, CONVERSATION);
    conversations.set(first, CONVERSATION);
  }
  await conversations.close();
  const kept = new Conversations(file, log);
  expect(ids.filter((id) => kept.get(id) !== undefined)).toEqual([first, ...ids.slice(101)]);
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
