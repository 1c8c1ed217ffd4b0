import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseScript } from '../../src/engines/fake/script.js';

const PAGE = join(import.meta.dirname, '../../docs/engines/fake.md');

test('every word that the page of the fake engine names is one', () => {
  const rows = readFileSync(PAGE, 'utf8').match(/^\| `.*$/gm) ?? [];
  const words = rows.flatMap((row) => (row.split('|')[1] ?? '').match(/[a-z_]+(=\w+)?/gi) ?? []);
  expect(words.length).toBeGreaterThan(15);
  const values: Record<string, string> = { CODE: 'engine_error', NAME: 'fake' };
  for (const word of words) {
    const [name, value] = word.split('=');
    const given = values[value ?? ''] ?? value?.replace(/^[A-Z]+$/, '7');
    const spoken = given === undefined ? name : `${name}=${given}`;
    const script = parseScript(`!fake ${spoken} Why?`, { delayMs: 0, deltas: 0, name: 'fake' });
    expect(script?.question, word).toBe('Why?');
  }
});
