import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { look, makeBus, start, tempDir, warmline, withDatabase } from './warmline.js';

/** Turns as an autopoll leaves them: so many that took so long, of one conversation. */
function addTurns(file: string, conversation: string, count: number, turnMs: number): void {
  withDatabase(file, (db) => {
    const nowUs = Date.now() * 1000;
    const done = db.prepare(
      `INSERT INTO warmline_done (question_id, session, conversation_id, outcome, attempts,
         seen_at_us, claimed_at_us, started_at_us, completed_at_us, engine)
       VALUES ((SELECT coalesce(max(question_id), 1000) + 1 FROM warmline_done), 'b', ?, 'complete',
         1, ?, ?, ?, ?, 'fake')`,
    );
    for (let number = 0; number < count; number += 1) {
      const began = nowUs - turnMs * 1000;
      done.run(conversation, began, began, began, nowUs);
    }
  });
}

function ask(file: string, conversation: string, question: string): number {
  return withDatabase(file, (db) =>
    Number(
      db
        .prepare(
          `INSERT INTO messages (conversation_id, from_session, to_session, message, metadata,
             timestamp, read)
           VALUES (?, 'a', 'b', ?, '{"action_type":"question"}', '2026-01-01T00:00:00.000000', 0)`,
        )
        .run(conversation, question).lastInsertRowid,
    ),
  );
}

const answerTo = (file: string, question: number) =>
  look(file).answers.find(({ inReplyTo }) => inReplyTo === question);

test('a time-out set by command holds in a running autopoll, for its conversation alone', async () => {
  const file = join(tempDir(), 'bus.db');
  const [here = '', there = ''] = await makeBus(file, 2);
  const { ready } = await start('serve', '--port', '0', '--engine', 'fake');
  const bridge = ['--port', String(ready.port)];
  await start('autopoll', '--db', file, ...bridge, '--max-attempts', '1');
  const first = ask(file, here, 'one');
  await vi.waitUntil(() => answerTo(file, first), { timeout: 20_000, interval: 20 });

  const set = await warmline('timeouts', 'set', '100', '--db', file, '--conversation', here);
  expect(set).toMatchObject({ code: 0, stdout: `a turn may take 100 ms: ${here}, every engine\n` });
  const stuck = ask(file, here, '!fake silent');
  const slow = ask(file, there, '!fake delay=300 two');
  await vi.waitUntil(() => answerTo(file, stuck) && answerTo(file, slow), {
    timeout: 20_000,
    interval: 20,
  });
  expect(JSON.parse(answerTo(file, stuck)?.message ?? '')).toMatchObject({
    error: { code: 'timeout', attempts: 1 },
  });
  expect(JSON.parse(answerTo(file, slow)?.message ?? '')).toMatchObject({ answer: 'fake: two' });
});

test('time-outs are listed with a verdict, and applied only when that is confirmed', async () => {
  const file = join(tempDir(), 'bus.db');
  const [quick = '', slow = ''] = (await makeBus(file, 2)).sort();
  addTurns(file, quick, 20, 1_000);
  addTurns(file, slow, 20, 400_000);
  const words = ['--db', file, '--json'];
  const listed = async () => {
    const { stdout } = await warmline('timeouts', ...words);
    return JSON.parse(stdout).timeouts.map((row: Record<string, unknown>) => [
      row.conversation_id,
      row.samples,
      row.current_ms,
      row.source,
      row.suggested_ms,
      row.verdict,
    ]);
  };
  expect(await listed()).toEqual([
    [quick, 20, 300_000, 'setting', 2_000, 'TOO_HIGH'],
    [slow, 20, 300_000, 'setting', 600_000, 'TOO_LOW'],
  ]);
  const dry = JSON.parse((await warmline('timeouts', '--apply', ...words)).stdout);
  expect(dry).toMatchObject({
    applied: false,
    // What is quick keeps the time that a hiccup of its engine takes.
    changes: [
      { conversation_id: quick, engine: 'fake', timeout_ms: 30_000, verdict: 'TOO_HIGH' },
      { conversation_id: slow, engine: 'fake', timeout_ms: 600_000, verdict: 'TOO_LOW' },
    ],
  });
  expect((await listed()).map((row: unknown[]) => row[2])).toEqual([300_000, 300_000]);
  const done = JSON.parse((await warmline('timeouts', '--apply', '--yes', ...words)).stdout);
  expect(done).toEqual({ ...dry, applied: true });
  expect(await listed()).toEqual([
    [quick, 20, 30_000, 'set', 2_000, 'TOO_HIGH'],
    [slow, 20, 600_000, 'set', 600_000, 'OK'],
  ]);
  expect((await warmline('timeouts', '--apply', '--db', file)).stdout).toBe('nothing to change\n');
  await warmline(
    'timeouts',
    'set',
    'default',
    '--db',
    file,
    '--conversation',
    slow,
    '--engine',
    'fake',
  );
  expect((await listed())[1]).toEqual([slow, 20, 300_000, 'setting', 600_000, 'TOO_LOW']);
});

test('people read time-outs and figures in a table', async () => {
  const file = join(tempDir(), 'bus.db');
  const [conversation = ''] = await makeBus(file, 1);
  expect((await warmline('timeouts', '--db', file)).stdout).toMatch(/^no turn ended/);
  expect((await warmline('metrics', '--db', file)).stdout).toMatch(/^no turn ended from 20/);
  addTurns(file, conversation, 3, 90_000);
  const { stdout: times } = await warmline('timeouts', '--db', file);
  expect(times).toMatch(/^conversation_id +engine +samples +p50 +p95 +p99 +max +current/);
  expect(times).toMatch(new RegExp(`^${conversation} +fake +3 +1 min 30 s .* TOO_HIGH$`, 'm'));
  const { stdout: days } = await warmline('metrics', '--db', file);
  expect(days).toMatch(new RegExp(`^\\d{4}-\\d\\d-\\d\\d +${conversation} +fake +3 +3 +0 `, 'm'));
  const { stdout } = await warmline('metrics', '--db', file, '--days', '2', '--json');
  expect(JSON.parse(stdout)).toMatchObject({
    figures: [
      { conversation_id: conversation, samples: 3, p99_ms: 90_000, suggested_timeout_ms: 135_000 },
    ],
  });
});

test.each([
  [['timeouts', 'set', '0'], /whole number of milliseconds/],
  [['timeouts', 'set'], /whole number of milliseconds/],
  [['timeouts', 'set', '86400001'], /86400000/],
  [['timeouts', 'raise', '5'], /"raise".*must be set/],
  [['timeouts', 'set', '5', '--apply'], /one of them/],
  [['timeouts', '--yes'], /--apply/],
  [['timeouts', '--engine', 'fake'], /timeouts set/],
  [['timeouts', 'set', '5', '--conversation', 'conv_0000000000000000'], /no conversation/],
  [['metrics', '--day', '2026-02-30'], /no day/],
  [['metrics', '--day', '2026-02-03', '--days', '3'], /one of them/],
  [['metrics', '--days', '0'], /whole number of days/],
])('%j is used wrongly, and says how', async (words, said) => {
  const file = join(tempDir(), 'bus.db');
  await makeBus(file, 1);
  const { code, stderr, stdout } = await warmline(...words, '--db', file);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(said);
});

test('a time-out of an engine that nobody knows is set, with a warning', async () => {
  const file = join(tempDir(), 'bus.db');
  const [here = ''] = await makeBus(file, 1);
  addTurns(file, here, 1, 1_000);
  const set = (engine: string) =>
    warmline('timeouts', 'set', '60000', '--db', file, '--engine', engine);
  expect(await set('fake')).toMatchObject({ code: 0, stderr: '' });
  expect(await set('fakt')).toMatchObject({
    code: 0,
    stdout: 'a turn may take 1 min 0 s: every conversation, fakt\n',
    stderr: expect.stringMatching(/^warmline: no engine fakt is configured here/),
  });
});

test('taking a time-out away says whether there was one', async () => {
  const file = join(tempDir(), 'bus.db');
  await makeBus(file, 0);
  const set = async (value: string) =>
    (await warmline('timeouts', 'set', value, '--db', file)).stdout;
  const where = 'every conversation, every engine\n';
  expect(await set('default')).toBe(`there was no time-out: ${where}`);
  await set('60000');
  expect(await set('default')).toBe(`no time-out of its own any more: ${where}`);
});
