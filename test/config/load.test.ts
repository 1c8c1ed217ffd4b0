import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { describedSettings } from '../../src/config/index.js';
import { ConfigError } from '../../src/errors.js';
import { type Given, load, tempDir } from './support.js';

test('without anything given, the defaults hold and the working directory is the context root', async () => {
  const cwd = tempDir();
  const settings = await load({}, cwd);
  expect(settings.address).toEqual({ host: '127.0.0.1', port: 9999 });
  expect(settings.context.contextRoot).toEqual([cwd]);
  expect(settings.bus).toEqual({ session: 'b' });
  expect(settings.autopoll).toMatchObject({
    conversation: [],
    includeExpired: false,
    concurrency: 32,
    leaseMs: 30_000,
    renewEveryMs: 10_000,
  });
});

test('a flag wins over a variable, a variable over the file, the file over the default', async () => {
  const file = 'port = 3\nhost = "127.0.0.3"\ndrain_ms = 3';
  const env = { WARMLINE_PORT: '2', WARMLINE_HOST: '127.0.0.2' };
  const settings = await load({ flags: { port: 1 }, env, file });
  expect(settings.address).toEqual({ host: '127.0.0.2', port: 1 });
  expect(settings.process.drainMs).toBe(3);
});

test('for every number, whichever sources have it, the first of them wins', async () => {
  // It may not be 77 beside the default of another.
  const numbers = describedSettings()
    .filter(({ schema }) => schema.safeParse(77).success)
    .filter(({ key }) => key !== 'spares');
  expect(numbers.length).toBeGreaterThan(10);
  const cwd = tempDir();
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...numbers),
      fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()),
      async ({ section, key, variable, fileKey, standard }, [byFlag, byVariable, byFile]) => {
        const settings = await load(
          {
            flags: byFlag ? { [key]: 77 } : {},
            env: byVariable ? { [variable]: '78' } : {},
            file: byFile ? `${fileKey} = 79` : '',
          },
          cwd,
        );
        const values: Record<string, unknown> = settings[section];
        const wanted = byFlag ? 77 : byVariable ? 78 : byFile ? 79 : standard;
        expect(values[key]).toBe(wanted);
      },
    ),
    { numRuns: 60 },
  );
});

test('whatever a variable holds, it is a valid setting or an error that names it', async () => {
  const cwd = tempDir();
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...describedSettings()),
      fc.oneof(fc.string(), fc.integer().map(String), fc.constantFrom('off', 'true', 'b', 'fake')),
      async ({ schema, section, key, variable }, text) => {
        const outcome = await load({ env: { [variable]: text } }, cwd).catch((error) => error);
        if (outcome instanceof ConfigError) expect(outcome.message).toMatch(/\w+_\w+/);
        else expect(schema.safeParse(outcome[section][key]).success).toBe(true);
      },
    ),
  );
});

const REFUSED: [string, Given, RegExp][] = [
  ['an unknown key', { file: 'prot = 1' }, /warmline\.toml: key "prot".*did you mean "port"\?/],
  ['a key in another spelling', { file: 'contextRoot = ["x"]' }, /did you mean "context_root"\?/],
  ['an unknown variable', { env: { WARMLINE_PROT: '1' } }, /"WARMLINE_PROT".*"WARMLINE_PORT"\?/],
  ['a table', { file: '[autopoll]\nconcurrency = 3' }, /"autopoll" is a table/],
  ['a file that is no TOML', { file: 'port = = 3' }, /warmline\.toml:1: /],
  ['a text for a number', { file: 'port = "9999"' }, /port must be a whole number.*not "9999"/],
  ['a number for a text', { file: 'host = 3' }, /host must be a text/],
  ['a text for a list', { file: 'context_root = "docs"' }, /context_root must be a list/],
  ['a number out of range', { env: { WARMLINE_PORT: '65536' } }, /WARMLINE_PORT must be .*65535/],
  ['a fraction', { env: { WARMLINE_DRAIN_MS: '1.5' } }, /WARMLINE_DRAIN_MS must be a whole number/],
  [
    'an unknown word',
    { env: { WARMLINE_ENGINE: 'warp' } },
    /must be one of extract, .*fake, not "warp"/,
  ],
  ['a half switch', { env: { WARMLINE_STICKY: 'maybe' } }, /WARMLINE_STICKY must be true or false/],
  ['no conversation id', { env: { WARMLINE_CONVERSATION: 'conv_1' } }, /conversation ids such as/],
  ['a file that is not there', { flags: { config: 'none.toml' } }, /cannot read .*none\.toml/],
  ['more spares than sessions', { flags: { spares: 5 } }, /spares \(5\).*max_sessions \(4\)/],
  ['renewing too late', { flags: { leaseMs: 1000 } }, /renew_every_ms.*lease_ms/],
  [
    'a mistake that a flag would hide',
    { flags: { port: 1 }, env: { WARMLINE_PORT: 'x' } },
    /WARMLINE_PORT must be/,
  ],
];

test.each(REFUSED)('%s is refused in words', async (_what, given, words) => {
  const outcome = await load(given).catch((error) => error);
  expect(outcome).toBeInstanceOf(ConfigError);
  expect(outcome.message).toMatch(words);
  expect(outcome.message).not.toContain('\n');
});

test('an empty variable counts as not given, a foreign one is none of ours', async () => {
  const settings = await load({ env: { WARMLINE_PORT: '', WARM: 'x', PORT: '1' } });
  expect(settings.address.port).toBe(9999);
});

test('a variable holds a list with commas, a switch in several words, and "off"', async () => {
  const ids = ['conv_0123456789abcdef', 'conv_fedcba9876543210'];
  const env = {
    WARMLINE_CONVERSATION: ids.join(', '),
    WARMLINE_INCLUDE_EXPIRED: 'yes',
    WARMLINE_STICKY: 'off',
    WARMLINE_HTTP_PORT: 'off',
  };
  const { autopoll, http } = await load({ env });
  expect(autopoll).toMatchObject({ conversation: ids, includeExpired: true, sticky: false });
  expect(http.httpPort).toBe('off');
});

test('a relative path starts where it was written', async () => {
  const cwd = tempDir();
  const elsewhere = join(cwd, 'etc');
  mkdirSync(elsewhere);
  writeFileSync(join(elsewhere, 'shard.toml'), 'db = "bus.db"\ncontext_root = ["docs", "/srv"]');
  const flags = { config: 'etc/shard.toml' };
  const fromFile = await load({ flags }, cwd);
  expect(fromFile.bus.db).toBe(join(elsewhere, 'bus.db'));
  expect(fromFile.context.contextRoot).toEqual([join(elsewhere, 'docs'), '/srv']);
  const fromVariable = await load({ flags, env: { WARMLINE_DB: 'other.db' } }, cwd);
  expect(fromVariable.bus.db).toBe(join(cwd, 'other.db'));
});

test('WARMLINE_CONFIG names the file, and --config wins over it', async () => {
  const cwd = tempDir();
  writeFileSync(join(cwd, 'one.toml'), 'port = 1');
  writeFileSync(join(cwd, 'two.toml'), 'port = 2');
  const env = { WARMLINE_CONFIG: 'one.toml' };
  expect((await load({ env }, cwd)).address.port).toBe(1);
  expect((await load({ env, flags: { config: 'two.toml' } }, cwd)).address.port).toBe(2);
});
