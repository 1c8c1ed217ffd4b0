import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  cancelQuestion,
  LISTED_STATUSES,
  type ListedQuestion,
  type ListedStatus,
  type ListFilter,
  listQuestions,
  removeQuestion,
  type SqliteBus,
} from '../../src/bus/index.js';
import { answer, query, TempBus } from '../support/temp-bus.js';

const LONG_MS = 3_600_000;

/** All pages put together, and how many there were. */
function allOf(bus: SqliteBus, filter: ListFilter) {
  const questions: ListedQuestion[] = [];
  let pages = 0;
  for (let beforeId: number | undefined; ; ) {
    const page = listQuestions(bus, { ...filter, ...(beforeId !== undefined && { beforeId }) });
    expect(page.questions.length).toBeLessThanOrEqual(filter.limit);
    questions.push(...page.questions);
    pages += 1;
    if (page.nextBeforeId === undefined) return { questions, pages };
    expect(page.nextBeforeId).toBeLessThan(beforeId ?? Number.POSITIVE_INFINITY);
    beforeId = page.nextBeforeId;
  }
}

/** A bus with questions of every status, some of each, in two conversations that last and one that does not. */
async function everyStatus() {
  const temp = new TempBus();
  const bus = temp.open();
  const expected = new Map<number, ListedStatus>();
  const places = [temp.addConversation(), temp.addConversation()];
  const ends = {
    complete: undefined,
    failed: { code: 'context_missing', dead: false },
    timeout: { code: 'timeout', dead: false },
    dead: { code: 'timeout', dead: true },
  };
  for (const [status, error] of Object.entries(ends)) {
    for (const place of places) {
      const id = temp.ask(place, `${status} here`);
      temp.insert({ conversationId: place, message: 'the build is green' });
      const [lease] = await bus.claim({ limit: 1, leaseMs: LONG_MS });
      const told = error && { ...error, message: 'it broke', attempts: 1 };
      if (lease) await bus.complete(lease, answer('so', told ? { error: told } : {}));
      expected.set(id, status as ListedStatus);
    }
  }
  for (const [index, place] of places.entries()) {
    const [gone, none, leased, behind] = [1, 2, 3, 4].map(() => temp.ask(place, 'why?'));
    await cancelQuestion(bus, gone ?? 0);
    if (index === 0) await bus.claim({ limit: 1, leaseMs: LONG_MS, conversations: [place] });
    else await removeQuestion(bus, none ?? 0);
    expected.set(gone ?? 0, 'cancelled');
    expected.set(none ?? 0, index === 0 ? 'processing' : 'ignored');
    expected.set(leased ?? 0, 'pending').set(behind ?? 0, 'pending');
  }
  const late = temp.addConversation('2020-01-01T00:00:00.000000');
  expected.set(temp.ask(late, 'too late?'), 'expired');
  await bus.claim({ limit: 1, leaseMs: LONG_MS, conversations: [late] });
  expected.set(temp.ask(places[0] ?? '', 'not taken in'), 'pending');
  temp.insert({ conversationId: places[0], message: 'information, not taken in' });
  return { temp, bus, expected, places };
}

test('pages put together are the questions that match, the latest first, whatever is asked for', async () => {
  const { temp, bus, expected, places } = await everyStatus();
  const placeOf = new Map(temp.rows().map((row) => [row.id, row.conversation_id]));
  const noInformation = temp.rows().filter((row) => row.message.startsWith('{'));
  const ids = new Set(noInformation.map((row) => row.id));
  await fc.assert(
    fc.asyncProperty(
      fc.option(fc.subarray([...LISTED_STATUSES], { minLength: 1 }), { nil: undefined }),
      fc.option(fc.constantFrom(...places), { nil: undefined }),
      fc.integer({ min: 1, max: 30 }),
      async (statuses, conversation, limit) => {
        const filter = { ...(statuses && { statuses }), ...(conversation && { conversation }) };
        const { questions } = allOf(bus, { ...filter, limit });
        const wanted = [...expected]
          .filter(([, status]) => statuses?.includes(status) ?? true)
          .filter(([id]) => conversation === undefined || placeOf.get(id) === conversation)
          .sort(([one], [other]) => other - one);
        expect(
          questions
            .filter(({ messageId }) => ids.has(messageId))
            .map(({ messageId, status }) => [messageId, status]),
        ).toEqual(wanted);
      },
    ),
    { numRuns: 60 },
  );
});

test('a line tells what was asked, by whom, when, and how it went', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const conversationId = temp.addConversation();
  const text = `why? ${'x'.repeat(300)}`;
  const id = temp.insert({ conversationId, message: query(text) });
  const [unseen] = listQuestions(bus, { limit: 1 }).questions;
  expect(unseen).toMatchObject({ messageId: id, status: 'pending', attempts: 0 });
  expect(unseen?.seenAtUs).toBeUndefined();
  expect(unseen?.ageMs).toBeGreaterThanOrEqual(0);
  const [lease] = await bus.claim({ limit: 1, leaseMs: LONG_MS });
  if (!lease) throw new Error('nothing was leased');
  expect(listQuestions(bus, { limit: 1 }).questions).toMatchObject([
    { status: 'processing', attempts: 1, seenAtUs: lease.seenAtUs },
  ]);
  await bus.complete(lease, answer('so', { turn: { engine: 'fake' } }));
  const [line] = listQuestions(bus, { limit: 1 }).questions;
  expect(line).toMatchObject({
    conversationId,
    status: 'complete',
    question: text.slice(0, 200),
    askedAt: temp.rows()[0]?.timestamp,
    attempts: 1,
    engine: 'fake',
    errorCode: undefined,
    source: 'asker',
    target: 'shard',
  });
  expect(line?.finishedAtUs).toBeGreaterThanOrEqual(lease.claimedAtUs);
  // Who is asked on the other side has it the other way round.
  const back = temp.insert({ conversationId, from: 'b', to: 'a', message: query('and you?') });
  expect(listQuestions(temp.open({ session: 'a' }), { limit: 1 }).questions).toMatchObject([
    { messageId: back, source: 'shard', target: 'asker' },
  ]);
});

test('rows of any shape are listed or passed over, and stop no others', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const conversationId = temp.addConversation();
  const metadata = '{"action_type": "question"}';
  const odd = [
    { conversationId, message: '{"type":"query","question":', metadata },
    { conversationId, message: Buffer.from('blob'), metadata },
    { conversationId, message: query('x'.repeat(2_000_000)) },
    { conversationId: Buffer.from('blob'), message: query('no text') },
    { conversationId: 'gone', message: query('nowhere') },
  ].map((row) => temp.insert(row));
  const good = temp.ask(conversationId, 'good');
  const listed = () => listQuestions(bus, { limit: 50 }).questions.map((each) => each.messageId);
  expect(listed()).toEqual([good, odd[4], odd[2], odd[1], odd[0]]);
  const leases = await bus.claim({ limit: 1, leaseMs: LONG_MS, conversations: ['none'] });
  expect(leases).toEqual([]);
  expect(listed()).toEqual([good, odd[4], odd[2], odd[1], odd[0]]);
});

test('a filter that matches one of 30,000 finds it in calls that each look at a part of them', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const conversation = temp.addConversation();
  const [wanted = 0] = temp.askMany(30_000, [conversation]);
  // As they stand once they have been answered.
  temp.peer.exec(`
    UPDATE messages SET read = 1;
    INSERT INTO warmline_cursor SELECT 'b', max(id) FROM messages;
    INSERT INTO warmline_done (question_id, session, conversation_id, outcome, attempts, seen_at_us,
                               completed_at_us)
      SELECT id, 'b', conversation_id, CASE id WHEN ${wanted} THEN 'ignored' ELSE 'complete' END,
             1, 1, 2 FROM messages`);
  const { questions, pages } = allOf(bus, { statuses: ['ignored'], limit: 50 });
  expect(questions.map(({ messageId }) => messageId)).toEqual([wanted]);
  expect(pages).toBeGreaterThan(1);
  expect(pages).toBeLessThan(10);
  expect(allOf(bus, { statuses: ['dead', 'cancelled'], limit: 50 })).toEqual({
    questions: [],
    pages: 1,
  });
});
