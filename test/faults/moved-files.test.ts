import { chmodSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { tempDir } from '../support/process.js';
import { ALL_IS_WELL, expectToldOnce, House, need, QUESTIONS, told } from './house.js';

/** Root may write what is read-only; without this capability it may not, like anybody else. */
function bound(): string[] {
  if (process.getuid?.() !== 0) return [];
  return [need('setpriv', 'util-linux'), '--bounding-set=-dac_override', '--'];
}

test('a WAL file that somebody deletes is found out, and nothing that was in it is lost', async () => {
  const house = new House();
  const autopoll = await house.atWork();
  for (const end of ['-wal', '-shm']) rmSync(house.file + end, { force: true });

  expect(await house.drained()).toEqual(ALL_IS_WELL);
  expect(told(autopoll, /bus/).filter((line) => Number(line.level) > 30)).toEqual([]);
  expect(await autopoll.kill('SIGTERM')).toMatchObject({ code: 0 });
});

test('another bus in place of the first is answered, and the first is left as it was', async () => {
  const house = new House();
  const other = new House();
  await other.fill();
  const autopoll = await house.atWork();
  const old = join(tempDir(), 'old.db');
  for (const end of ['', '-wal', '-shm']) renameSync(house.file + end, old + end);
  const before = await house.verdict(old);
  renameSync(other.file, house.file);

  expect(await house.drained()).toEqual(ALL_IS_WELL);
  expect(await house.verdict(old)).toEqual(before);
  expect(before).toMatchObject({ check: 'ok', repeated: [], disordered: [] });
  expect(await autopoll.kill('SIGTERM')).toMatchObject({ code: 0 });
});

test('another bus moved over the first is not mixed with the WAL file that was left there', async () => {
  const house = new House();
  const other = new House();
  await other.fill();
  const autopoll = await house.atWork();
  renameSync(other.file, house.file);
  await autopoll.says(/another file was put in its place/);

  expect(await house.drained()).toEqual(ALL_IS_WELL);
  await autopoll.says(/bus writable again/);
  expectToldOnce(autopoll, 'bus_io');
  expect(await autopoll.kill('SIGTERM')).toMatchObject({ code: 0 });
});

test('a bus that is gone is waited for, without a line for each attempt', async () => {
  const house = new House();
  const autopoll = await house.atWork();
  const away = join(tempDir(), 'away.db');
  for (const end of ['', '-wal', '-shm']) renameSync(house.file + end, away + end);
  await autopoll.says(/there is no bus at/);
  // The spool has them when the turns that were under way are over.
  await house.untilSpooled(1);
  for (const end of ['-wal', '-shm', '']) renameSync(away + end, house.file + end);

  expect(await house.drained()).toEqual(ALL_IS_WELL);
  await autopoll.says(/bus writable again/);
  expectToldOnce(autopoll, 'bus_missing');
  expect(await autopoll.kill('SIGTERM')).toMatchObject({ code: 0 });
});

test('a file that turns read-only when it is replaced is waited out', async () => {
  const house = new House({ prefix: bound() });
  // The copy holds leases on what is answered meanwhile.
  const autopoll = await house.atWork('--lease-ms', '1500', '--renew-every-ms', '300');
  const copy = join(house.dir, 'copy.db');
  expect(await house.run(['python3', '-c', COPY, house.file, copy])).toMatchObject({ code: 0 });
  chmodSync(copy, 0o400);
  for (const end of ['-wal', '-shm']) rmSync(house.file + end);
  renameSync(copy, house.file);
  await autopoll.says(/is not readable and writable for this user/);
  chmodSync(house.file, 0o600);

  expect(await house.drained()).toEqual(ALL_IS_WELL);
  await autopoll.says(/bus writable again/);
  expect(await autopoll.kill('SIGTERM')).toMatchObject({ code: 0 });
});

const COPY = `
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as old, sqlite3.connect(sys.argv[2]) as new:
    old.backup(new)
`;

test.each([
  ['file', 0o400],
  ['directory', 0o500],
] as const)('a read-only %s is refused at the start, with what to change', async (what, mode) => {
  const dir = join(tempDir(), 'bus');
  mkdirSync(dir);
  const house = new House({ dir, prefix: bound() });
  await house.fill();
  chmodSync(what === 'file' ? house.file : dir, mode);
  const bridge = await house.bridge();
  const { code, stderr } = await house.autopoll(bridge).ended;
  chmodSync(dir, 0o700);
  expect(code).toBe(78);
  expect(stderr).toMatch(/warmline: .* is not readable and writable for this user; a bus needs/);
  expect(await house.verdict()).toMatchObject({ check: 'ok', unread: QUESTIONS });
});
