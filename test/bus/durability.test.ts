import type Database from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import { openBusFile } from '../../src/bus/sqlite/connection.js';
import { Writer } from '../../src/bus/sqlite/writer.js';
import { systemClock } from '../../src/clock.js';
import { TempBus } from '../support/temp-bus.js';

const FULL = 2;
const NORMAL = 1;

test('an answer is on the disk before it is reported as kept; a claim alone need not be', async () => {
  const db: Database.Database = openBusFile(new TempBus().file);
  onTestFinished(() => void db.close());
  const nothing = () => {};
  const writer = new Writer({
    ...{ file: db.name, clock: systemClock, db: () => db, ensureCurrent: nothing },
    ...{ beforeCommit: nothing, afterCommit: nothing, afterRollback: nothing, reopen: nothing },
    ...{ onTrouble: nothing, onRecovered: nothing },
  });
  const synchronous = () => db.pragma('synchronous', { simple: true });
  expect(await writer.submit('settle', synchronous)).toBe(FULL);
  expect(await writer.submit('claim', synchronous)).toBe(NORMAL);
  expect(await writer.submit('settle', synchronous)).toBe(FULL);
  const together = [writer.submit('claim', synchronous), writer.submit('settle', synchronous)];
  expect(await Promise.all(together)).toEqual([FULL, FULL]);
  writer.close();
});
