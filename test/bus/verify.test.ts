import type { Database } from 'better-sqlite3';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type SqliteBus, verifyBus } from '../../src/bus/index.js';
import { answer, QUESTION_METADATA, query, TempBus, TestClock } from '../support/temp-bus.js';

const LEASE = { limit: 8, leaseMs: 30_000 };

/** Answers whatever can be claimed, in the order it is handed out. */
async function drain(bus: SqliteBus): Promise<number[]> {
  const answered: number[] = [];
  for (;;) {
    await bus.reap();
    const leases = await bus.claim(LEASE);
    if (leases.length === 0) return answered;
    for (const lease of leases) {
      await bus.complete(lease, answer());
      answered.push(lease.questionId);
    }
  }
}

/** A bus with everything on it: finished, unfinished, leased, delayed, waiting, ignored. */
async function busyBus(clock = new TestClock()) {
  const temp = new TempBus(clock);
  const bus = temp.open({ clock });
  const conversations = Array.from({ length: 3 }, () => temp.addConversation());
  const [one = '', two = '', three = ''] = conversations;
  const done = temp.askMany(4, conversations);
  await drain(bus);
  const first = temp.ask(one, 'first');
  const questions = [
    first,
    ...temp.askMany(6, conversations),
    temp.insert({
      conversationId: three,
      message: query('child', { depends_on: [first] }),
      metadata: QUESTION_METADATA,
    }),
    temp.ask(three, 'behind the child'),
  ];
  temp.insert({ conversationId: two, message: '{"type":"heartbeat"}' });
  return { temp, bus, clock, conversations, done, questions };
}

/** Lanes that wait for others, for a time, and for a worker; and a row that is to be marked as read. */
async function halfDone(bus: SqliteBus, { conversations }: { conversations: readonly string[] }) {
  const [one = ''] = conversations;
  const [delayed] = await bus.claim({ ...LEASE, conversations: [one] });
  if (delayed) await bus.retry(delayed, { delayMs: 5000, code: 'timeout', message: 'late' });
}

function expectAnsweredOnce(temp: TempBus, ids: readonly number[]): void {
  for (const id of ids) expect(temp.answersTo(id), `question ${id}`).toHaveLength(1);
}

test('a queue at any point of its life is found to be right', async () => {
  const all = await busyBus();
  const { temp, bus, clock } = all;
  const isRight = async () =>
    expect(await verifyBus(bus, { clock })).toEqual({ findings: [], repaired: [] });
  await isRight();
  await halfDone(bus, all);
  await isRight();
  const leases = await bus.claim(LEASE);
  expect(leases.length).toBeGreaterThan(0);
  await isRight();
  clock.advance(60_000);
  await bus.reap();
  await isRight();
  await drain(bus);
  await isRight();
  temp.insert({ conversationId: 'conv_0000000000000000', message: 'nobody', read: 1 });
  await isRight();
});

/** What somebody with an editor could do to our tables: a statement, and rows to pick from. */
interface Corruption {
  readonly title: string;
  /** Statements with `?` for a row picked and `?2` for a number. */
  readonly sql: string;
  readonly from: string;
}

const LANES = 'SELECT lane_id FROM warmline_lanes';
const WORK = 'SELECT question_id FROM warmline_work';
const CORRUPTIONS: readonly Corruption[] = [
  ...['unfinished', 'head_id', 'tail_id'].map((field) => ({
    title: `lanes.${field}`,
    sql: `UPDATE warmline_lanes SET ${field} = max(1, @number) WHERE lane_id = @row`,
    from: LANES,
  })),
  {
    title: 'lanes.attempts',
    sql: 'UPDATE warmline_lanes SET attempts = @number - 20 WHERE lane_id = @row',
    from: 'SELECT lane_id FROM warmline_lanes JOIN warmline_attempts ON question_id = head_id',
  },
  {
    title: 'a delay of years',
    sql: `UPDATE warmline_lanes SET ready_at_us = ready_at_us + 1e17 WHERE lane_id = @row`,
    from: LANES,
  },
  {
    title: 'a lease of years by nobody',
    sql: `UPDATE warmline_lanes SET state = 'leased', attempts = attempts + 1, lease_token = '2.x',
            lease_owner = 'x', lease_until_us = 9e16, claimed_at_us = 1 WHERE lane_id = @row`,
    from: `${LANES} WHERE state != 'leased'`,
  },
  {
    title: 'a lease without an owner',
    sql: `UPDATE warmline_lanes SET state = 'leased', lease_token = '2.x' WHERE lane_id = @row`,
    from: `${LANES} WHERE state != 'leased'`,
  },
  {
    title: 'waiting for nothing',
    sql: `UPDATE warmline_lanes SET state = 'waiting' WHERE lane_id = @row`,
    from: `${LANES} WHERE state = 'ready'`,
  },
  {
    title: 'another conversation',
    sql: `UPDATE OR IGNORE warmline_lanes SET conversation_id = 'conv_0123456789abcdef' WHERE lane_id = @row`,
    from: LANES,
  },
  { title: 'no lane', sql: 'DELETE FROM warmline_lanes WHERE lane_id = @row', from: LANES },
  { title: 'no lanes', sql: 'DELETE FROM warmline_lanes WHERE @row = @row', from: LANES },
  {
    title: 'work.next_id',
    sql: 'UPDATE warmline_work SET next_id = @number WHERE question_id = @row',
    from: WORK,
  },
  {
    title: 'no next_id',
    sql: 'UPDATE warmline_work SET next_id = NULL WHERE question_id = @row',
    from: `${WORK} WHERE next_id IS NOT NULL`,
  },
  { title: 'no work', sql: 'DELETE FROM warmline_work WHERE question_id = @row', from: WORK },
  {
    title: 'work of something else',
    sql: 'UPDATE OR IGNORE warmline_work SET question_id = @number WHERE question_id = @row',
    from: WORK,
  },
  {
    title: 'work of a finished question',
    sql: `INSERT INTO warmline_work (question_id, priority, seen_at_us) VALUES (@row, 0, 1)`,
    from: 'SELECT question_id FROM warmline_done WHERE question_id NOT IN (SELECT question_id FROM warmline_work)',
  },
  {
    title: 'a finished question among the ignored',
    sql: `INSERT INTO warmline_ignorable VALUES (@row, 'b', 'conv_0123456789abcdef', 1)`,
    from: 'SELECT question_id FROM warmline_done WHERE question_id NOT IN (SELECT question_id FROM warmline_ignorable)',
  },
  {
    title: 'nothing to ignore',
    sql: 'DELETE FROM warmline_ignorable WHERE question_id = @row',
    from: 'SELECT question_id FROM warmline_ignorable',
  },
  {
    title: 'the watermark',
    sql: 'UPDATE warmline_cursor SET last_id = @number * @number WHERE last_id = @row',
    from: 'SELECT last_id FROM warmline_cursor',
  },
  {
    title: 'no watermark',
    sql: 'DELETE FROM warmline_cursor WHERE last_id = @row',
    from: 'SELECT last_id FROM warmline_cursor',
  },
  {
    title: 'a count',
    sql: `UPDATE warmline_counters SET value = value - 1 WHERE name = 'complete' AND value = @row`,
    from: `SELECT value FROM warmline_counters WHERE name = 'complete'`,
  },
  {
    title: 'no count',
    sql: `DELETE FROM warmline_counters WHERE name = 'complete' AND value = @row`,
    from: `SELECT value FROM warmline_counters WHERE name = 'complete'`,
  },
  {
    title: 'a note of something to wait for',
    sql: 'INSERT OR IGNORE INTO warmline_depends VALUES (@row, @number)',
    from: 'SELECT question_id FROM warmline_done',
  },
  {
    title: 'a read mark lost',
    sql: 'UPDATE messages SET read = 0 WHERE id = @row',
    from: 'SELECT question_id FROM warmline_done',
  },
];

/** @returns whether there was a row to do it to */
function corrupt(db: Database, { sql, from }: Corruption, pick: number, number: number): boolean {
  const rows = db.prepare(from).pluck().all() as number[];
  if (rows.length === 0) return false;
  const row = rows[pick % rows.length];
  const statement = db.prepare(sql);
  statement.run(sql.includes('@number') ? { row, number } : { row });
  return true;
}

const Damage = fc.array(
  fc.record({
    what: fc.constantFrom(...CORRUPTIONS),
    pick: fc.nat(20),
    number: fc.nat(40),
  }),
  { minLength: 1, maxLength: 6 },
);

test('whatever is done to our tables is mended, and every question gets one answer', async () => {
  await fc.assert(
    fc.asyncProperty(Damage, fc.boolean(), async (damage, isUnderWay) => {
      const all = await busyBus();
      const { temp, bus, clock, done, questions } = all;
      await halfDone(bus, all);
      if (isUnderWay) {
        for (const lease of await bus.claim(LEASE)) await bus.complete(lease, answer());
      }
      for (const { what, pick, number } of damage) corrupt(temp.peer, what, pick, number);
      await verifyBus(bus, { repair: true, clock });
      expect(await verifyBus(bus, { clock })).toEqual({ findings: [], repaired: [] });
      // A process that was not there when the watermark was wrong.
      const next = temp.open({ clock });
      clock.advance(10_000);
      await drain(next);
      expectAnsweredOnce(temp, [...done, ...questions]);
      expect(temp.rows().filter(({ to_session: to, read }) => to === 'b' && read === 0)).toEqual(
        [],
      );
      expect(await verifyBus(next, { clock })).toEqual({ findings: [], repaired: [] });
    }),
    { numRuns: 60 },
  );
}, 120_000);

test.each(CORRUPTIONS.map((what) => [what.title, what] as const))(
  '%s: it is told',
  async (_title, what) => {
    const all = await busyBus();
    const { temp, bus, clock } = all;
    await halfDone(bus, all);
    expect(corrupt(temp.peer, what, 1, 39)).toBe(true);
    const { findings } = await verifyBus(bus, { clock });
    expect(findings).not.toEqual([]);
    const { findings: left, repaired } = await verifyBus(bus, { clock, repair: true });
    expect(left).toEqual([]);
    expect(repaired.length).toBeGreaterThanOrEqual(findings.length);
  },
);

test('a lane that is being answered is told and left alone, and mended when it is not', async () => {
  const { temp, bus, clock, conversations } = await busyBus();
  const [one = ''] = conversations;
  const [lease] = await bus.claim({ ...LEASE, conversations: [one] });
  const damage = temp.peer.prepare('UPDATE warmline_lanes SET unfinished = 9 WHERE lane_id = ?');
  damage.run(lease?.lane);
  const lane = temp.peer.prepare('SELECT * FROM warmline_lanes WHERE lane_id = ?');
  const before = lane.get(lease?.lane);
  const { findings, repaired } = await verifyBus(bus, { repair: true, clock });
  expect(findings).toEqual([
    { kind: 'lane', message: expect.stringMatching(/9 are counted; it is being answered now/) },
  ]);
  expect(repaired).toEqual([]);
  expect(lane.get(lease?.lane)).toEqual(before);
  expect(lease && (await bus.complete(lease, answer()))).toBe('kept');
  expect(await verifyBus(bus, { repair: true, clock })).toMatchObject({ findings: [] });
});

test('the lease of a process that is gone holds nothing up, and its attempt counts', async () => {
  const { temp, clock, conversations } = await busyBus();
  const [one = ''] = conversations;
  const gone = temp.open({ clock, owner: { boot: 'earlier', namespace: '1', pid: 1, start: '1' } });
  const [lease] = await gone.claim({ ...LEASE, conversations: [one] });
  temp.peer.prepare('UPDATE warmline_lanes SET tail_id = 1 WHERE lane_id = ?').run(lease?.lane);
  const bus = temp.open({ clock });
  expect((await verifyBus(bus, { repair: true, clock })).findings).toEqual([]);
  expect(bus.attemptsOf(lease?.questionId ?? 0)).toMatchObject([
    { attempt: 1, outcome: 'owner_gone' },
  ]);
  const [again] = await bus.claim({ ...LEASE, conversations: [one] });
  expect(again).toMatchObject({ questionId: lease?.questionId, attempt: 2 });
});

test('finished questions that were cleared away are still counted, and never answered twice', async () => {
  const { temp, bus, clock, done } = await busyBus();
  temp.peer.prepare('DELETE FROM warmline_done').run();
  expect(await verifyBus(bus, { clock })).toEqual({ findings: [], repaired: [] });
  const [first = 0] = done;
  temp.peer.prepare('UPDATE messages SET read = 0 WHERE id = ?').run(first);
  await bus.claim({ ...LEASE, limit: 1 });
  const { repaired } = await verifyBus(bus, { repair: true, clock });
  expect(repaired).toEqual([
    { kind: 'unread', message: `question ${first} is finished and not marked as read` },
  ]);
  expect(temp.rows().find(({ id }) => id === first)?.read).toBe(1);
  expect(temp.answersTo(first)).toHaveLength(1);
});

test('of the messages of others only read marks of finished questions are written', async () => {
  await fc.assert(
    fc.asyncProperty(Damage, async (damage) => {
      const all = await busyBus();
      const { temp, bus, clock } = all;
      await halfDone(bus, all);
      for (const { what, pick, number } of damage) corrupt(temp.peer, what, pick, number);
      const finished = new Set(
        temp.peer.prepare('SELECT question_id FROM warmline_done').pluck().all(),
      );
      const expected = temp
        .rows()
        .map((row) => ({ ...row, read: finished.has(row.id) ? 1 : row.read }));
      const others = () =>
        ['conversations', 'session_status', 'audit_log'].map((table) =>
          temp.peer.prepare(`SELECT * FROM ${table}`).all(),
        );
      const before = others();
      await verifyBus(bus, { repair: true, clock });
      expect(temp.rows()).toEqual(expected);
      expect(others()).toEqual(before);
    }),
    { numRuns: 20 },
  );
}, 60_000);

test('a question larger than can be read is taken back into its lane as well', async () => {
  const { temp, bus, clock, conversations } = await busyBus();
  const [one = ''] = conversations;
  await drain(bus);
  const large = temp.ask(one, 'x'.repeat(1_100_000));
  await bus.claim({ ...LEASE, conversations: [temp.addConversation()] });
  temp.peer.exec('DELETE FROM warmline_lanes; DELETE FROM warmline_work');
  expect((await verifyBus(bus, { repair: true, clock })).findings).toEqual([]);
  await drain(bus);
  expect(temp.answersTo(large)).toHaveLength(1);
});
