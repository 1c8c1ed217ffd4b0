import type { Database } from 'better-sqlite3';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Lease, naiveUtc, type SqliteBus, verifyBus } from '../../src/bus/index.js';
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
  const note = temp.insert({ conversationId: two, message: '{"type":"heartbeat"}' });
  return { temp, bus, clock, conversations, done, questions, note };
}

/** Leaves a lane that waits, one that is delayed and one that is ready. */
async function partly(bus: SqliteBus): Promise<void> {
  const leases = await bus.claim(LEASE);
  const [delayed, ...others] = leases;
  if (delayed) await bus.retry(delayed, { delayMs: 5000, code: 'timeout', message: 'late' });
  for (const lease of others) await bus.complete(lease, answer());
}

function expectAnsweredOnce(temp: TempBus, ids: readonly number[]): void {
  for (const id of ids) expect(temp.answersTo(id), `question ${id}`).toHaveLength(1);
}

function expectInOrder(temp: TempBus, conversations: readonly string[]): void {
  for (const conversation of conversations) {
    const answers = temp.rows().filter((row) => row.conversation_id === conversation && row.from_session === 'b');
    const ids = answers.map(({ metadata }) => JSON.parse(metadata ?? '').in_reply_to as number);
    expect(ids).toEqual([...ids].sort((a, b) => a - b));
  }
}

test('a queue at any point of its life is found to be right', async () => {
  const { temp, bus, clock } = await busyBus();
  const isRight = async () => expect(await verifyBus(bus, { clock })).toEqual({ findings: [], repaired: [] });
  await isRight();
  await partly(bus);
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
