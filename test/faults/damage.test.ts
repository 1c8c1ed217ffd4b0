import { expect, test } from 'vitest';
import { ALL_IS_WELL, House } from './house.js';

test('a bus that gets damaged is found out, and the autopoll ends with what to do', async () => {
  const house = new House();
  await house.fill();
  const bridge = await house.bridge();
  const autopoll = house.autopoll(bridge, '--check-every-ms', '1000');
  expect(await house.drained()).toEqual(ALL_IS_WELL);
  // What is in the WAL file would hide it.
  expect(await house.run(['python3', '-c', DAMAGE, house.file])).toMatchObject({ code: 0 });

  const { code, stderr } = await autopoll.ended;
  expect(code).toBe(78);
  expect(stderr).toMatch(/warmline: .*the file is damaged.*stop all programs and restore a backup/);
});

const DAMAGE = `
import sqlite3, sys
with sqlite3.connect(sys.argv[1], timeout=10) as db:
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    page, = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'messages'").fetchone()
with open(sys.argv[1], "r+b") as file:
    file.seek((page - 1) * 4096)
    file.write(b"damage" * 600)
`;
