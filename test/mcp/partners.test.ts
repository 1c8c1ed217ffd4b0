import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { look, makeBus, tempDir, withDatabase } from '../e2e/warmline.js';
import { auditOf, converse, emptyBus, startMcp, startUp } from './client.js';

/** Joined at run time, so that no scanner takes this file for a leak. */
const KEY = ['sk', 'abcdefghijklmnopqrstuvwxyz012345'].join('-');
const WRONG = '0'.repeat(64);

test('two sessions talk, and each reads what the other wrote, once', async () => {
  const mcp = await startMcp('--db', await emptyBus());
  const { a, b } = await converse(mcp);
  const sent = await mcp.call('send_to_partner', {
    ...a,
    message: 'Which port?\n\tTell me.',
    action_type: 'question',
    files_involved: ['src/api.ts'],
  });
  expect(sent.data).toEqual({ status: 'sent', redacted: false, message_id: 1 });
  const { text, data } = await mcp.call('check_messages', b);
  expect(data.messages).toEqual([
    {
      id: 1,
      from: 'a',
      message: 'Which port?\n\tTell me.',
      metadata: { action_type: 'question', files_involved: ['src/api.ts'] },
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/),
    },
  ]);
  for (const line of ['From: Session a', 'Type: question', 'Files: src/api.ts', 'Which port?']) {
    expect(text.split('\n')).toContain(line);
  }
  expect((await mcp.call('check_messages', b)).text).toBe('No new messages');
  expect((await mcp.call('check_messages', a)).text).toBe('No new messages');
});

test('a status is a sign of life to the partner, for 120 seconds', async () => {
  const db = await emptyBus();
  const mcp = await startMcp('--db', db);
  const { a, b, id } = await converse(mcp);
  expect((await mcp.call('check_partner_status', b)).data).toEqual({
    status: 'unknown',
    alive: false,
  });
  await mcp.call('update_my_status', { ...a, status: 'blocked' });
  const { data, text } = await mcp.call('check_partner_status', b);
  expect(data).toMatchObject({ status: 'blocked', alive: true });
  expect(text).toContain('Partner Session A');
  const alive = async (lastHeartbeat: string) => {
    withDatabase(db, (open) =>
      open
        .prepare('UPDATE session_status SET last_heartbeat = ? WHERE conversation_id = ?')
        .run(lastHeartbeat, id),
    );
    return (await mcp.call('check_partner_status', b)).data;
  };
  const ago = (ms: number) => new Date(Date.now() - ms).toISOString().replace('Z', '000');
  expect(await alive(ago(100_000))).toMatchObject({ alive: true });
  expect(await alive(ago(121_000))).toMatchObject({ alive: false });
  expect(await alive(ago(-60_000))).toMatchObject({ alive: true, age_seconds: 0 });
  expect(await alive('yesterday')).toMatchObject({ alive: false, last_heartbeat: 'yesterday' });
});

test('a wrong token, the other side’s token and an unknown conversation are refused alike', async () => {
  const mcp = await startMcp('--db', await emptyBus());
  const { a, b } = await converse(mcp);
  const refused = await Promise.all(
    [
      { ...a, token: WRONG },
      { ...a, token: b.token },
      { ...a, token: a.token.toUpperCase() },
      { ...a, conversation_id: 'conv_0123456789abcdef' },
    ].flatMap((given) => [
      mcp.call('check_messages', given),
      mcp.call('send_to_partner', { ...given, message: 'hello' }),
      mcp.call('update_my_status', { ...given, status: 'working' }),
      mcp.call('check_partner_status', given),
      mcp.call('watch_question', { ...given, message_id: 1 }),
      mcp.call('cancel_question', { ...given, message_id: 1 }),
    ]),
  );
  expect(new Set(refused.map(({ text }) => text)).size).toBe(1);
  expect(refused.every(({ code }) => code === 'unauthorized')).toBe(true);
});

test('tokens last three hours, and an expired conversation says so to its tokens alone', async () => {
  const db = await emptyBus();
  const mcp = await startMcp('--db', db);
  const { a, id } = await converse(mcp);
  const times = withDatabase(db, (open) =>
    open.prepare('SELECT created_at, expires_at FROM conversations').get(),
  ) as { created_at: string; expires_at: string };
  const lifetimeMs = Date.parse(`${times.expires_at}Z`) - Date.parse(`${times.created_at}Z`);
  expect(lifetimeMs).toBe(3 * 3600_000);
  const asked = await mcp.call('ask_over_bus', { ...a, question: 'Late?', wait: false });
  withDatabase(db, (open) =>
    open
      .prepare("UPDATE conversations SET expires_at = '2020-01-01T00:00:00.000000' WHERE id = ?")
      .run(id),
  );
  for (const name of ['check_messages', 'check_partner_status']) {
    const { code, text } = await mcp.call(name, a);
    expect(code).toBe('expired');
    expect(text).toContain('create_conversation');
    expect((await mcp.call(name, { ...a, token: WRONG })).code).toBe('unauthorized');
  }
  const { message_id } = asked.data;
  expect((await mcp.call('watch_question', { ...a, message_id })).code).toBe('expired');
});

test('secrets are taken out of text, of JSON and of file names, and JSON stays JSON', async () => {
  const db = await emptyBus();
  const mcp = await startMcp('--db', db);
  const { a } = await converse(mcp);
  const messages = [
    `The key is ${KEY}.`,
    JSON.stringify({
      type: 'query',
      question: `Is ${KEY} valid?`,
      password: 'correct-horse',
      n: 1,
    }),
    `{"broken": "${KEY}`,
  ];
  for (const message of messages) {
    const { data } = await mcp.call('send_to_partner', {
      ...a,
      message,
      files_involved: [`keys/${KEY}.txt`],
    });
    expect(data.redacted).toBe(true);
  }
  const asked = await mcp.call('ask_over_bus', { ...a, question: `And ${KEY}?`, wait: false });
  expect(asked.isError).toBe(false);
  const { questions } = look(db);
  const rows = questions.map((row) => row.message);
  expect(JSON.stringify(questions)).not.toContain(KEY);
  expect(rows[0]).toBe('The key is [REDACTED].');
  expect(JSON.parse(rows[1] ?? '')).toEqual({
    type: 'query',
    question: 'Is [REDACTED] valid?',
    password: '[REDACTED]',
    n: 1,
  });
  for (const { metadata } of questions) expect(JSON.parse(metadata)).toHaveProperty('action_type');
});

test('every action leaves a row in the audit, and no token anywhere but where it belongs', async () => {
  const db = await emptyBus();
  const mcp = await startMcp('--db', db, '--log-level', 'trace');
  const { a, b, id } = await converse(mcp);
  await mcp.call('send_to_partner', { ...a, message: 'hello' });
  await mcp.call('check_messages', b);
  await mcp.call('update_my_status', { ...b, status: 'waiting' });
  await mcp.call('check_partner_status', a);
  const { data } = await mcp.call('ask_over_bus', { ...a, question: 'Well?', wait: false });
  const { message_id } = data;
  await mcp.call('watch_question', { ...a, message_id });
  await mcp.call('cancel_question', { ...a, message_id });
  const refused = await mcp.call('check_messages', { ...a, token: WRONG });
  const rows = auditOf(db);
  expect(rows.map(({ session_id, action }) => [session_id, action])).toEqual([
    [null, 'create_conversation'],
    ['a', 'send_message'],
    ['b', 'get_messages'],
    ['b', 'update_status'],
    ['a', 'get_partner_status'],
    ['a', 'send_message'],
    ['a', 'watch_question'],
    ['a', 'cancel_question'],
    ['b', 'cancel'],
    ['b', 'send_message'],
  ]);
  expect(JSON.parse(rows[1]?.details ?? '')).toEqual({
    to: 'b',
    message_length: 5,
    redacted: false,
    message_id: 1,
  });
  for (const { conversation_id, details, timestamp } of rows) {
    expect(conversation_id).toBe(id);
    expect(JSON.parse(details)).toBeTypeOf('object');
    expect(timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/);
  }
  const told = JSON.stringify(rows) + refused.text + mcp.stderr();
  for (const token of [a.token, b.token, WRONG]) expect(told).not.toContain(token);
});

test('a partner that calls too often is told when to come back, and its neighbours are not', async () => {
  const mcp = await startMcp('--db', await emptyBus(), '--mcp-calls-per-minute', '3');
  const one = await converse(mcp);
  const two = await converse(mcp);
  const results = [];
  for (let count = 0; count < 4; count += 1) results.push(await mcp.call('check_messages', one.a));
  expect(results.map(({ code }) => code)).toEqual([
    undefined,
    undefined,
    undefined,
    'rate_limited',
  ]);
  const { retry_after_ms } = results[3]?.data.error ?? {};
  expect(retry_after_ms).toBeGreaterThan(0);
  expect(retry_after_ms).toBeLessThanOrEqual(20_000);
  expect((await mcp.call('check_messages', one.b)).isError).toBe(false);
  expect((await mcp.call('check_messages', two.a)).isError).toBe(false);
  // Guesses come out of the bucket of calls without a conversation, which holds one more.
  expect((await mcp.call('check_messages', { ...one.a, token: WRONG })).code).toBe('unauthorized');
  expect((await mcp.call('check_messages', { ...one.a, token: WRONG })).code).toBe('rate_limited');
});

test('questions that the queue answers are not taken away from it by reading', async () => {
  const db = await emptyBus();
  const port = await startUp(db, '--concurrency', '1');
  const mcp = await startMcp('--db', db, '--port', port);
  const { a, b } = await converse(mcp);
  const busy = await mcp.call('ask_over_bus', { ...a, question: '!fake silent', wait: false });
  const waits = await mcp.call('ask_over_bus', { ...a, question: 'Next?', wait: false });
  const ids = [busy.data.message_id, waits.data.message_id];
  const read = await mcp.call('check_messages', b);
  expect(read.data).toMatchObject({ messages: [], left_to_warmline: ids });
  expect(read.text).toContain(`Left to warmline, which answers for your side: 2 question(s)`);
  await mcp.call('cancel_question', { ...a, message_id: busy.data.message_id });
  const answered = await mcp.call('watch_question', {
    ...a,
    message_id: waits.data.message_id,
    wait: true,
  });
  expect(answered.data.answer).toBe('fake: Next?');
});

test('a partner that answers itself takes the questions over, and nobody answers them twice', async () => {
  const db = await emptyBus();
  const [elsewhere = ''] = await makeBus(db, 1);
  // The queue works on this bus, in another conversation.
  await startUp(db, '--conversation', elsewhere);
  const mcp = await startMcp('--db', db);
  const { a, b } = await converse(mcp);
  const token = withDatabase(db, (open) =>
    open.prepare('SELECT session_a_token FROM conversations WHERE id = ?').pluck().get(elsewhere),
  );
  const there = { conversation_id: elsewhere, session_id: 'a', token };
  await mcp.call('ask_over_bus', { ...there, question: 'Is a queue at work here?' });

  const sent = await mcp.call('ask_over_bus', { ...a, question: 'For you alone?', wait: false });
  const { message_id } = sent.data;
  const left = await mcp.call('check_messages', b);
  expect(left.data).toMatchObject({ messages: [], left_to_warmline: [message_id] });
  const taken = await mcp.call('check_messages', { ...b, take_questions: true });
  expect(taken.data).toMatchObject({ messages: [{ id: message_id }], left_to_warmline: [] });
  expect((await mcp.call('watch_question', { ...a, message_id })).data.status).toBe('ignored');
  const again = await mcp.call('check_messages', { ...b, take_questions: true });
  expect(again.data).toMatchObject({ messages: [], left_to_warmline: [] });
});

test('on a bus where no queue works, its side reads its questions as any other does', async () => {
  const mcp = await startMcp('--db', await emptyBus());
  const { a, b } = await converse(mcp);
  await mcp.call('send_to_partner', { ...a, message: 'Yours?', action_type: 'question' });
  expect((await mcp.call('check_messages', b)).data.messages).toHaveLength(1);
  expect((await mcp.call('check_messages', b)).data).toMatchObject({
    messages: [],
    left_to_warmline: [],
  });
});

test('a question is only cancelled by the side that asked it, and seen in its conversation', async () => {
  const mcp = await startMcp('--db', await emptyBus());
  const { a, b } = await converse(mcp);
  const { a: stranger } = await converse(mcp);
  const { data } = await mcp.call('ask_over_bus', { ...a, question: 'Mine?', wait: false });
  const { message_id } = data;
  expect((await mcp.call('cancel_question', { ...b, message_id })).code).toBe('bad_request');
  expect((await mcp.call('cancel_question', { ...stranger, message_id })).code).toBe('not_found');
  expect((await mcp.call('watch_question', { ...stranger, message_id })).code).toBe('not_found');
  expect((await mcp.call('watch_question', { ...b, message_id })).data.status).toBe('pending');
  const asB = await mcp.call('ask_over_bus', { ...b, question: 'You?', wait: false });
  expect(asB.code).toBe('bad_request');
  expect(asB.text).toContain('send_to_partner');
  const half = await mcp.call('ask_over_bus', { question: 'Half?', token: a.token });
  expect(half.text).toContain('belong together');
});

test('broken rows of others are handed over as they are, and stop nothing', async () => {
  const db = join(tempDir(), 'bus.db');
  await makeBus(db, 0);
  const mcp = await startMcp('--db', db);
  const { b, id } = await converse(mcp);
  withDatabase(db, (open) => {
    const insert = open.prepare(
      `INSERT INTO messages (conversation_id, from_session, to_session, message, metadata, timestamp)
       VALUES (?, 'a', 'b', ?, ?, ?)`,
    );
    insert.run(id, 'not JSON', '{"action_type": ', 'never');
    insert.run(id, Buffer.from([0xff, 0xfe]), '[]', '2026-11-20T23:00:00');
    insert.run(id, 'x'.repeat(2 * 1024 * 1024), null, '2026-11-20T23:00:00');
    insert.run(id, 'last', '{"files_involved": "none"}', '2026-11-20T23:00:00');
  });
  const { data } = await mcp.call('check_messages', b);
  expect(data.messages).toHaveLength(4);
  expect(data.messages[2].message).toBe('[a message of 2097152 bytes, too long to show]');
  expect(data.messages[3].message).toBe('last');
});

test('arguments that are no good are named, never repeated, and change nothing', async () => {
  const db = await emptyBus();
  const mcp = await startMcp('--db', db);
  const { a } = await converse(mcp);
  const before = auditOf(db).length;
  const refused: [object, string][] = [
    [{ ...a, message: 'x'.repeat(50_001) }, 'message: must have at most 50000 characters'],
    [{ ...a, message: '  \n' }, 'message: must not be blank'],
    [{ ...a, message: 'ding\u0007' }, 'message: must not have control characters'],
    [{ ...a, message: 'half \ud83d' }, 'message: must be valid Unicode'],
    [{ ...a, message: 7 }, 'message: '],
    [{ ...a, message: 'm', action_type: 'order' }, 'action_type: '],
    [
      { ...a, message: 'm', files_involved: Array(21).fill('f') },
      'files_involved: must have at most 20',
    ],
    [{ ...a, message: 'm', files_involved: ['a\nb'] }, 'files_involved.0: must be one line'],
    [{ ...a, message: 'm', token: `${'g'.repeat(64)}` }, 'token: must be 64 hex digits'],
    [{ ...a, message: 'm', token: undefined }, 'token: '],
    [{ ...a, message: 'm', session_id: 'c' }, 'session_id: '],
    [{ ...a, message: 'm', conversation_id: "' OR 1=1 --" }, 'conversation_id: must be like'],
  ];
  for (const [given, words] of refused) {
    const { code, text } = await mcp.call('send_to_partner', given);
    expect(code).toBe('bad_request');
    expect(text).toContain(words);
    expect(text.length).toBeLessThan(500);
    expect(text).not.toContain(a.token);
  }
  const huge = await mcp.call('send_to_partner', { ...a, message: 'x'.repeat(5_000_000) });
  expect(huge.code).toBe('bad_request');
  expect(auditOf(db)).toHaveLength(before);
  await expect(mcp.call('no_such_tool')).rejects.toThrow('there is no such tool');
});

test('no arguments, however odd, bring a tool or the server down', async () => {
  const mcp = await startMcp('--db', await emptyBus(), '--port', '1');
  const { tools } = await mcp.client.listTools();
  const names = tools.map(({ name }) => name);
  const { a } = await converse(mcp);
  const key = fc.constantFrom('message', 'question', 'message_id', 'wait', 'depends_on', 'status');
  const given = fc.dictionary(key, fc.jsonValue(), { noNullPrototype: true });
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...names), given, async (name, odd) => {
      const reply = await mcp.call(name, { ...a, timeout_ms: 1, ...odd, wait: false });
      expect(reply.code).not.toBe('internal');
    }),
    { numRuns: 150 },
  );
  expect((await mcp.call('check_messages', a)).isError).toBe(false);
  expect(mcp.stderr()).not.toContain('a tool failed');
});
