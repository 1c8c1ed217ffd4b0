/** Which engines run, and with what: tables of the config file, flags and variables. */
import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  describedTable,
  ENGINE_KINDS,
  type EngineSettings,
  readKey,
  stateHome,
} from '../../src/config/index.js';
import { ConfigError } from '../../src/errors.js';
import { type Given, load as loadAll, tempDir } from './support.js';

const SECRET = 'sk-ant-not-to-be-seen';

async function load(given: Given, cwd?: string) {
  const settings = await loadAll(given, cwd);
  const byName = Object.fromEntries(settings.engines.map((engine) => [engine.name, engine]));
  return { usual: settings.engine.engine, names: Object.keys(byName), byName, settings };
}

const TWO = `
max_sessions = 6
first_byte_ms = 1000

[engines.smart]
kind = "claude"
claude_path = "bin/claude"
max_sessions = 2
fallback = "local"
aliases = ["sonnet"]

[engines.local]
kind = "openai"
base_url = "http://127.0.0.1:11434/v1"
model = "llama3.2"
first_byte_ms = 300000
`;

test('words that every object knows are keys that nobody knows', async () => {
  for (const key of ['constructor', 'toString', '__proto__', 'valueOf']) {
    const file = `[engines.a]\nkind = "fake"\n${key} = 1\n`;
    await expect(load({ file })).rejects.toThrow(new RegExp(`key "${key}" is not known`));
  }
});

describe('which engines there are', () => {
  test('nothing given: extract alone', async () => {
    const { usual, names, byName } = await load({});
    expect({ usual, names }).toEqual({ usual: 'extract', names: ['extract'] });
    expect(byName.extract).toMatchObject({ kind: 'extract', maxSessions: 4, spares: 1 });
  });

  test('a kind named by a flag needs no table', async () => {
    const flags = { engine: 'openai', engineModel: 'm', baseUrl: 'http://[::1]:1/v1' };
    const { usual, names, byName } = await load({ flags });
    expect({ usual, names }).toEqual({ usual: 'openai', names: ['openai'] });
    expect(byName.openai).toMatchObject({ model: 'm', baseUrl: 'http://[::1]:1/v1' });
  });

  test('every table is an engine, the first is the default unless another is named', async () => {
    const file = await load({ file: TWO });
    expect(file).toMatchObject({ usual: 'smart', names: ['smart', 'local'] });
    const flag = await load({ file: TWO, flags: { engine: 'local' } });
    expect(flag).toMatchObject({ usual: 'local', names: ['smart', 'local'] });
    const kind = await load({ file: TWO, env: { WARMLINE_ENGINE: 'extract' } });
    expect(kind).toMatchObject({ usual: 'extract', names: ['smart', 'local', 'extract'] });
  });

  test('a table named as a kind needs no kind, and a fall-back may be a kind', async () => {
    const { byName } = await load({ file: '[engines.claude]\nfallback = "extract"' });
    expect(byName.claude).toMatchObject({ kind: 'claude', fallback: 'extract' });
    expect(byName.extract).toMatchObject({ kind: 'extract' });
  });

  test('every example of the docs is one that loads', async () => {
    const docs = join(import.meta.dirname, '../../docs');
    const pages = readdirSync(docs, { recursive: true, encoding: 'utf8' });
    let examples = 0;
    for (const page of pages.filter((name) => name.endsWith('.md'))) {
      const text = readFileSync(join(docs, page), 'utf8');
      for (const [, example = ''] of text.matchAll(/```toml\n(.*?)```/gs)) {
        const { names } = await load({ file: example });
        expect(names, page).not.toEqual([]);
        examples += 1;
      }
    }
    expect(examples).toBeGreaterThan(3);
  });
});

describe('what holds for an engine', () => {
  test('its table, else the setting of that name, else the default', async () => {
    const { byName } = await load({ file: TWO });
    expect(byName.smart).toMatchObject({ maxSessions: 2, firstByteMs: 1_000, idleGapMs: 120_000 });
    expect(byName.local).toMatchObject({ maxSessions: 6, firstByteMs: 300_000 });
  });

  test('for the default one a flag or a variable wins over its table, for others it does not', async () => {
    const flags = { maxSessions: 9, engineModel: 'opus' };
    const env = { WARMLINE_FIRST_BYTE_MS: '7', WARMLINE_ENGINE_MODEL: 'haiku' };
    const { byName } = await load({ file: TWO, flags, env });
    expect(byName.smart).toMatchObject({ maxSessions: 9, firstByteMs: 7, model: 'opus' });
    expect(byName.local).toMatchObject({
      maxSessions: 9,
      firstByteMs: 300_000,
      model: 'llama3.2',
    });
  });

  test('spares never exceed the sessions of an engine unless its own table says both', async () => {
    const { byName } = await load({ file: 'spares = 3\n[engines.fake]\nmax_sessions = 1' });
    expect(byName.fake).toMatchObject({ maxSessions: 1, spares: 1 });
  });

  test('paths start at the file they are written in, and so does the program of a command', async () => {
    const cwd = tempDir();
    const file = `${TWO}
[engines.agent]
kind = "acp"
command = ["./agent.sh", "--acp", "./not-a-path"]
[engines.known]
kind = "acp"
command = ["gemini", "--acp"]`;
    const { byName } = await load({ file }, cwd);
    expect(byName.smart?.claudePath).toBe(join(cwd, 'bin/claude'));
    expect(byName.agent?.command).toEqual([join(cwd, 'agent.sh'), '--acp', './not-a-path']);
    expect(byName.known?.command).toEqual(['gemini', '--acp']);
  });

  test('a command given as text is split at blanks, words in quotes stay whole', async () => {
    const command = async (acpCommand: string) =>
      (await load({ flags: { engine: 'acp', acpCommand } })).byName.acp?.command;
    expect(await command(' npx -y  "an agent" \'--flag=a b\' ""')).toEqual([
      'npx',
      '-y',
      'an agent',
      '--flag=a b',
      '',
    ]);
    await expect(command('agent "open')).rejects.toThrow(/--acp-command has a quote/);
    await expect(command('agent a"b"')).rejects.toThrow(ConfigError);
  });

  test('however words are quoted, they arrive as they were', async () => {
    const cwd = tempDir();
    const word = fc.string({ maxLength: 8 }).filter((text) => !/["']/.test(text));
    await fc.assert(
      fc.asyncProperty(fc.array(word, { maxLength: 5 }), async (words) => {
        const acpCommand = ['agent', ...words.map((text) => `"${text}"`)].join(' ');
        const { byName } = await load({ flags: { engine: 'acp', acpCommand } }, cwd);
        expect(byName.acp?.command).toEqual(['agent', ...words]);
      }),
      { numRuns: 50 },
    );
  });
});

const REFUSED: [string, Given, RegExp][] = [
  ['an unknown engine', { flags: { engine: 'clod' } }, /--engine must be one of .*"claude"\?/],
  ['an unknown fall-back', { file: '[engines.fake]\nfallback = "fak"' }, /fallback must be one of/],
  ['a fall-back to itself', { file: '[engines.fake]\nfallback = "fake"' }, /name another engine/],
  ['an unknown kind', { file: '[engines.x]\nkind = "gpt"' }, /\[engines\.x\] kind must be one of/],
  ['no kind', { file: '[engines.x]\nmodel = "m"' }, /engine x needs a kind: one of extract/],
  ['an unknown key', { file: '[engines.fake]\nmodle = "m"' }, /"modle" .*did you mean "model"\?/],
  ['concurrency', { file: '[engines.fake]\nconcurrency = 3' }, /max_sessions/],
  ['a number as a text', { file: '[engines.fake]\nspares = "1"' }, /spares must be a whole number/],
  ['engines that are no tables', { file: 'engines = 3' }, /must be tables, \[engines\.NAME\]/],
  ['an engine that is no table', { file: '[engines]\nfake = 3' }, /engines\.fake must be a table/],
  ['an engine as a table of its own', { file: '[claude]\nmodel = "m"' }, /\[engines\.claude\]/],
  ['an odd name', { file: '[engines."a b"]\nkind = "fake"' }, /named by .* letters/],
  [
    'no model',
    { flags: { engine: 'openai', baseUrl: 'http://h' } },
    /needs a model: --engine-model/,
  ],
  ['no agent', { flags: { engine: 'acp' } }, /needs an agent: --acp-command/],
  [
    'more spares than sessions in one table',
    { file: '[engines.fake]\nspares = 3\nmax_sessions = 2' },
    /engine fake: spares \(3\).*max_sessions \(2\)/,
  ],
  [
    'two places for one key',
    { file: '[engines.claude]\nkey_file = "f"\nkey_env = "K"' },
    /key_file and key_env/,
  ],
  [
    'a key for another kind',
    { file: '[engines.fake]\nclaude_path = "c"' },
    /claude_path is for claude, not for fake/,
  ],
  [
    'a flag for another kind',
    { flags: { engine: 'fake', claudePath: 'c' } },
    /--claude-path is for claude, not for fake/,
  ],
  [
    'an alias of two',
    { file: '[engines.fake]\naliases = ["x"]\n[engines.extract]\naliases = ["x"]' },
    /alias "x" is a name of fake already/,
  ],
  [
    'an alias that is a name',
    { file: '[engines.fake]\naliases = ["extract"]\n[engines.extract]' },
    /a name of extract already/,
  ],
  ['no address', { flags: { engine: 'openai', baseUrl: 'localhost:1' } }, /must be an http/],
];

test.each(REFUSED)('%s is refused in one clear line', async (_what, given, words) => {
  const outcome = await load(given).catch((error) => error);
  expect(outcome).toBeInstanceOf(ConfigError);
  expect(outcome.message).toMatch(words);
  expect(outcome.message).not.toContain('\n');
});

test('a key that is given in a wrong place is refused with advice, and not repeated', async () => {
  const wrong: Given[] = [
    { file: `[engines.claude]\nkey = "${SECRET}"` },
    { file: `[engines.claude]\napi_key = "${SECRET}"` },
    { file: `key = "${SECRET}"` },
    { file: `[engines.claude]\nkey_env = "${SECRET}"` },
    { env: { WARMLINE_KEY_ENV: SECRET } },
    { flags: { engine: 'openai', engineModel: 'm', baseUrl: `http://user:${SECRET}@host/v1` } },
  ];
  for (const given of wrong) {
    const outcome = await load(given).catch((error) => error);
    expect(outcome).toBeInstanceOf(ConfigError);
    expect(outcome.message).not.toContain(SECRET);
    expect(outcome.message).toMatch(/key_env|variable|without a user or password/);
  }
});

test('a setting of the file that another kind of engine would use does no harm', async () => {
  const file = 'claude_path = "c"\nbase_url = "http://h"\nengine_model = "m"';
  const { byName } = await load({ file });
  expect(byName.extract).not.toHaveProperty('claudePath');
  expect(byName.extract).not.toHaveProperty('model');
});

test('whatever a table holds, it makes an engine or an error in one line', async () => {
  const cwd = tempDir();
  const { own, inherited } = describedTable();
  const key = fc.constantFrom(...[...own, ...inherited].map(({ fileKey }) => fileKey), 'kee');
  const value = fc.oneof(
    fc.string(),
    fc.integer(),
    fc.boolean(),
    fc.array(fc.string(), { maxLength: 3 }),
    fc.constantFrom(...ENGINE_KINDS),
  );
  const table = fc.dictionary(key, value, { maxKeys: 6 });
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...ENGINE_KINDS), table, async (kind, keys) => {
      const lines = Object.entries(keys).map(([name, held]) => `${name} = ${JSON.stringify(held)}`);
      const outcome = await load({ file: [`[engines.${kind}]`, ...lines].join('\n') }, cwd).catch(
        (error) => error,
      );
      if (!(outcome instanceof ConfigError)) expect(outcome.byName[kind]).toBeDefined();
      else expect(outcome.message).not.toContain('\n');
    }),
    { numRuns: 300 },
  );
});

describe('the key of an engine', () => {
  function keyFile(text: string, mode = 0o600): string {
    const file = join(tempDir(), 'key');
    writeFileSync(file, text);
    chmodSync(file, mode);
    return file;
  }

  async function engine(flags: Record<string, unknown>, file?: string): Promise<EngineSettings> {
    const given = { engineModel: 'm', engine: 'anthropic', ...flags };
    const { byName } = await load(file === undefined ? { flags: given } : { flags: given, file });
    return byName.anthropic as EngineSettings;
  }

  test('comes from a file of its owner, without what surrounds it', async () => {
    expect(readKey(await engine({ keyFile: keyFile(`  ${SECRET}\n`) }), {})).toBe(SECRET);
    const open = await engine({ keyFile: keyFile(SECRET, 0o644) });
    expect(() => readKey(open, {})).toThrow(/others can read the key file .*chmod 600/);
    const none = await engine({ keyFile: '/nowhere/key' });
    expect(() => readKey(none, {})).toThrow(/cannot read the key file .*umask 077/);
  });

  test('given in the place of its file is refused, and not repeated', async () => {
    const given = await engine({ keyFile: SECRET });
    expect(() => readKey(given, {})).toThrow(
      /^engine anthropic: key_file must name a file that holds the key$/,
    );
  });

  test('or from the variable that is named, which must be there', async () => {
    const named = await engine({ keyEnv: 'MY_KEY' });
    expect(readKey(named, { MY_KEY: SECRET })).toBe(SECRET);
    expect(() => readKey(named, {})).toThrow(/the variable MY_KEY is not set/);
  });

  test('is one word, and no error repeats what is not', async () => {
    for (const text of ['', ' ', `two ${SECRET}`, `${SECRET}\nX-Evil: 1`, `schlüssel${SECRET}`]) {
      const written = await engine({ keyFile: keyFile(text) });
      const error = (() => {
        try {
          return readKey(written, {});
        } catch (thrown) {
          return thrown;
        }
      })();
      expect(error).toBeInstanceOf(ConfigError);
      expect((error as Error).message).not.toContain(SECRET);
    }
  });

  test('is never taken from the environment unasked', async () => {
    const env = { ANTHROPIC_API_KEY: SECRET };
    expect(() => readKey({ ...anthropic, baseUrl: undefined }, env)).toThrow(
      /needs a key.*--key-file/,
    );
    expect(readKey({ ...anthropic, baseUrl: 'http://127.0.0.1:1' }, env)).toBeUndefined();
  });

  const anthropic = { name: 'a', kind: 'anthropic', model: 'm' } as EngineSettings;

  test('a flag stands in for whatever place the table names', async () => {
    const table = '[engines.anthropic]\nmodel = "m"\nkey_env = "OLD_KEY"';
    const file = keyFile(SECRET);
    const settings = await engine({ keyFile: file }, table);
    expect(settings).toMatchObject({ keyFile: file });
    expect(settings.keyEnv).toBeUndefined();
  });
});

test('what survives a restart is kept where the user keeps such things', () => {
  expect(stateHome({ HOME: '/home/me' })).toBe('/home/me/.local/state');
  expect(stateHome({ HOME: '/home/me', XDG_STATE_HOME: '/var/me' })).toBe('/var/me');
  expect(stateHome({ HOME: '/home/me', XDG_STATE_HOME: 'relative' })).toBe('/home/me/.local/state');
  expect(stateHome({})).toBeUndefined();
});
