import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { python } from '../bus/processes.js';
import { ALL_IS_WELL, CONCURRENCY, expectToldOnce, House } from './house.js';

/** `LOCK_MS=60000 npx vitest run test/faults/foreign-lock.test.ts` holds it for a minute. */
const LOCK_MS = Number(process.env.LOCK_MS ?? 0);

test('a lock held by another program delays answers and loses none', {
  timeout: 60_000 + 2 * LOCK_MS,
}, async () => {
  const house = new House();
  const autopoll = await house.atWork();
  const lock = python('hold_lock.py', house.file);
  expect(await lock.line()).toBe('locked');

  await autopoll.says(/another program holds the write lock/);
  // What was under way when the lock came is finished and kept; nothing else is begun.
  await house.untilSpooled(CONCURRENCY);
  // A person may want to see it last.
  await pause(LOCK_MS);
  expect(house.spooled()).toHaveLength(CONCURRENCY);
  for (const name of house.spooled()) {
    const kept = readFileSync(join(house.spoolDir, name), 'utf8');
    expect(kept).toContain('[REDACTED]');
    expect(kept).not.toContain('ghp_');
  }
  lock.say('now');

  expect(await house.drained()).toEqual(ALL_IS_WELL);
  await autopoll.says(/bus writable again/);
  expectToldOnce(autopoll, 'bus_busy');
  expect(await autopoll.kill('SIGTERM')).toMatchObject({ code: 0 });
  expect(house.spooled()).toEqual([]);
});
