import { expect, test } from 'vitest';
import { questionDetails, redriveQuestions } from '../../src/bus/index.js';
import { QUESTION_METADATA, query } from '../support/temp-bus.js';
import { answerAll, end, letters } from './letters.js';

const CLAIM = { limit: 8, leaseMs: 30_000 };

test('a question is followed from its arrival to its end', async () => {
  const { temp, bus, clock, conversation } = letters();
  const first = temp.ask(conversation, 'why?');
  const second = temp.ask(conversation, 'and then?');
  const of = (id: number) => questionDetails(bus, id, clock);
  expect(of(first)).toMatchObject({
    status: 'unseen',
    conversation: 'open',
    attempts: [],
    seenAtUs: undefined,
  });

  clock.advance(1000);
  expect(of(first)?.ageMs).toBeCloseTo(1000, 0);
  const [lease] = await bus.claim(CLAIM);
  clock.advance(2000);
  expect(of(first)).toMatchObject({
    status: 'processing',
    processing: { attempt: 1 },
    waits: undefined,
  });
  expect(of(first)?.ageMs).toBeCloseTo(3000, 0);
  expect(of(second)).toMatchObject({
    status: 'pending',
    waits: { for: 'turn', behindId: first },
    processing: undefined,
  });

  if (lease) await bus.retry(lease, { delayMs: 5000, code: 'timeout', message: 'late' });
  expect(of(first)).toMatchObject({
    status: 'pending',
    waits: { for: 'delay', untilUs: clock.wallUs() + 5_000_000, error: 'timeout: late' },
    attempts: [{ attempt: 1, outcome: 'retried', errorCode: 'timeout' }],
  });
  clock.advance(5000);
  expect(of(first)?.waits).toEqual({ for: 'worker' });

  await answerAll(bus);
  clock.advance(60_000);
  expect(of(first)).toMatchObject({
    status: 'complete',
    question: { question: 'why?', queryId: 'q_1' },
    waits: undefined,
    attempts: [{ attempt: 1 }, { attempt: 2, outcome: 'complete' }],
    answer: { message: expect.stringContaining('an answer') },
  });
  expect(of(first)?.ageMs).toBeCloseTo(8000, 0);
});

test('why a question waits is told: for others, and for an engine that takes no work', async () => {
  const { temp, bus, clock, conversation } = letters();
  const parent = temp.ask(conversation, 'first');
  const other = temp.addConversation();
  const message = query('then', { depends_on: [parent] });
  const child = temp.insert({ conversationId: other, message, metadata: QUESTION_METADATA });
  const parked = temp.insert({
    conversationId: temp.addConversation(),
    message: query('with it', { model: 'claude' }),
    metadata: QUESTION_METADATA,
  });
  const leases = await bus.claim(CLAIM);
  expect(questionDetails(bus, child, clock)).toMatchObject({
    status: 'pending',
    waits: { for: 'parents', ids: [parent] },
  });
  for (const lease of leases) if (lease.questionId === parked) await bus.release(lease);
  const untilUs = clock.wallUs() + 60_000_000;
  const park = temp.peer.prepare('INSERT OR REPLACE INTO warmline_parks VALUES (?, ?, ?, ?, ?, ?)');
  park.run('b', 'claude', 'engine_limit', 'the limit is used up', clock.wallUs(), untilUs);
  const waits = {
    for: 'engine',
    engine: 'claude',
    code: 'engine_limit',
    message: 'the limit is used up',
  };
  expect(questionDetails(bus, parked, clock)?.waits).toEqual({ ...waits, untilUs });
  park.run('b', 'claude', 'engine_limit', 'the limit is used up', clock.wallUs(), 0);
  expect(questionDetails(bus, parked, clock)?.waits).toEqual({ ...waits, untilUs: undefined });
  clock.advance(1);
  park.run('b', 'claude', 'engine_limit', 'the limit is used up', 1, clock.wallUs());
  expect(questionDetails(bus, parked, clock)?.waits).toEqual({ for: 'worker' });
});

test('a dead question and the one that asks it again lead to each other', async () => {
  const { temp, bus, clock, conversation } = letters();
  const id = temp.ask(conversation, 'why?');
  await end(bus, { code: 'timeout' });
  expect(questionDetails(bus, id, clock)).toMatchObject({
    status: 'dead',
    errorCode: 'timeout',
    redrivenAs: undefined,
  });
  const [result] = await redriveQuestions(bus, [id], { clock });
  const againId = result?.did === 'redriven' ? result.againId : 0;
  expect(questionDetails(bus, id, clock)?.redrivenAs).toBe(againId);
  expect(questionDetails(bus, againId, clock)).toMatchObject({ status: 'unseen', redriveOf: id });
});

test('what is left of a question is told when its row or its conversation is gone', async () => {
  const { temp, bus, clock, conversation, expire } = letters();
  const id = temp.ask(conversation, 'why?');
  await end(bus);
  expire(conversation);
  expect(questionDetails(bus, id, clock)?.conversation).toBe('expired');
  temp.peer.exec('DELETE FROM messages; DELETE FROM conversations');
  expect(questionDetails(bus, id, clock)).toMatchObject({
    status: 'dead',
    conversationId: conversation,
    conversation: 'gone',
    question: undefined,
    answer: undefined,
  });
  expect(questionDetails(bus, 999, clock)).toBeUndefined();
});

test('messages that are no questions of ours, and questions nobody may answer, are told apart', async () => {
  const { temp, bus, clock, conversation, expire } = letters();
  const note = temp.insert({ conversationId: conversation, message: '{"type":"note"}' });
  const toOther = temp.insert({ conversationId: conversation, from: 'b', to: 'a', message: 'x' });
  const old = temp.addConversation();
  const late = temp.ask(old, 'why?');
  expire(old);
  const status = (id: number) => questionDetails(bus, id, clock)?.status;
  expect(status(note)).toBe('other');
  await answerAll(bus);
  expect([note, toOther, late].map(status)).toEqual(['ignored', 'other', 'expired']);
});
