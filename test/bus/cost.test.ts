import { describe, expect, test } from 'vitest';
import { prepareStatements } from '../../src/bus/sqlite/statements.js';
import { answer, QUESTION_METADATA, query, TempBus } from '../support/temp-bus.js';

const ALL = { limit: 100, leaseMs: 30_000 };

/** How SQLite means to carry out each of our statements. */
function plans(temp: TempBus): Map<string, string> {
  const statements = prepareStatements(temp.peer) as object as Record<string, { source?: string }>;
  return new Map(
    Object.entries(statements).flatMap(([name, { source }]) => {
      // Bulk inserts are functions over statements without a search.
      if (source === undefined) return [];
      const steps = temp.peer
        .prepare(`EXPLAIN QUERY PLAN ${source.replace(/[:?]\w*/g, 'NULL')}`)
        .all() as { detail: string }[];
      return [[name, steps.map((step) => step.detail).join('; ')]];
    }),
  );
}

describe('history costs nothing:', () => {
  test('no statement reads through all messages, answers or finished questions', () => {
    const found = plans(new TempBus());
    expect(found.size).toBeGreaterThan(30);
    for (const [name, plan] of found) {
      expect(`${name}: ${plan}`).not.toMatch(/SCAN (m\b|messages|d\b|warmline_done|audit_log)/);
    }
  });

  test('what runs for every question finds its rows by their number', () => {
    const found = plans(new TempBus());
    const rowid = (table: string) => `SEARCH ${table} USING INTEGER PRIMARY KEY`;
    expect(found.get('nextUnread')).toBe(`${rowid('messages')} (rowid>?)`);
    expect(found.get('page')).toBe(`${rowid('messages')} (rowid>? AND rowid<?)`);
    expect(found.get('pageEnd')).toContain(`${rowid('messages')} (rowid>?)`);
    expect(found.get('lastMessage')).toBe('SEARCH messages');
    for (const name of ['lease', 'renew', 'unlease', 'reap', 'endLane', 'expireLane']) {
      expect(found.get(name)).toContain(rowid('warmline_lanes'));
    }
    expect(found.get('advance')).toContain(rowid('warmline_lanes'));
    expect(found.get('advance')).not.toContain('SCAN warmline_lanes');
    for (const table of ['l', 'h', 'n', 'm']) {
      expect(found.get('lanes')).toContain(rowid(table));
    }
    expect(found.get('keepLanes')).toContain(rowid('warmline_lanes'));
    expect(found.get('markRead')).toContain(rowid('messages'));
    expect(found.get('dropWork')).toContain(rowid('warmline_work'));
  });

  test('the next questions come from the index of ready conversations, already in order', () => {
    const plan = plans(new TempBus()).get('heads') ?? '';
    expect(plan).toContain('USING INDEX warmline_lanes_ready (session=?)');
    expect(plan).not.toContain('TEMP B-TREE');
  });

  test('the first claim of a bus with 200,000 old rows takes in only the new ones', async () => {
    const temp = new TempBus();
    const conversation = temp.addConversation();
    temp.peer
      .prepare(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
         INSERT INTO messages
           (conversation_id, from_session, to_session, message, metadata, timestamp, read)
         SELECT ?, 'a', 'b', ?, ?, '2026-01-01T00:00:00.000000', 1 FROM n`,
      )
      .run(conversation, query('old'), QUESTION_METADATA);
    const id = temp.ask(conversation, 'new');
    const bus = temp.open();
    const [lease] = await bus.claim(ALL);
    expect(lease?.questionId).toBe(id);
    if (lease) await bus.complete(lease, answer());
    const cursor = () => temp.peer.prepare('SELECT last_id FROM warmline_cursor').pluck().get();
    expect(cursor()).toBe(id);
    // The next start begins there, and not at the first row.
    const next = temp.open();
    expect(await next.claim(ALL)).toEqual([]);
    expect(next.stats()).toMatchObject({ pending: 0, complete: 1, ignored: 0 });
  });
});
