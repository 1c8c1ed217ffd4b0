import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { openSqliteBus } from '../../src/bus/index.js';
import { FOREIGN_SCHEMA } from '../../src/bus/sqlite/schema.js';
import { answer, TempBus, tempDir } from '../support/temp-bus.js';
import { node } from './processes.js';

/** A bus that no warmline has opened yet. */
function untouchedBus(): string {
  const file = join(tempDir(), 'bus.db');
  const db = new Database(file);
  db.pragma('journal_mode = WAL');
  db.exec(FOREIGN_SCHEMA);
  db.close();
  return file;
}

function ourTables(file: string): unknown[] {
  const db = new Database(file, { readonly: true });
  const tables = db
    .prepare(`SELECT name, sql FROM sqlite_master WHERE name LIKE 'warmline_%' ORDER BY name`)
    .all();
  db.close();
  return tables;
}

describe('our tables', () => {
  test('are made once and kept with what is in them', async () => {
    const temp = new TempBus();
    const before = ourTables(temp.file);
    const bus = temp.open();
    const id = temp.ask(temp.addConversation(), 'why?');
    const [lease] = await bus.claim({ limit: 1, leaseMs: 1000 });
    if (lease) await bus.complete(lease, answer());
    const again = temp.open();
    expect(again.answerTo(id)).toBeDefined();
    expect(again.stats().complete).toBe(1);
    expect(ourTables(temp.file)).toEqual(before);
  });

  test('are made by one of several programs that start at the same moment', async () => {
    const file = untouchedBus();
    const starters = Array.from({ length: 6 }, () => node('open.mjs', [file]));
    const said = await Promise.all(starters.map((starter) => starter.line()));
    expect(said.map((line) => JSON.parse(line))).toEqual(starters.map(() => ({ leases: 0 })));
    expect(ourTables(file)).toEqual(ourTables(new TempBus().file));
  });

  test('are whole or absent after a kill at any step of making them', async () => {
    const expected = ourTables(new TempBus().file);
    for (let statement = 1; ; statement += 1) {
      const file = untouchedBus();
      const dying = node('die-migrating.mjs', [file, String(statement)]);
      const code = await dying.ended;
      expect([expected, []]).toContainEqual(ourTables(file));
      await openSqliteBus({ file }).close();
      expect(ourTables(file)).toEqual(expected);
      if (code === 0) break;
      expect(statement).toBeLessThan(50);
    }
  }, 60_000);

  test('of a newer warmline are not touched', () => {
    const temp = new TempBus();
    temp.peer.exec(`UPDATE warmline_meta SET value = '99' WHERE key = 'schema_version'`);
    const version = temp.peer.pragma('data_version', { simple: true });
    expect(() => openSqliteBus({ file: temp.file })).toThrow(
      expect.objectContaining({
        code: 'bus_schema',
        message: expect.stringMatching(/newer warmline .*99.*upgrade/),
      }),
    );
    expect(temp.peer.pragma('data_version', { simple: true })).toBe(version);
  });

  test('with a version that is no number are not touched', () => {
    const temp = new TempBus();
    temp.peer.exec(`UPDATE warmline_meta SET value = 'soon' WHERE key = 'schema_version'`);
    const version = temp.peer.pragma('data_version', { simple: true });
    expect(() => openSqliteBus({ file: temp.file })).toThrow(
      expect.objectContaining({ code: 'bus_schema' }),
    );
    expect(temp.peer.pragma('data_version', { simple: true })).toBe(version);
  });

  test('never let a finished question change', async () => {
    const temp = new TempBus();
    const bus = temp.open();
    temp.ask(temp.addConversation(), 'why?');
    const [lease] = await bus.claim({ limit: 1, leaseMs: 1000 });
    if (lease) await bus.complete(lease, answer());
    expect(() => temp.peer.exec(`UPDATE warmline_done SET outcome = 'failed'`)).toThrow(
      'never changed',
    );
  });

  test('refuse the lease of an autopoll of the first version, which could not settle it', async () => {
    const temp = new TempBus();
    const bus = temp.open();
    temp.ask(temp.addConversation(), 'why?');
    const [lease] = await bus.claim({ limit: 1, leaseMs: 1000 });
    if (lease) await bus.release(lease);
    const claim = temp.peer.prepare(
      `UPDATE warmline_lanes SET state = 'leased', attempts = attempts + 1, lease_token = ?`,
    );
    expect(() => claim.run('k3Jx0aQ9Zb1Y.1.1')).toThrow(/CHECK constraint failed/);
    expect(claim.run(lease?.token).changes).toBe(1);
  });
});
