import { expect, test } from 'vitest';
import { parseQuestion, planRetry, redact } from '../../src/bus/index.js';
import { answer, QUESTION_METADATA, query, TempBus } from '../support/temp-bus.js';

const ALL = { limit: 100, leaseMs: 30_000 };

test('a row too large for a line to the bridge is owed an error answer, and is not even read', async () => {
  const temp = new TempBus();
  const [large, honest] = [temp.addConversation(), temp.addConversation()];
  const body = JSON.stringify({
    type: 'query',
    question: 'y',
    depends_on: Array(500_000).fill({}),
  });
  temp.peer
    .prepare(
      `INSERT INTO messages (conversation_id, from_session, to_session, message, metadata, timestamp, read)
       VALUES (?, 'a', 'b', ?, NULL, '2026-01-01T00:00:00.000000', 0), (?, 'a', 'b', ?, ?, '2026-01-01T00:00:00.000000', 0)`,
    )
    .run(large, body, honest, query('And mine?'), QUESTION_METADATA);
  const leases = await temp.open().claim(ALL);
  const kinds = new Map(leases.map((lease) => [lease.conversationId, lease.question]));
  expect(kinds.get(large)).toMatchObject({
    kind: 'invalid',
    message: expect.stringContaining('1 MiB'),
  });
  expect(kinds.get(honest)).toMatchObject({ kind: 'question', question: 'And mine?' });
});

test('a list of things that are no ids is one fault, however long it is', () => {
  const body = { type: 'query', question: 'y', depends_on: Array(100_000).fill({}) };
  expect(parseQuestion(JSON.stringify(body), null)).toMatchObject({
    kind: 'invalid',
    message: 'field "depends_on": must be a list of at most 1,000 ids',
  });
  const good = { ...body, depends_on: [1, 'q_2'] };
  expect(parseQuestion(JSON.stringify(good), null)).toMatchObject({ kind: 'question' });
});

test('an engine that does not say when it is back is not asked in a hot loop', () => {
  for (const code of ['engine_limit', 'engine_auth', 'engine_unavailable']) {
    const plan = planRetry({ code }, 1, 0);
    expect(plan.step === 'park' && plan.delayMs).toBeGreaterThan(10_000);
    expect(planRetry({ code, retryAfterMs: 900 }, 1, 0)).toEqual({ step: 'park', delayMs: 900 });
  }
});

test('a text made of beginnings of tokens is redacted in one pass', async () => {
  // Quadratic work on this text took half a minute; the limit of the test is the promise.
  const text = '-eyJ'.repeat(200_000);
  expect(await redact(text)).toBe(text);
}, 10_000);

test('credentials inside an address, a variable or a key block never reach the bus', async () => {
  const secret = ['s3cr3t', 'pa55', 'word'].join('');
  for (const text of [
    `postgres://app:${secret}@db/x`,
    `DB_PASSWORD=${secret}`,
    `-----BEGIN PGP PRIVATE KEY ${'BLOCK'}-----\n${secret}\n-----END PGP PRIVATE KEY BLOCK-----`,
  ]) {
    expect(await redact(text)).not.toContain(secret);
  }
});

test('a question that was moved is answered where it is, as one among usual ones', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const homes = [temp.addConversation(), temp.addConversation(), temp.addConversation()];
  const ids = temp.askMany(3, homes);
  const elsewhere = temp.addConversation();
  const leases = await bus.claim(ALL);
  const move = temp.peer.prepare('UPDATE messages SET conversation_id = ? WHERE id = ?');
  move.run(elsewhere, ids[0]);
  temp.peer.prepare('DELETE FROM conversations WHERE id = ?').run(homes[0]);
  move.run('nowhere', ids[1]);
  const answered = leases.map((lease) => ({ lease, answer: answer() }));
  expect(await bus.completeAll(answered)).toEqual(['kept', 'orphaned', 'kept']);
  const placeOf = (id = 0) => temp.answersTo(id).map((row) => row.conversation_id);
  expect(ids.map(placeOf)).toEqual([[elsewhere], [], [homes[2]]]);
});
