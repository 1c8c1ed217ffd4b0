import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { look, ROOT, type Row, start, tempDir, warmline, withDatabase } from './warmline.js';

const FIXTURES = join(ROOT, 'test/fixtures/bus');
const FOREIGN = ['conversations', 'messages', 'session_status', 'audit_log'];

interface Expectation {
  readonly id: number;
  readonly conversation_id: string;
  readonly expect:
    | 'answer'
    | 'error'
    | 'ignore'
    | 'either'
    | 'already-read'
    | 'not-ours'
    | 'expired';
}

const { messages: EXPECTED } = JSON.parse(
  readFileSync(join(FIXTURES, 'memory-bus.manifest.json'), 'utf8'),
) as { messages: Expectation[] };

test('a drain does for every row of a real bus what its manifest says, and the next one writes nothing', async () => {
  const file = join(tempDir(), 'memory-bus.db');
  copyFileSync(join(FIXTURES, 'memory-bus.db'), file);
  const schema = foreignSchema(file);
  const server = await start('serve', '--port', '0', '--context-root', FIXTURES);
  const drain = () =>
    warmline('autopoll', '--db', file, '--port', String(server.ready.port), '--once');

  const first = await drain();
  expect(first).toMatchObject({ code: 0 });
  const { questions, answers } = look(file);
  const byId = new Map(everyRow(file).map((row) => [row.id, row]));
  for (const expected of EXPECTED) {
    const replies = answers.filter((answer) => answer.inReplyTo === expected.id);
    expect({ id: expected.id, ...outcome(replies), read: byId.get(expected.id)?.read }).toEqual({
      id: expected.id,
      ...WANTED[expected.expect](outcome(replies)),
    });
  }
  for (const conversation of new Set(EXPECTED.map((row) => row.conversation_id))) {
    const order = answers
      .filter((answer) => answer.conversation_id === conversation)
      .map((answer) => answer.inReplyTo);
    expect(order).toEqual([...order].sort((one, other) => one - other));
  }
  expect(questions.length).toBe(EXPECTED.filter((row) => row.expect !== 'not-ours').length);
  expect(foreignSchema(file)).toEqual(schema);
  expect(foreignExtras(file)).toEqual([]);

  const before = everything(file);
  expect(await drain()).toMatchObject({ code: 0 });
  expect(everything(file)).toEqual(before);
});

test('questions of an expired conversation are answered when they are asked for', async () => {
  const file = join(tempDir(), 'memory-bus.db');
  copyFileSync(join(FIXTURES, 'memory-bus.db'), file);
  const server = await start('serve', '--port', '0', '--context-root', FIXTURES);
  const words = ['autopoll', '--db', file, '--port', String(server.ready.port), '--once'];
  expect(await warmline(...words)).toMatchObject({ code: 0 });
  expect(await warmline(...words, '--include-expired')).toMatchObject({ code: 0 });
  const expired = EXPECTED.filter((row) => row.expect === 'expired').map((row) => row.id);
  expect(expired).toHaveLength(1);
  expect(look(file).answers.filter((answer) => expired.includes(answer.inReplyTo))).toHaveLength(1);
});

interface Outcome {
  readonly answers: number;
  readonly error: boolean;
}

function outcome(replies: Row[]): Outcome {
  const [reply] = replies;
  if (!reply) return { answers: 0, error: false };
  const body = JSON.parse(reply.message);
  expect(body).toMatchObject({ type: 'response', shard_id: 'warmline' });
  expect(Array.isArray(body.sources)).toBe(true);
  expect(reply.timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/);
  expect(body.answer.startsWith('Error:')).toBe(body.error !== undefined);
  return { answers: replies.length, error: body.error !== undefined };
}

const WANTED: Record<Expectation['expect'], (got: Outcome) => Outcome & { read: number }> = {
  answer: () => ({ answers: 1, error: false, read: 1 }),
  error: () => ({ answers: 1, error: true, read: 1 }),
  either: (got) => ({ answers: 1, error: got.error, read: 1 }),
  ignore: () => ({ answers: 0, error: false, read: 1 }),
  'already-read': () => ({ answers: 0, error: false, read: 1 }),
  'not-ours': () => ({ answers: 0, error: false, read: 0 }),
  expired: () => ({ answers: 0, error: false, read: 0 }),
};

function everyRow(file: string): Row[] {
  return withDatabase(file, (db) => db.prepare('SELECT * FROM messages').all() as Row[]);
}

function foreignSchema(file: string): unknown[] {
  return withDatabase(file, (db) =>
    db
      .prepare(`SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name IN (?, ?, ?, ?)`)
      .all(...FOREIGN),
  );
}

/** Indexes and triggers on foreign tables that the tables did not bring themselves. */
function foreignExtras(file: string): unknown[] {
  return withDatabase(file, (db) =>
    db
      .prepare(
        `SELECT name FROM sqlite_master
         WHERE type IN ('index', 'trigger') AND tbl_name IN (?, ?, ?, ?) AND sql IS NOT NULL`,
      )
      .all(...FOREIGN),
  );
}

/** Every row of every table, ours included. */
function everything(file: string): Record<string, unknown[]> {
  return withDatabase(file, (db) => {
    const tables = db
      .prepare(`SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`)
      .pluck()
      .all() as string[];
    return Object.fromEntries(
      tables.map((table) => [table, db.prepare(`SELECT * FROM "${table}"`).all()]),
    );
  });
}
