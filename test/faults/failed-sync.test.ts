import { expect, test } from 'vitest';
import { Program } from '../support/process.js';
import { ALL_IS_WELL, expectToldOnce, House, need } from './house.js';

const FAILED = / fsync\(\d+<[^>]*bus\.db-wal>\) += -1 EIO/;

test('after a failed sync the file is opened again and its content written anew, nothing is lost', async () => {
  const strace = need('strace', 'strace');
  const house = new House();
  await house.fill();
  const bridge = await house.bridge();
  const autopoll = house.autopoll(bridge);
  await house.begun();
  const disk = new Program(strace, [
    ...['-f', '-y', '-p', String(autopoll.pid), '-e', 'trace=fsync,fdatasync,openat,pwrite64'],
    ...['-e', 'inject=fsync,fdatasync:error=EIO', '-e', 'signal=none'],
  ]);
  await autopoll.says(/the disk reports an error.*SQLITE_IOERR_FSYNC/);
  await disk.says(/bus\.db-wal>\) += -1 EIO[\s\S]*bus\.db-wal>\) += -1 EIO/);
  await disk.kill('SIGINT');

  expect(await house.drained()).toEqual(ALL_IS_WELL);
  await autopoll.says(/bus writable again/);
  expectToldOnce(autopoll, 'bus_io');
  expect(await autopoll.kill('SIGTERM')).toMatchObject({ code: 0 });

  // The system reports a failed sync once: another one over the same open file would succeed.
  const calls = disk.stderr.split('\n').filter((line) => line.includes('bus.db-wal'));
  const synced = calls.filter((line) => FAILED.test(line));
  expect(synced.length).toBeGreaterThan(1);
  for (const [at, call] of calls.entries()) {
    if (FAILED.test(call) && at < calls.length - 1) expect(calls[at + 1]).toMatch(/ openat\(/);
  }
});
