import { describe, expect, test } from 'vitest';
import type { Bus } from '../../src/bus/index.js';
import type { Clock } from '../../src/clock.js';
import { systemClock } from '../../src/clock.js';
import { drainAll } from '../contract/bus.commands.js';
import { answer, QUESTION_METADATA, query, TempBus } from '../support/temp-bus.js';

const ALL = { limit: 100, leaseMs: 30_000 };

/**
 * Each look at it takes some time: whoever watches the clock while holding the write lock has to
 * stop after so many looks, on a machine of any speed.
 */
class TickingClock implements Clock {
  looks = 0;
  readonly #msPerLook: number;

  constructor(msPerLook: number) {
    this.#msPerLook = msPerLook;
  }

  monotonicMs(): number {
    this.looks += 1;
    return this.looks * this.#msPerLook;
  }

  wallUs(): number {
    return systemClock.wallUs();
  }
}

function deleteAll(temp: TempBus, conversation: string): void {
  temp.peer.prepare('DELETE FROM messages WHERE conversation_id = ?').run(conversation);
  temp.peer.prepare('DELETE FROM conversations WHERE id = ?').run(conversation);
}

/** Has all new rows taken in by a claim that leases nothing. */
async function takeIn(bus: Bus): Promise<void> {
  expect(await bus.claim({ ...ALL, conversations: ['none'] })).toEqual([]);
}

function insertNotes(temp: TempBus, count: number, conversationId: string): void {
  temp.peer.transaction(() => {
    for (let n = 0; n < count; n += 1) {
      temp.insert({ conversationId, message: 'FYI', metadata: '{"action_type":"info"}' });
    }
  })();
}

describe('a claim gets past', () => {
  test('ten thousand questions whose conversation was deleted', async () => {
    const temp = new TempBus();
    const gone = temp.addConversation();
    temp.askMany(10_000, [gone]);
    const bus = temp.open();
    await takeIn(bus);
    deleteAll(temp, gone);
    const id = temp.ask(temp.addConversation(), 'and mine?');
    const leases = await bus.claim(ALL);
    expect(leases.map((lease) => lease.questionId)).toEqual([id]);
    for (const lease of leases) await bus.complete(lease, answer());
    expect(await bus.claim(ALL)).toEqual([]);
    expect(bus.stats()).toMatchObject({ orphaned: 10_000, complete: 1, pending: 0 });
    expect(bus.hasWork({})).toBe(false);
  });

  test('a thousand deleted conversations in front of the one that is there', async () => {
    const temp = new TempBus();
    const gone = Array.from({ length: 1000 }, () => temp.addConversation());
    temp.askMany(3000, gone);
    const bus = temp.open();
    await takeIn(bus);
    const leases = await bus.claim({ ...ALL, limit: 1 });
    for (const conversation of gone) deleteAll(temp, conversation);
    const id = temp.ask(temp.addConversation(), 'and mine?');
    expect((await bus.claim(ALL)).map((lease) => lease.questionId)).toEqual([id]);
    for (const lease of leases) expect(await bus.complete(lease, answer())).toBe('orphaned');
    await bus.claim(ALL);
    expect(bus.stats()).toMatchObject({ orphaned: 3000, leased: 1, pending: 0 });
  });

  test('a thousand expired conversations, naming each once', async () => {
    const temp = new TempBus();
    const over = Array.from({ length: 1000 }, () => temp.addConversation('2020-01-01T00:00:00'));
    temp.askMany(2000, over);
    const id = temp.ask(temp.addConversation(), 'and mine?');
    const named: string[] = [];
    const bus = temp.open({ observer: { expired: (conversation) => named.push(conversation) } });
    expect((await bus.claim({ ...ALL, limit: 1 })).map((lease) => lease.questionId)).toEqual([id]);
    await bus.claim(ALL);
    expect(named.sort()).toEqual(over.sort());
    expect(bus.stats()).toMatchObject({ expired: 2000, leased: 1 });
  });

  test('thousands of rows that are no questions', async () => {
    const temp = new TempBus();
    const conversation = temp.addConversation();
    insertNotes(temp, 3000, conversation);
    const id = temp.ask(conversation, 'why?');
    const bus = temp.open();
    expect((await bus.claim(ALL)).map((lease) => lease.questionId)).toEqual([id]);
    while (bus.stats().ignored < 3000) expect(await bus.claim(ALL)).toEqual([]);
    expect(
      temp
        .rows()
        .filter((row) => row.read === 0)
        .map((row) => row.id),
    ).toEqual([id]);
  });

  test('one poisonous row of each kind among ten thousand', async () => {
    const temp = new TempBus();
    const conversations = Array.from({ length: 50 }, () => temp.addConversation());
    const half = temp.askMany(5000, conversations);
    const conversationId = conversations[0] ?? '';
    const poison = [
      { conversationId, message: query('x', { priority: 'high' }) },
      { conversationId, message: Buffer.alloc(1000, 0xff), metadata: QUESTION_METADATA },
      { conversationId, message: `${query('x'.repeat(1_000_000))}` },
      { conversationId, message: '{'.repeat(200_000), metadata: QUESTION_METADATA },
      { conversationId, message: `{"a":${'['.repeat(200_000)}`, metadata: QUESTION_METADATA },
      { conversationId, message: query('x'), metadata: Buffer.alloc(10, 0xff) },
      { conversationId, message: query('x'), read: 'no' },
      { conversationId, message: query('x'), read: null },
      { conversationId: Buffer.from('conv'), message: query('x') },
      { conversationId: '', message: query('x') },
      { conversationId: 'conv_\u0000', message: query('x') },
      { conversationId: 'conv_ffffffffffffffff', message: query('x') },
      { conversationId, from: '', message: query('x') },
      { conversationId, from: 'b', message: query('x') },
    ].map((row) => temp.insert(row));
    const rest = temp.askMany(5000, conversations);
    const bus = temp.open();
    const served = new Set(await drainAll(bus));
    expect([...half, ...rest].filter((id) => !served.has(id))).toEqual([]);
    expect(bus.stats()).toMatchObject({ pending: 0, leased: 0, stale: 0 });
    const twice = temp.peer
      .prepare(
        `SELECT json_extract(metadata, '$.in_reply_to') AS id FROM messages
         WHERE from_session = 'b' AND json_valid(metadata) GROUP BY 1 HAVING count(*) > 1`,
      )
      .all();
    expect(twice).toEqual([]);
    expect(poison).toHaveLength(14);
  }, 60_000);
});

describe('one transaction takes no more than fits in its time, whatever a claim meets:', () => {
  const expired = (temp: TempBus) => {
    const over = () => temp.addConversation('2020-01-01T00:00:00');
    temp.askMany(500, Array.from({ length: 500 }, over));
  };
  test.each([
    ['new questions', (temp: TempBus) => void temp.askMany(5000, [temp.addConversation()]), 'work'],
    ['notes', (temp: TempBus) => insertNotes(temp, 5000, temp.addConversation()), 'ignorable'],
    ['conversations that have expired', expired, `lanes WHERE state = 'expired'`],
  ])('%s', async (_, fill, touched) => {
    const temp = new TempBus();
    fill(temp);
    if (fill === expired) await takeIn(temp.open());
    const count = () => temp.peer.prepare(`SELECT count(*) FROM warmline_${touched}`).pluck().get();
    const bus = temp.open({ clock: new TickingClock(13) });
    // Each look at this clock takes a transaction past its time. Closing commits what waits and
    // refuses what would follow, so two transactions run at most.
    const claimed = bus.claim(ALL).catch(() => []);
    await new Promise((resolve) => setImmediate(resolve));
    await bus.close();
    await claimed;
    expect(count()).toBeLessThan(300);
  });

  test('large rows are read one by one, not a thousand at once', async () => {
    const temp = new TempBus();
    const conversationId = temp.addConversation();
    for (let n = 0; n < 30; n += 1) {
      temp.insert({ conversationId, message: query('x'.repeat(1_000_000)) });
    }
    const clock = new TickingClock(5);
    const bus = temp.open({ clock });
    const leases = await bus.claim({ ...ALL, limit: 1 });
    const taken = temp.peer.prepare('SELECT count(*) FROM warmline_work').pluck().get();
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThan(10);
    for (const lease of leases) await bus.complete(lease, answer());
    expect(await drainAll(bus)).toHaveLength(29);
  });
});
