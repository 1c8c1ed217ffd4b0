import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Program, tempDir } from '../support/process.js';
import { ALL_IS_WELL, CONCURRENCY, expectToldOnce, House, need } from './house.js';

/** A disk of 8 MiB that only we see, without being root. */
async function smallDisk() {
  const dir = tempDir();
  const unshare = need('unshare', 'util-linux');
  const mount = 'mount -t tmpfs -o size=8m tmpfs "$0" && echo mounted && exec sleep infinity';
  const holder = new Program(unshare, ['-Urm', 'sh', '-c', mount, dir]);
  await holder.says(/mounted/);
  const enter = ['-U', '-m', '--preserve-credentials', '-t', String(holder.pid), '--'];
  return { dir, prefix: [need('nsenter', 'util-linux'), ...enter] };
}

test('a full disk delays answers and loses none; work goes on when there is space', async () => {
  const disk = await smallDisk();
  const house = new House(disk);
  const autopoll = await house.atWork();
  const ballast = join(disk.dir, 'ballast');
  expect(await house.run(['dd', 'if=/dev/zero', `of=${ballast}`, 'bs=64k'])).toMatchObject({
    stderr: expect.stringContaining('No space left'),
  });

  await autopoll.says(/the disk is full/);
  await house.untilSpooled(CONCURRENCY);
  expect(await house.run(['rm', ballast])).toMatchObject({ code: 0 });

  expect(await house.drained()).toEqual(ALL_IS_WELL);
  await autopoll.says(/bus writable again/);
  expectToldOnce(autopoll, 'bus_full');
  expect(await autopoll.kill('SIGTERM')).toMatchObject({ code: 0 });
  expect(house.spooled()).toEqual([]);
});

test('when the spool has no space either, answers wait in memory, and that is said once', async () => {
  const disk = await smallDisk();
  const house = new House(disk);
  const autopoll = await house.atWork('--spool-dir', join(disk.dir, 'spool'));
  const ballast = join(disk.dir, 'ballast');
  await house.run(['dd', 'if=/dev/zero', `of=${ballast}`, 'bs=64k']);

  await autopoll.says(/the disk is full/);
  await autopoll.says(/the spool cannot be used; answers wait in memory alone/);
  expect(await house.run(['rm', ballast])).toMatchObject({ code: 0 });

  expect(await house.drained()).toEqual(ALL_IS_WELL);
  await autopoll.says(/bus writable again/);
  expectToldOnce(autopoll, 'bus_full');
  expect(autopoll.stderr.match(/the spool cannot be used/g)).toHaveLength(1);
  expect(await autopoll.kill('SIGTERM')).toMatchObject({ code: 0 });
});

test('a limit on file sizes is waited out like a full disk', async () => {
  const prlimit = need('prlimit', 'util-linux');
  const house = new House();
  const autopoll = await house.atWork();
  const limit = (size: string) =>
    house.run([prlimit, `--pid=${autopoll.pid}`, `--fsize=${size}:unlimited`]);
  // Enough for an answer in the spool, and less than the WAL file has by now.
  expect(await limit('16384')).toMatchObject({ code: 0 });

  await autopoll.says(/the disk reports an error/);
  await house.untilSpooled(CONCURRENCY);
  expect(await limit('unlimited')).toMatchObject({ code: 0 });

  expect(await house.drained()).toEqual(ALL_IS_WELL);
  await autopoll.says(/bus writable again/);
  expectToldOnce(autopoll, 'bus_io');
  expect(await autopoll.kill('SIGTERM')).toMatchObject({ code: 0 });
  expect(house.spooled()).toEqual([]);
});
