import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { python } from '../bus/processes.js';
import { warmline } from '../support/process.js';
import { ALL_IS_WELL, type Bridge, CONCURRENCY, House, QUESTIONS } from './house.js';

/** How many queries a bridge has answered. */
async function answered({ port }: Bridge): Promise<number> {
  const { stdout } = await warmline(['stats', '--port', port, '--json']);
  return JSON.parse(stdout).server.answered;
}

function leasesOn(file: string): number {
  const db = new Database(file, { readonly: true });
  const leased = db.prepare(`SELECT count(*) FROM warmline_lanes WHERE state = 'leased'`).pluck();
  const count = Number(leased.get());
  db.close();
  return count;
}

/** An autopoll with finished answers that it cannot write: another program has the lock. */
async function lockedOut() {
  const house = new House();
  await house.fill();
  const bridge = await house.bridge();
  const autopoll = house.autopoll(bridge, '--drain-ms', '500');
  await house.begun();
  const lock = python('hold_lock.py', house.file);
  expect(await lock.line()).toBe('locked');
  await autopoll.says(/another program holds the write lock/);
  // One that has ended and is not written yet may have given its slot to another.
  const leased = leasesOn(house.file);
  expect(leased).toBeGreaterThanOrEqual(CONCURRENCY);
  await house.untilSpooled(leased);
  const { unread } = await house.verdict();
  return { house, bridge, autopoll, lock, leased, left: Number(unread) };
}

test('a kill -9 while the bus cannot be written asks no model again', async () => {
  const { house, bridge, autopoll, lock, leased, left } = await lockedOut();
  await autopoll.kill('SIGKILL');
  // The next bridge remembers nothing of what this one answered.
  await bridge.program.kill('SIGKILL');
  const next = await house.bridge();
  const again = house.autopoll(next);
  lock.say('now');

  expect(await house.drained()).toEqual(ALL_IS_WELL);
  await again.says(/answers found in the spool/);
  expect(await answered(next)).toBe(left - leased);
  expect(await again.kill('SIGTERM')).toMatchObject({ code: 0 });
  expect(house.spooled()).toEqual([]);
});

test('a stop while the bus cannot be written ends in time and leaves the answers in the spool', async () => {
  const { house, bridge, autopoll, lock, leased, left } = await lockedOut();
  expect(await autopoll.kill('SIGTERM')).toMatchObject({ code: 0 });
  expect(house.spooled()).toHaveLength(leased);
  const before = await answered(bridge);
  lock.say('now');
  const again = house.autopoll(bridge, '--once');
  expect(await again.ended).toMatchObject({ code: 0 });
  expect(await house.verdict()).toEqual(ALL_IS_WELL);
  expect((await answered(bridge)) - before).toBe(left - leased);
  expect(house.spooled()).toEqual([]);
});

test('what in the spool is torn or tampered with is not used: the model is asked again', async () => {
  const { house, bridge, autopoll, lock, leased } = await lockedOut();
  await autopoll.kill('SIGKILL');
  const [torn = '', changed = ''] = house.spooled().map((name) => join(house.spoolDir, name));
  writeFileSync(torn, '{"sha256":"00","entry":{"questionId":');
  writeFileSync(changed, '{"sha256":"00","entry":{"answer":"forged"}}');
  lock.say('now');
  const again = house.autopoll(bridge, '--once');
  expect(await again.ended).toMatchObject({ code: 0 });
  expect(again.stderr).toMatch(
    new RegExp(`"found":${leased - 2},"dropped":2.*answers found in the spool`),
  );
  expect(await house.verdict()).toEqual({ ...ALL_IS_WELL, asked: QUESTIONS });
  expect(house.spooled()).toEqual([]);
});
