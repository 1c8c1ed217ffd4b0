import { expect, test } from 'vitest';
import {
  cancelQuestion,
  listQuestions,
  questionDetails,
  removeQuestion,
  retryQuestion,
  type SqliteBus,
  verifyBus,
} from '../../src/bus/index.js';
import { answer, TempBus } from '../support/temp-bus.js';

const ONE = { limit: 1, leaseMs: 30_000 };

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

test('a delayed question that is retried may be claimed at once', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const id = temp.ask(temp.addConversation(), 'why?');
  expect(await retryQuestion(bus, id)).toEqual({ outcome: 'ready' });
  const [lease] = await bus.claim(ONE);
  if (!lease) throw new Error('nothing was leased');
  expect(await retryQuestion(bus, id)).toEqual({ outcome: 'processing' });
  await bus.retry(lease, { delayMs: 60_000, code: 'engine_error', message: 'it broke' });
  expect(await bus.claim(ONE)).toEqual([]);
  expect(await retryQuestion(bus, id)).toEqual({ outcome: 'ready' });
  expect(await bus.claim(ONE)).toMatchObject([{ questionId: id, attempt: 2 }]);
  await isSound(bus);
});
