/** Where the Agent SDK is looked for: npm puts it in different places for different people. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { locateSdk } from '../../../src/engines/claude/sdk.js';

function project(name: string): { readonly dir: string; readonly file: string } {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'warmline-sdk-')));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const home = join(dir, 'node_modules', name);
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, 'package.json'), JSON.stringify({ name, main: 'index.js' }));
  writeFileSync(join(home, 'index.js'), '');
  return { dir, file: join(home, 'index.js') };
}

test('an SDK installed where the server is started is found', () => {
  const { dir, file } = project('sdk-of-the-directory');
  const before = process.cwd();
  onTestFinished(() => process.chdir(before));
  process.chdir(dir);
  expect(locateSdk('sdk-of-the-directory')).toBe(file);
});

test('an SDK installed in the project that has linked to warmline is found', () => {
  const { dir, file } = project('sdk-of-the-project');
  const [, script = ''] = process.argv;
  onTestFinished(() => {
    process.argv[1] = script;
  });
  process.argv[1] = join(dir, 'node_modules/.bin/warmline');
  expect(locateSdk('sdk-of-the-project')).toBe(file);
});

test('without one, the command that installs it is named', () => {
  expect(() => locateSdk('sdk-of-nobody')).toThrow(
    /^the claude engine needs sdk-of-nobody, .*run: npm install --global @anthropic-ai\/claude-agent-sdk$/,
  );
});
