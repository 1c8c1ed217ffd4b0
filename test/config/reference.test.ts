import { join } from 'node:path';
import { expect, test } from 'vitest';
import { describedSettings, describedTable, settingsReference } from '../../src/config/index.js';

const REFERENCE = join(import.meta.dirname, '../../docs/configuration.md');

test('docs/configuration.md is what the settings say (npm run docs:config writes it)', async () => {
  await expect(settingsReference()).toMatchFileSnapshot(REFERENCE);
});

test('the reference names every setting with its flag', () => {
  const text = settingsReference();
  for (const { fileKey, flag } of describedSettings()) {
    expect(text).toContain(`| \`${fileKey}\` |`);
    expect(text).toContain(`\`${flag}`);
  }
});

test('the reference names every key of an engine table, and the settings it may set otherwise', () => {
  const text = settingsReference();
  const { own, inherited } = describedTable();
  for (const { fileKey, about } of own) {
    expect(text).toMatch(new RegExp(`^\\| \`${fileKey}\` \\| [a-z, ]+ \\| `, 'm'));
    expect(text).toContain(about);
  }
  for (const { fileKey } of inherited) {
    expect(text.match(new RegExp(`\`${fileKey}\``, 'g'))?.length, fileKey).toBeGreaterThan(1);
  }
});

test('no two settings share a name', () => {
  const names = describedSettings().map(({ fileKey }) => fileKey);
  expect(new Set(names).size).toBe(names.length);
  expect(names.length).toBeGreaterThan(40);
});

test('every default is one the setting would take', () => {
  for (const { schema, standard } of describedSettings()) {
    if (standard !== undefined) expect(schema.parse(standard)).toEqual(standard);
  }
});
