import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { loadSettings } from '../../src/config/index.js';

export function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'warmline-config-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

export interface Given {
  readonly flags?: Record<string, unknown>;
  readonly env?: Record<string, string>;
  /** Text of `warmline.toml` in the working directory. */
  readonly file?: string;
}

export async function load({ flags = {}, env = {}, file }: Given, cwd = tempDir()) {
  if (file !== undefined) writeFileSync(join(cwd, 'warmline.toml'), file);
  return loadSettings({ flags, env, cwd });
}
