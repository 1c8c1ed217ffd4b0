import { copyFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { openSqliteBus } from '../../src/bus/index.js';
import { FOREIGN_SCHEMA } from '../../src/bus/sqlite/schema.js';
import { drainAll } from '../contract/bus.commands.js';
import { answer, query, TempBus, tempDir } from '../support/temp-bus.js';

const FIXTURE = join(import.meta.dirname, '../fixtures/bus/memory-bus.db');
const FOREIGN = ['conversations', 'messages', 'session_status', 'audit_log'];

/** Everything in the file that belongs to the four tables of the other programs. */
function foreignSchema(file: string): unknown[] {
  const db = new Database(file, { readonly: true });
  const list = FOREIGN.map((table) => `'${table}'`).join(', ');
  const objects = db
    .prepare(`SELECT type, name, tbl_name, sql FROM sqlite_master WHERE tbl_name IN (${list})`)
    .all();
  db.close();
  return objects;
}

function busFile(schema: string, journalMode = 'wal'): string {
  const file = join(tempDir(), 'bus.db');
  const db = new Database(file);
  db.pragma(`journal_mode = ${journalMode}`);
  db.exec(schema);
  db.close();
  return file;
}

describe('the tables of the other programs', () => {
  test('are the same after a drain as before it, with no index or trigger on them', async () => {
    const file = join(tempDir(), 'bus.db');
    copyFileSync(FIXTURE, file);
    const before = foreignSchema(file);
    const bus = openSqliteBus({ file });
    expect((await drainAll(bus)).length).toBeGreaterThan(10);
    await bus.heartbeat();
    await bus.close();
    expect(foreignSchema(file)).toEqual(before);
    expect(foreignSchema(file).map((row) => (row as { type: string }).type)).not.toContain(
      'trigger',
    );
  });

  test('take odd metadata from other programs as before', async () => {
    const temp = new TempBus();
    const conversationId = temp.addConversation();
    const bus = temp.open();
    await bus.claim({ limit: 1, leaseMs: 1000 });
    expect(() =>
      temp.insert({ conversationId, message: query('why?'), metadata: 'no json' }),
    ).not.toThrow();
  });
});

describe('a file that is not the bus we know is refused, named and left as it is:', () => {
  const schemas = {
    ...Object.fromEntries(
      FOREIGN.map((table) => [
        `without table ${table}`,
        [FOREIGN_SCHEMA.replace(` ${table} (`, ` other_${table} (`), table],
      ]),
    ),
    ...Object.fromEntries(
      [
        'session_a_role TEXT',
        'expires_at TEXT',
        'from_session TEXT',
        'to_session TEXT',
        'message TEXT',
        'metadata TEXT',
        'read INTEGER',
        'status TEXT',
        'last_heartbeat TEXT',
        'action TEXT',
        'details TEXT',
      ].map((column) => [
        `with ${column} under another name`,
        [FOREIGN_SCHEMA.replace(` ${column}`, ` old_${column}`), column.split(' ')[0]],
      ]),
    ),
    'with a column that we would have to fill': [
      FOREIGN_SCHEMA.replace('metadata TEXT', 'metadata TEXT, urgency TEXT NOT NULL'),
      'urgency',
    ],
    'with a view in place of a table': [
      FOREIGN_SCHEMA.replace(' audit_log (', ' log (') +
        'CREATE VIEW audit_log AS SELECT * FROM log;',
      'audit_log',
    ],
    'with other tables altogether': [
      'CREATE TABLE notes (id INTEGER, message TEXT);',
      'conversations',
    ],
  };

  describe.each(['wal', 'delete'])('in journal mode %s,', (journalMode) => {
    test.each(Object.entries(schemas))('%s', (_, [schema, name]) => {
      const file = busFile(schema ?? '', journalMode);
      const before = readFileSync(file);
      expect(() => openSqliteBus({ file })).toThrow(
        expect.objectContaining({
          name: 'BusError',
          code: 'bus_schema',
          message: expect.stringMatching(new RegExp(`"${name}".*nothing was changed`)),
        }),
      );
      expect(readFileSync(file).equals(before)).toBe(true);
      expect(readdirSync(join(file, '..'))).toEqual(['bus.db']);
    });
  });
});

describe('a bus with more in it than we know is used:', () => {
  test.each([
    ['further columns', 'ALTER TABLE messages ADD COLUMN urgency TEXT'],
    [
      'further columns with a default',
      "ALTER TABLE messages ADD COLUMN kind TEXT NOT NULL DEFAULT ''",
    ],
    ['further tables', 'CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)'],
    ['an index of its owner', 'CREATE INDEX unread ON messages (to_session, read)'],
    [
      'a trigger of its owner',
      `CREATE TABLE log (id); CREATE TRIGGER t AFTER INSERT ON messages
       BEGIN INSERT INTO log VALUES (new.id); INSERT INTO log VALUES (new.id); END`,
    ],
  ])('%s', async (_, sql) => {
    const file = busFile(`${FOREIGN_SCHEMA}; ${sql};`);
    const bus = openSqliteBus({ file });
    const conversationId = await bus.createConversation({ roleA: 'a', roleB: 'b' });
    const id = await bus.put({ conversationId, from: 'a', message: query('x'), metadata: null });
    const [lease] = await bus.claim({ limit: 1, leaseMs: 1000 });
    expect(lease && (await bus.complete(lease, answer()))).toBe('kept');
    expect(bus.answerTo(id)?.id).toBeGreaterThan(id);
    await bus.close();
  });
});
