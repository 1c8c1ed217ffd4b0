import { expect, test } from 'vitest';
import { hasWalResetFix } from '../../src/bus/index.js';

test.each([
  ['3.7.0', false],
  ['3.40.1', false],
  ['3.44.5', false],
  ['3.44.6', true],
  ['3.45.0', false],
  ['3.49.9', false],
  ['3.50.6', false],
  ['3.50.7', true],
  ['3.51.0', false],
  ['3.51.2', false],
  ['3.51.3', true],
  ['3.51.10', true],
  ['3.52.0', true],
  ['3.100.0', true],
  ['4.0.0', true],
  ['2.8.17', false],
  ['', false],
])('SQLite %s keeps every commit when several programs share a file: %s', (version, safe) => {
  expect(hasWalResetFix(version)).toBe(safe);
});
