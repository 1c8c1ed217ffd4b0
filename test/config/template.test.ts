import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  describedSettings,
  describedTable,
  loadSettings,
  settingsTemplate,
} from '../../src/config/index.js';
import { tempDir } from '../support/process.js';

const NOTHING = new Map<string, unknown>();

/** What a config file of this text amounts to. */
function load(text: string) {
  const dir = '/somewhere';
  return loadSettings({ flags: { config: 'warmline.toml' }, env: {}, cwd: dir, text });
}

test('a template without values changes no setting', async () => {
  expect(await load(await settingsTemplate(NOTHING))).toEqual(await load(''));
});

test('a comment that shows a default can be made a setting, and changes nothing', async () => {
  const text = await settingsTemplate(NOTHING);
  for (const { fileKey, standard } of describedSettings()) {
    if (standard === undefined) continue;
    const set = text.replace(new RegExp(`^#(?=${fileKey} = )`, 'm'), '');
    expect(set, fileKey).not.toBe(text);
    const usual = await load('');
    // A port that the file names has been asked for.
    const http = { ...usual.http, isPortUsual: fileKey !== 'http_port' };
    expect(await load(set), fileKey).toEqual({ ...usual, http });
  }
});

test('every setting is there once, with all that is said of it', async () => {
  const text = await settingsTemplate(new Map<string, unknown>([['db', 'bus.db']]));
  const [settings = '', tables = ''] = text.split('# ---- Engines ----');
  const words = settings.replace(/\n# /g, ' ');
  for (const { fileKey, about } of describedSettings()) {
    expect(settings.match(new RegExp(`^#?${fileKey} = `, 'gm')), fileKey).toHaveLength(1);
    expect(words).toContain(about);
  }
  for (const { fileKey } of describedTable().own) {
    expect(tables).toMatch(new RegExp(`^#${fileKey} = `, 'm'));
  }
  expect(text.split('\n').filter((line) => /^# .{98}/.test(line))).toEqual([]);
});

test('what is set is loaded as it was given, whatever is in it', async () => {
  const Text = fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }).filter(isWellFormed);
  await fc.assert(
    fc.asyncProperty(
      Text,
      fc.array(Text, { minLength: 1 }),
      fc.nat(65_535),
      async (text, list, port) => {
        const given = new Map<string, unknown>([
          ['shardId', text],
          ['warnCommand', list],
          ['port', port],
          ['sticky', true],
        ]);
        const { autopoll, warnings, address } = await load(await settingsTemplate(given));
        expect(autopoll).toMatchObject({ shardId: text, sticky: true });
        expect(warnings.warnCommand).toEqual(list);
        expect(address.port).toBe(port);
      },
    ),
  );
});

/** Half a surrogate pair is no text that a file can hold. */
function isWellFormed(text: string): boolean {
  return Buffer.from(text).toString() === text;
}

test('every setting can be set, also one that a table of an engine can set too', async () => {
  const standards = describedSettings().map(
    ({ key, standard }) => [key, standard ?? EXAMPLES[key]] as const,
  );
  const given = new Map(standards.filter(([, value]) => value !== undefined));
  const text = await settingsTemplate(given);
  expect(await load(text)).toMatchObject({
    engine: { baseUrl: EXAMPLES.baseUrl, keyFile: EXAMPLES.keyFile, stateDir: EXAMPLES.stateDir },
  });
});

const EXAMPLES: Readonly<Record<string, unknown>> = {
  engine: 'openai',
  engineModel: 'm',
  baseUrl: 'http://127.0.0.1:1/v1',
  keyFile: '/somewhere/key',
  stateDir: '/somewhere/state',
};

test('a file that is given as text is not read', async () => {
  const cwd = tempDir();
  writeFileSync(join(cwd, 'warmline.toml'), 'port = 1');
  const { address } = await loadSettings({ flags: {}, env: {}, cwd, text: 'port = 2' });
  expect(address.port).toBe(2);
  await expect(loadSettings({ flags: {}, env: {}, cwd, text: 'prot = 2' })).rejects.toThrow(
    /warmline\.toml: key "prot" is not known; did you mean "port"/,
  );
});
