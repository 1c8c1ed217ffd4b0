import { expect, test } from 'vitest';
import {
  cancelQuestion,
  type DeadLetterFilter,
  type Lease,
  listDeadLetters,
  listQuestions,
  questionDetails,
  redriveMatching,
  removeQuestion,
  retryQuestion,
  type SqliteBus,
  seenUnfinished,
  verifyBus,
} from '../../src/bus/index.js';
import { answer, query, TempBus } from '../support/temp-bus.js';

const ONE = { limit: 1, leaseMs: 30_000 };
const BROKEN = { code: 'engine_error', message: 'it broke' };

async function isSound(bus: SqliteBus): Promise<void> {
  expect((await verifyBus(bus)).findings).toEqual([]);
}

test('a cancelled question has one error answer of code cancelled, wherever it stood', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const conversation = temp.addConversation();
  const [leased = 0, middle = 0, last = 0] = temp.askMany(3, [conversation]);
  const [lease] = await bus.claim(ONE);
  const untaken = temp.ask(temp.addConversation(), 'not taken in');
  for (const id of [untaken, middle, last, leased]) {
    expect(await cancelQuestion(bus, id)).toBe('cancelled');
    await isSound(bus);
    expect(await cancelQuestion(bus, id)).toBe('finished');
    const [row, ...more] = temp.answersTo(id);
    expect(more).toEqual([]);
    expect(JSON.parse(row?.message ?? '')).toMatchObject({
      answer: 'Error: the question was cancelled',
      error: { code: 'cancelled' },
    });
    expect(questionDetails(bus, id)).toMatchObject({ status: 'failed', errorCode: 'cancelled' });
  }
  if (!lease) throw new Error('nothing was leased');
  expect(await bus.complete(lease, answer())).toBe('lost');
  expect(questionDetails(bus, leased)?.attempts).toMatchObject([
    { attempt: 1, outcome: 'failed', errorCode: 'cancelled' },
  ]);
  expect(bus.stats()).toMatchObject({ pending: 0, leased: 0, failed: 4 });
  await isSound(bus);
  const { questions, nextBeforeId } = listQuestions(bus, { limit: 10 });
  expect(questions.map(({ messageId, status }) => [messageId, status])).toEqual([
    [untaken, 'cancelled'],
    [last, 'cancelled'],
    [middle, 'cancelled'],
    [leased, 'cancelled'],
  ]);
  expect(nextBeforeId).toBeUndefined();
});

test('a removed question has no answer, and its lane goes on', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const conversation = temp.addConversation();
  const [first = 0, second = 0, third = 0] = temp.askMany(3, [conversation]);
  const [lease] = await bus.claim(ONE);
  expect(await removeQuestion(bus, first)).toBe('processing');
  expect(await removeQuestion(bus, second)).toBe('removed');
  expect(await removeQuestion(bus, second)).toBe('finished');
  await isSound(bus);
  if (!lease) throw new Error('nothing was leased');
  expect(await bus.complete(lease, answer())).toBe('kept');
  expect(await removeQuestion(bus, third)).toBe('removed');
  await isSound(bus);
  expect(temp.answersTo(second)).toEqual([]);
  expect(bus.stats()).toMatchObject({ pending: 0, complete: 1, ignored: 2 });
});

/** One claim stops after some milliseconds, so that others have their turn. */
async function claimAll(bus: SqliteBus): Promise<Lease[]> {
  const leases: Lease[] = [];
  for (let some = await bus.claim(ONE); some.length > 0; some = await bus.claim(ONE)) {
    leases.push(...some);
  }
  return leases;
}

/** Ways for a question to stand at the head of its lane, each brought about on a bus of its own. */
const HEADS: Record<string, (temp: TempBus, bus: SqliteBus) => Promise<number>> = {
  ready: async (temp, bus) => {
    const id = temp.ask(temp.addConversation(), 'why?');
    const [lease] = await bus.claim(ONE);
    if (lease) await bus.release(lease);
    return id;
  },
  delayed: async (temp, bus) => {
    const id = temp.ask(temp.addConversation(), 'why?');
    const [lease] = await bus.claim(ONE);
    if (lease) await bus.retry(lease, { delayMs: 60_000, ...BROKEN });
    return id;
  },
  waiting: async (temp, bus) => {
    const parent = temp.ask(temp.addConversation(), 'first');
    const id = temp.insert({
      conversationId: temp.addConversation(),
      message: query('then', { depends_on: [parent] }),
    });
    await claimAll(bus);
    return id;
  },
  expired: async (temp, bus) => {
    const id = temp.ask(temp.addConversation('2020-01-01T00:00:00.000000'), 'too late?');
    await claimAll(bus);
    return id;
  },
};

for (const [state, begin] of Object.entries(HEADS)) {
  for (const how of ['cancel', 'remove'] as const) {
    test(`the head of a lane that is ${state} and withdrawn by ${how} is finished, and what stands behind it goes on`, async () => {
      const temp = new TempBus();
      const bus = temp.open();
      const id = await begin(temp, bus);
      const conversation = questionDetails(bus, id)?.conversationId ?? '';
      const next = temp.ask(conversation, 'and then?');
      await bus.claim({ ...ONE, conversations: [temp.addConversation()] });
      const before = questionDetails(bus, id)?.attempts ?? [];

      expect(await bus.withdraw(id, how)).toBe('withdrawn');
      await isSound(bus);
      const details = questionDetails(bus, id);
      expect(details?.status).toBe(how === 'cancel' ? 'failed' : 'ignored');
      expect(details?.attempts).toEqual(before);
      expect(temp.answersTo(id)).toHaveLength(how === 'cancel' ? 1 : 0);
      expect(temp.rows().find((row) => row.id === id)?.read).toBe(1);
      const leases = await bus.claim({ ...ONE, includeExpired: true });
      expect(leases.map(({ questionId }) => questionId)).toEqual([next]);
      await isSound(bus);
    });
  }
}

test('a conversation that has expired stays so, and is told of once', async () => {
  const temp = new TempBus();
  const told: unknown[] = [];
  const bus = temp.open({ observer: { expired: (...words) => told.push(words) } });
  const conversation = temp.addConversation('2020-01-01T00:00:00.000000');
  const asked = temp.askMany(4, [conversation]);
  await claimAll(bus);
  await cancelQuestion(bus, asked[0] ?? 0);
  await removeQuestion(bus, asked[2] ?? 0);
  expect(bus.stats()).toMatchObject({ pending: 2, expired: 2 });
  await claimAll(bus);
  expect(told).toEqual([[conversation, 4]]);
  for (const id of [asked[1], asked[3]]) await cancelQuestion(bus, id ?? 0);
  expect(bus.stats()).toMatchObject({ pending: 0, expired: 0 });
  await isSound(bus);
});

test('what depends on a question that was withdrawn is told so', async () => {
  for (const how of ['cancel', 'remove'] as const) {
    const temp = new TempBus();
    const bus = temp.open();
    const parent = temp.ask(temp.addConversation(), 'first');
    const child = temp.insert({
      conversationId: temp.addConversation(),
      message: query('then', { depends_on: [parent] }),
    });
    const [lease] = await claimAll(bus);
    if (!lease) throw new Error('nothing was leased');
    await bus.release(lease);
    await bus.withdraw(parent, how);
    await isSound(bus);
    const [told] = await bus.claim(ONE);
    expect(told).toMatchObject({
      questionId: child,
      question: {
        kind: 'invalid',
        code: 'parent_failed',
        message: expect.stringContaining(
          how === 'cancel' ? 'got an error answer (cancelled)' : 'was taken off the queue',
        ),
      },
    });
  }
});

test('what is no question of this side, or nothing at all, is missing and left alone', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const conversationId = temp.addConversation();
  const information = temp.insert({ conversationId, message: 'the build is green' });
  const theirs = temp.insert({ conversationId, from: 'b', to: 'a', message: query('yours?') });
  const nowhere = temp.insert({ conversationId: 'gone', message: query('anybody?') });
  const odd = temp.insert({ conversationId: Buffer.from('blob'), message: query('odd?') });
  const deleted = temp.ask(conversationId, 'deleted');
  await bus.claim({ ...ONE, conversations: ['none'] });
  temp.peer.prepare('DELETE FROM messages WHERE id = ?').run(deleted);
  const rows = temp.rows();
  for (const id of [information, theirs, nowhere, odd, deleted, 999]) {
    expect([id, await cancelQuestion(bus, id)]).toEqual([id, 'missing']);
    expect([id, await removeQuestion(bus, id)]).toEqual([id, 'missing']);
    expect([id, await retryQuestion(bus, id)]).toEqual([id, { outcome: 'missing' }]);
  }
  expect(temp.rows()).toEqual(rows);
  await bus.claim(ONE);
  expect(await cancelQuestion(bus, information)).toBe('missing');
  expect(await retryQuestion(bus, information)).toEqual({ outcome: 'missing' });
});

test('a question that somebody else has read, and one long forgotten, are finished', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const conversationId = temp.addConversation();
  const read = temp.insert({ conversationId, message: query('old?'), read: 1 });
  const forgotten = temp.ask(conversationId, 'older?');
  const [lease] = await bus.claim(ONE);
  if (!lease) throw new Error('nothing was leased');
  await bus.complete(lease, answer());
  temp.peer.prepare('DELETE FROM warmline_done').run();
  expect(await cancelQuestion(bus, read)).toBe('finished');
  expect(await cancelQuestion(bus, forgotten)).toBe('finished');
  expect(temp.answersTo(forgotten)).toHaveLength(1);
});

test('a lane that is not in order is told, and nothing is written', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const [, middle = 0] = temp.askMany(3, [temp.addConversation()]);
  await bus.claim(ONE);
  temp.peer.prepare('UPDATE warmline_work SET next_id = NULL').run();
  await expect(cancelQuestion(bus, middle)).rejects.toMatchObject({
    code: 'bus_corrupt',
    message: expect.stringContaining('warmline verify --repair'),
  });
  expect(temp.answersTo(middle)).toEqual([]);
  await verifyBus(bus, { repair: true });
  expect((await bus.claim(ONE)).length).toBe(0);
});

test('a retry of a question that no lane leads to says so, and does not go on trying', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const id = temp.ask(temp.addConversation(), 'hello');
  const [lease] = await bus.claim(ONE);
  if (!lease) throw new Error('nothing was leased');
  await bus.release(lease);
  await bus.write((db) => db.exec('DELETE FROM warmline_lanes'));
  await expect(retryQuestion(bus, id)).rejects.toMatchObject({ code: 'bus_corrupt' });
});

test('who did what stands in the audit', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const conversation = temp.addConversation();
  const [one = 0, other = 0] = temp.askMany(2, [conversation]);
  await cancelQuestion(bus, one);
  await removeQuestion(bus, other);
  expect(
    temp.peer.prepare('SELECT conversation_id, session_id, action, details FROM audit_log').all(),
  ).toMatchObject([
    { action: 'cancel', details: `{"by": "warmline", "message_id": ${one}}` },
    { conversation_id: conversation, session_id: 'b', action: 'send_message' },
    { action: 'remove', details: `{"by": "warmline", "message_id": ${other}}` },
  ]);
});

test('the question before another is found however many stand in between', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const [here, elsewhere] = [temp.addConversation(), temp.addConversation()];
  const first = temp.ask(here, 'first');
  temp.askMany(45_000, [elsewhere]);
  const last = temp.ask(here, 'last');
  const isTakenIn = () => seenUnfinished(bus, [last]).size === 1;
  while (!isTakenIn()) await bus.claim({ ...ONE, conversations: ['none'] });
  expect(await cancelQuestion(bus, last)).toBe('cancelled');
  expect(await cancelQuestion(bus, first)).toBe('cancelled');
  await isSound(bus);
}, 60_000);

test('a delayed question that is retried may be claimed at once', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const id = temp.ask(temp.addConversation(), 'why?');
  expect(await retryQuestion(bus, id)).toEqual({ outcome: 'ready' });
  const [lease] = await bus.claim(ONE);
  if (!lease) throw new Error('nothing was leased');
  expect(await retryQuestion(bus, id)).toEqual({ outcome: 'processing' });
  await bus.retry(lease, { delayMs: 60_000, ...BROKEN });
  expect(await bus.claim(ONE)).toEqual([]);
  expect(await retryQuestion(bus, id)).toEqual({ outcome: 'ready' });
  expect(await bus.claim(ONE)).toMatchObject([{ questionId: id, attempt: 2 }]);
  await isSound(bus);
});

test('a question that waits for something else is not hurried, and says for what', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const [, behind = 0] = temp.askMany(2, [temp.addConversation()]);
  const parents = [1, 2].map(() => temp.ask(temp.addConversation(), 'first'));
  const child = temp.insert({
    conversationId: temp.addConversation(),
    message: query('then', { depends_on: parents }),
  });
  const late = temp.ask(temp.addConversation('2020-01-01T00:00:00.000000'), 'too late?');
  await claimAll(bus);
  const why = (text: string) => ({ outcome: 'waiting', why: expect.stringContaining(text) });
  expect(await retryQuestion(bus, behind)).toEqual(why('comes before it'));
  expect(await retryQuestion(bus, child)).toEqual(why(parents.join(', ')));
  expect(await retryQuestion(bus, late)).toEqual(why('has expired'));
});

test('a question that failed, died or was cancelled is asked again by a retry, one at a time', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const [failed = 0, dead = 0] = temp.askMany(2, [temp.addConversation(), temp.addConversation()]);
  for (const lease of await claimAll(bus)) {
    const error = { ...BROKEN, attempts: 1, dead: lease.questionId === dead };
    await bus.complete(lease, answer('no', { error }));
  }
  const cancelled = temp.ask(temp.addConversation(), 'why?');
  await cancelQuestion(bus, cancelled);
  const removed = temp.ask(temp.addConversation(), 'why?');
  await removeQuestion(bus, removed);
  for (const id of [failed, dead, cancelled]) {
    const { outcome, againId = 0 } = await retryQuestion(bus, id);
    expect(outcome).toBe('redriven');
    expect(questionDetails(bus, againId)).toMatchObject({ redriveOf: id, status: 'unseen' });
    expect(await retryQuestion(bus, id)).toEqual({
      outcome: 'finished',
      why: expect.stringContaining(`as question ${againId}`),
    });
    await cancelQuestion(bus, againId);
    expect((await retryQuestion(bus, id)).outcome).toBe('redriven');
  }
  expect(await retryQuestion(bus, removed)).toMatchObject({ outcome: 'finished' });
  await isSound(bus);
});

test('what was cancelled is asked again by no filter that does not name it', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const [failed = 0, cancelled = 0] = temp.askMany(2, [temp.addConversation()]);
  const [lease] = await bus.claim(ONE);
  const error = { ...BROKEN, attempts: 1, dead: false };
  if (lease) await bus.complete(lease, answer('no', { error }));
  await cancelQuestion(bus, cancelled);
  const redriven = async (filter: DeadLetterFilter) => {
    const pages = [];
    for await (const page of redriveMatching(bus, filter, { dryRun: true })) pages.push(...page);
    return pages.map(({ questionId }) => questionId);
  };
  expect(await redriven({ includeFailed: true })).toEqual([failed]);
  expect(await redriven({ includeFailed: true, code: 'cancelled' })).toEqual([cancelled]);
  const { letters } = listDeadLetters(bus, { includeFailed: true }, { limit: 10 });
  expect(letters.map(({ code }) => code)).toEqual(['cancelled', BROKEN.code]);
});
