import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeHome, removeDeserted } from '../../../src/engines/acp/homes.js';
import { tempDir } from '../../support/process.js';

test('only directories whose owner is gone are removed, also when its number is used again', async () => {
  const parent = tempDir();
  const ours = await makeHome(parent);
  const [, pid, start] = /warmline-acp-(\d+)-(\d+)-/.exec(ours) ?? [];
  expect(pid).toBe(String(process.pid));
  const kept = [ours.slice(parent.length + 1), 'warmline-acp-of-somebody', 'other-1-1-abc'];
  const gone = [`warmline-acp-${pid}-${Number(start) + 1}-abc`, 'warmline-acp-4194305-7-abc'];
  for (const name of [...kept.slice(1), ...gone])
    mkdirSync(join(parent, name, 'deep'), { recursive: true });
  await removeDeserted(parent);
  expect(readdirSync(parent).sort()).toEqual(kept.sort());
});
