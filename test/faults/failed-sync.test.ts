import { expect, test } from 'vitest';
import { Program } from '../support/process.js';
import { ALL_IS_WELL, expectToldOnce, House, need } from './house.js';

const FAILED = / fsync\(\d+<[^>]*bus\.db-wal>\) += -1 EIO/;
const TO_WAL = /pwrite64\(\d+<[^>]*bus\.db-wal>/;
const TO_BUS = /pwrite64\(\d+<[^>]*bus\.db>/;
const BUS_SYNCED = / fsync\(\d+<[^>]*bus\.db>\) += 0/;

test('after a failed sync the file is opened again and its content written anew, nothing is lost', async () => {
  const strace = need('strace', 'strace');
  const house = new House();
  const autopoll = await house.atWork();
  // The first three in each thread fail; all of SQLite runs in one.
  const disk = new Program(strace, [
    ...['-f', '-y', '-p', String(autopoll.pid), '-e', 'trace=fsync,fdatasync,openat,pwrite64'],
    ...['-e', 'inject=fsync,fdatasync:error=EIO:when=1..3', '-e', 'signal=none'],
  ]);
  await autopoll.says(/the disk reports an error.*SQLITE_IOERR_FSYNC/);
  await autopoll.says(/bus writable again/);
  expect(await house.drained()).toEqual(ALL_IS_WELL);
  await disk.kill('SIGINT');
  expectToldOnce(autopoll, 'bus_io');
  expect(await autopoll.kill('SIGTERM')).toMatchObject({ code: 0 });

  // The system reports a failed sync once: another one over the same open file would succeed.
  const calls = disk.stderr.split('\n').filter((line) => line.includes('bus.db'));
  const wal = calls.filter((line) => line.includes('bus.db-wal'));
  expect(wal.filter((line) => FAILED.test(line))).toHaveLength(3);
  for (const [at, call] of wal.entries()) {
    if (FAILED.test(call)) expect(wal[at + 1]).toMatch(/ openat\(/);
  }
  // What the WAL file held is in the bus before anything is added to it.
  const after = calls.slice(calls.findLastIndex((line) => FAILED.test(line)));
  const healing = after.slice(
    0,
    after.findIndex((line) => TO_WAL.test(line)),
  );
  expect(healing.some((line) => TO_BUS.test(line))).toBe(true);
  expect(healing.some((line) => BUS_SYNCED.test(line))).toBe(true);
});
