import { expect, test } from 'vitest';
import { suggestedTimeoutMs, VIEW_NAMES } from '../../src/bus/index.js';
import { answer, query, TempBus, TestClock } from '../support/temp-bus.js';
import { python } from './processes.js';

type Row = Record<string, unknown>;

/** As another program reads it, with an SQLite of its own and without the right to write. */
async function select(temp: TempBus, sql: string): Promise<Row[]> {
  return JSON.parse(await python('select.py', temp.file, sql).line());
}

const STAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/;
const error = { code: 'engine_error', message: 'it broke', attempts: 3, dead: true };

test('every view can be read by Python through a connection that may not write', async () => {
  const temp = new TempBus();
  expect(VIEW_NAMES.length).toBeGreaterThanOrEqual(9);
  for (const view of VIEW_NAMES) expect(await select(temp, `SELECT * FROM ${view}`)).toEqual([]);
});

test('the questions are listed with what each of them waits for', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const [first, retried, gone] = [
    temp.addConversation(),
    temp.addConversation(),
    temp.addConversation('2020-01-01T00:00:00.000000'),
  ];
  const done = temp.ask(first, 'answered');
  const dead = temp.ask(first, 'given up');
  const delayed = temp.ask(retried, 'tried again later');
  const late = temp.ask(gone, 'too late');
  const note = temp.insert({ conversationId: first, message: 'FYI', metadata: null });
  const claim = async (id: number) => {
    const leases = await bus.claim({ limit: 10, leaseMs: 60_000 });
    const lease = leases.find(({ questionId }) => questionId === id);
    if (!lease) throw new Error(`question ${id} was not to be had`);
    return { lease, others: leases.filter((other) => other !== lease) };
  };
  const { lease, others } = await claim(done);
  const turn = {
    engine: 'claude',
    startedAtUs: lease.claimedAtUs,
    firstByteAtUs: lease.claimedAtUs,
    inputTokens: 3,
    outputTokens: 5,
  };
  await bus.complete(lease, answer('yes', { turn }));
  for (const other of others) {
    await bus.retry(other, { delayMs: 3_600_000, code: 'timeout', message: 'too slow', turn });
  }
  await bus.complete((await claim(dead)).lease, answer('Error: it broke', { error }));
  const held = temp.ask(first, 'being answered');
  const behind = temp.ask(first, 'behind it');
  await claim(held);

  const rows = await select(temp, 'SELECT * FROM warmline_v_questions ORDER BY question_id');
  expect(Object.fromEntries(rows.map((row) => [row.question_id, row.status]))).toEqual({
    [done]: 'complete',
    [dead]: 'dead',
    [delayed]: 'delayed',
    [late]: 'expired',
    [note]: 'ignored',
    [held]: 'processing',
    [behind]: 'pending',
  });
  const row = (id: number) => rows.find((each) => each.question_id === id);
  expect(row(held)).toMatchObject({
    conversation_id: first,
    session: 'b',
    attempts: 1,
    seen_at: expect.stringMatching(STAMP),
    claimed_at: expect.stringMatching(STAMP),
    lease_owner: expect.any(String),
  });
  expect(row(behind)).toMatchObject({ conversation_id: first, attempts: 0, claimed_at: null });
  expect(row(delayed)).toMatchObject({ attempts: 1, error: 'timeout: too slow' });
  expect(row(delayed)?.age_ms).toBeGreaterThanOrEqual(0);

  const attempts = await select(temp, 'SELECT * FROM warmline_v_attempts ORDER BY question_id');
  expect(attempts.map(({ question_id, outcome }) => [question_id, outcome])).toEqual([
    [done, 'complete'],
    [dead, 'dead'],
    [delayed, 'retried'],
  ]);
  expect(attempts[0]).toMatchObject({
    engine: 'claude',
    input_tokens: 3,
    output_tokens: 5,
    first_byte_ms: 0,
    started_at: expect.stringMatching(STAMP),
  });

  expect(await select(temp, 'SELECT * FROM warmline_v_dead_letters')).toMatchObject([
    { question_id: dead, error_code: 'engine_error', died_at: expect.stringMatching(STAMP) },
  ]);
  const conversations = await select(temp, 'SELECT * FROM warmline_v_conversations');
  const byId = new Map(conversations.map((each) => [each.conversation_id, each]));
  expect(byId.get(first)).toMatchObject({
    status: 'processing',
    unfinished: 2,
    complete: 1,
    dead: 1,
    ignored: 1,
    head_id: held,
  });
  expect(byId.get(retried)).toMatchObject({ status: 'delayed', unfinished: 1, complete: 0 });
  expect(byId.get(gone)).toMatchObject({ status: 'expired', unfinished: 1 });
  expect(await select(temp, 'SELECT * FROM warmline_v_latency')).toMatchObject(
    ['today', '7 days'].flatMap((period) => [
      { period, conversation_id: expect.any(String), samples: 1 },
      { period, conversation_id: expect.any(String), samples: 1 },
    ]),
  );
});

test('a redriven question is no dead letter any more', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const dead = temp.ask(temp.addConversation(), 'why?');
  const [lease] = await bus.claim({ limit: 1, leaseMs: 60_000 });
  if (lease) await bus.complete(lease, answer('Error: it broke', { error }));
  expect(await select(temp, 'SELECT * FROM warmline_v_dead_letters')).toHaveLength(1);
  temp.peer.prepare('INSERT INTO warmline_redrives VALUES (?, ?)').run(dead, dead + 5);
  expect(await select(temp, 'SELECT * FROM warmline_v_dead_letters')).toEqual([]);
});

test('a time is written to the microsecond, as the other programs write it', async () => {
  const clock = new TestClock();
  const temp = new TempBus(clock);
  const bus = temp.open({ clock });
  clock.advance(0.007);
  temp.ask(temp.addConversation(), 'why?');
  await bus.claim({ limit: 1, leaseMs: 60_000 });
  const [row] = await select(temp, 'SELECT seen_at FROM warmline_v_questions');
  expect(row).toEqual({ seen_at: '2026-11-20T23:00:00.000007' });
});

test('views that somebody changed or an older version made are made anew', async () => {
  const temp = new TempBus();
  temp.peer.exec('DROP VIEW warmline_v_daily; CREATE VIEW warmline_v_old AS SELECT 1');
  temp.peer.exec(`UPDATE warmline_meta SET value = 'older' WHERE key = 'views'`);
  temp.open();
  const views = temp.peer
    .prepare(`SELECT name FROM sqlite_master WHERE type = 'view' ORDER BY name`)
    .pluck()
    .all();
  expect(views).toEqual([...VIEW_NAMES].sort());
});

test('a bus whose views are current is not written to when it is opened', () => {
  const temp = new TempBus();
  const before = temp.peer.pragma('data_version', { simple: true });
  temp.open();
  expect(temp.peer.pragma('data_version', { simple: true })).toBe(before);
});

test('a program that rebuilds its own tables is not held up by our views', () => {
  const temp = new TempBus();
  temp.insert({ conversationId: temp.addConversation(), message: query('why?') });
  expect(() =>
    temp.peer.exec(`
      CREATE TABLE messages_new AS SELECT * FROM messages;
      DROP TABLE messages;
      ALTER TABLE messages_new RENAME TO messages;
      ALTER TABLE audit_log RENAME COLUMN details TO text;
    `),
  ).not.toThrow();
});

test('the time-out that a view suggests is the one that the command line does', async () => {
  const temp = new TempBus();
  const times = [null, 0, 0.001, 666, 667, 1_000, 20_000, 20_000.001, 123_456.789, 3_600_000];
  const put = temp.peer.prepare(
    `INSERT INTO warmline_daily VALUES ('2026-11-20', 'b', 'conv_1', ?, 1, 1, 0, 1, 1, ?, 1, 1, 0, 0, 0)`,
  );
  for (const [index, p99] of times.entries()) put.run(`engine ${index}`, p99);
  const rows = await select(temp, 'SELECT suggested_timeout_ms FROM warmline_v_daily');
  expect(rows.map((row) => row.suggested_timeout_ms)).toEqual(
    times.map((p99) => (p99 === null ? null : suggestedTimeoutMs(p99))),
  );
});
