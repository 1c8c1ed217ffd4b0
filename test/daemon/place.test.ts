import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { placeOf } from '../../clients/daemon/index.js';
import { ConfigError } from '../../src/errors.js';
import { tempDir } from '../support/process.js';

const HOME = { XDG_STATE_HOME: '/state' };

test('a bus has one place, whatever way its path is written', () => {
  const dir = tempDir();
  const file = join(dir, 'bus.db');
  writeFileSync(file, '');
  symlinkSync(file, join(dir, 'link.db'));
  symlinkSync(dir, join(dir, 'here'));
  const place = placeOf(file, HOME);
  for (const path of ['link.db', 'here/bus.db', './here/../bus.db']) {
    expect(placeOf(join(dir, path), HOME)).toEqual(place);
  }
  expect(place.dir.startsWith('/state/warmline/poll/bus.db-')).toBe(true);
});

test('a bus that is away for a moment keeps its place', () => {
  const dir = tempDir();
  symlinkSync(dir, join(dir, 'here'));
  const away = placeOf(join(dir, 'here', 'bus.db'), HOME);
  writeFileSync(join(dir, 'bus.db'), '');
  expect(placeOf(join(dir, 'bus.db'), HOME)).toEqual(away);
});

test('two buses of one name have two places, below one directory', () => {
  const dir = tempDir();
  const files = ['one', 'other'].map((name) => join(dir, name, 'bus.db'));
  for (const file of files) {
    mkdirSync(join(file, '..'));
    writeFileSync(file, '');
  }
  expect(new Set(files.map((file) => placeOf(file, HOME).dir)).size).toBe(2);
});

test('whatever a bus is called, its place is one name in that directory', () => {
  for (const name of ['..', ' a\nb ', `${'x'.repeat(200)}.db`, '\u001b[31m.db']) {
    const { dir } = placeOf(join(tempDir(), name), HOME);
    expect(basename(dir)).toMatch(/^[\w.-]{1,64}-[0-9a-f]{16}$/);
    expect(join(dir, '..')).toBe('/state/warmline/poll');
  }
});

test('without a home there is no place', () => {
  expect(() => placeOf('/bus.db', {})).toThrow(ConfigError);
});
