import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type RedriveOptions,
  redriveMatching,
  redriveQuestions,
  type SqliteBus,
  verifyBus,
} from '../../src/bus/index.js';
import { inReplyTo, query } from '../support/temp-bus.js';
import { answerAll, end, letters } from './letters.js';

async function redriveAll(bus: SqliteBus, options: RedriveOptions = {}, filter = {}) {
  const results = [];
  for await (const page of redriveMatching(bus, filter, options)) results.push(...page);
  return results;
}

test('a dead question is asked again with its words, and its asker gets an answer to the query it knows', async () => {
  const { temp, bus, clock, conversation, audits } = letters();
  const message = query('why?', { model: 'm', priority: 3 });
  const id = temp.insert({
    conversationId: conversation,
    message,
    metadata: '{"action_type": "question", "mood": "calm"}',
  });
  await end(bus);
  const before = temp.rows().find((row) => row.id === id);

  const [result] = await redriveQuestions(bus, [id], { clock });
  expect(result).toMatchObject({ questionId: id, did: 'redriven' });
  const againId = result?.did === 'redriven' ? result.againId : 0;
  const row = temp.rows().find((each) => each.id === againId);
  expect(row).toMatchObject({
    conversation_id: conversation,
    from_session: 'a',
    to_session: 'b',
    message,
    read: 0,
  });
  expect(JSON.parse(row?.metadata ?? '')).toEqual({
    action_type: 'question',
    mood: 'calm',
    redrive_of: id,
  });
  expect(row?.timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/);

  expect(await answerAll(bus)).toEqual([againId]);
  const [answered] = temp.answersTo(againId);
  expect(JSON.parse(answered?.message ?? '')).toMatchObject({
    query_id: 'q_1',
    answer: 'an answer',
  });
  // What was finished stays as it was, with its one answer.
  expect(temp.rows().find((each) => each.id === id)).toEqual(before);
  expect(temp.answersTo(id)).toHaveLength(1);
  expect(audits().map(({ details, ...rest }) => ({ ...rest, ...JSON.parse(details) }))).toEqual([
    {
      conversation_id: conversation,
      session_id: 'b',
      by: 'warmline',
      redrive_of: id,
      message_id: againId,
    },
  ]);
  expect((await verifyBus(bus, { clock })).findings).toEqual([]);
});

test('whatever the metadata was, that of the new row is valid JSON, with the old fields if it had any', async () => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.json(), fc.string(), fc.constant(null)), async (metadata) => {
      const { temp, bus, clock, conversation } = letters();
      const id = temp.insert({ conversationId: conversation, message: query('why?'), metadata });
      await end(bus);
      const [result] = await redriveQuestions(bus, [id], { clock });
      const againId = result?.did === 'redriven' ? result.againId : 0;
      const row = temp.rows().find((each) => each.id === againId);
      const before = objectOrNothing(metadata);
      expect(JSON.parse(row?.metadata ?? '')).toEqual({
        action_type: 'question',
        ...before,
        redrive_of: id,
      });
    }),
    { numRuns: 20 },
  );
});

function objectOrNothing(text: string | null): object {
  try {
    const value = JSON.parse(text ?? '');
    return typeof value === 'object' && !Array.isArray(value) ? (value ?? {}) : {};
  } catch {
    return {};
  }
}

test('two operators at once ask a dead question again only once', async () => {
  const { temp, bus, clock, conversation } = letters();
  const ids = temp.askMany(30, [conversation]);
  await end(bus);
  const other = temp.open({ clock });
  const both = await Promise.all([
    redriveAll(bus, { clock }),
    redriveQuestions(other, ids, { clock }),
  ]);
  const redriven = both.flat().filter(({ did }) => did === 'redriven');
  expect(redriven.map(({ questionId }) => questionId).sort((a, b) => a - b)).toEqual(ids);
  expect(temp.rows().filter(({ metadata }) => metadata?.includes('redrive_of'))).toHaveLength(
    ids.length,
  );
});

test('a dead letter is asked again once; with "again" once more, and not while that is unfinished', async () => {
  const { temp, bus, clock, conversation } = letters();
  const id = temp.ask(conversation, 'why?');
  await end(bus);
  const redrive = async (options: RedriveOptions = {}) => {
    const [result] = await redriveQuestions(bus, [id], { clock, ...options });
    return result?.did === 'refused' ? result.why : result?.did;
  };
  expect(await redrive()).toBe('redriven');
  expect(await redrive()).toMatch(/being asked again already, as question \d+$/);
  expect(await redrive({ again: true })).toMatch(/being asked again already/);
  await answerAll(bus);
  expect(await redrive()).toMatch(/was asked again already, as question \d+; --again/);
  expect(await redrive({ again: true })).toBe('redriven');
});

test.each([
  ['one that nobody asked', async () => 999, /there is no question 999/],
  [
    'one that is not finished',
    async ({ temp, conversation }: Setup) => temp.ask(conversation, 'why?'),
    /no question that was finished|not finished yet/,
  ],
  [
    'one that was answered',
    async ({ temp, bus, conversation }: Setup) => {
      const id = temp.ask(conversation, 'why?');
      await answerAll(bus);
      return id;
    },
    /not dead, it ended as "complete"/,
  ],
  [
    'one that no retry helps',
    async ({ temp, bus, conversation }: Setup) => {
      const id = temp.ask(conversation, 'why?');
      await end(bus, { code: 'context_missing', dead: false });
      return id;
    },
    /got an error answer that no retry helps.*--failed/,
  ],
  [
    'one whose row is gone',
    async (setup: Setup) => {
      const id = await deadIn(setup);
      setup.temp.peer.prepare('DELETE FROM messages WHERE id = ?').run(id);
      return id;
    },
    /has been deleted/,
  ],
  [
    'one whose conversation is gone',
    async (setup: Setup) => {
      const id = await deadIn(setup);
      setup.temp.peer.prepare('DELETE FROM conversations').run();
      return id;
    },
    /conversation of question \d+ is gone/,
  ],
  [
    'one whose conversation has expired',
    async (setup: Setup) => {
      const id = await deadIn(setup);
      setup.expire(setup.conversation);
      return id;
    },
    /has expired.*--include-expired/,
  ],
  [
    'one that has been changed into something else',
    async (setup: Setup) => {
      const id = await deadIn(setup);
      setup.temp.peer
        .prepare(`UPDATE messages SET message = '{"type":"note"}' WHERE id = ?`)
        .run(id);
      return id;
    },
    /changed since and is no question/,
  ],
] as const)('%s is refused with the reason, and nothing is written', async (_what, make, why) => {
  const setup = letters();
  const { temp, bus, clock } = setup;
  const id = await make(setup);
  const rows = temp.rows();
  for (const dryRun of [true, false]) {
    const [result] = await redriveQuestions(bus, [id], { clock, dryRun });
    expect(result).toMatchObject({ did: 'refused', why: expect.stringMatching(why) });
  }
  expect(temp.rows()).toEqual(rows);
  expect(setup.audits()).toEqual([]);
});

type Setup = ReturnType<typeof letters>;

async function deadIn({ temp, bus, conversation }: Setup): Promise<number> {
  const id = temp.ask(conversation, 'why?');
  await end(bus);
  return id;
}

test('told so, it asks again in an expired conversation, and what no retry helps', async () => {
  const setup = letters();
  const { bus, clock, temp, conversation } = setup;
  const dead = await deadIn(setup);
  const failed = temp.ask(conversation, 'why not?');
  await end(bus, { dead: false });
  setup.expire(conversation);
  const options = { clock, includeExpired: true, includeFailed: true };
  expect((await redriveQuestions(bus, [dead, failed], options)).map(({ did }) => did)).toEqual([
    'redriven',
    'redriven',
  ]);
});

test('a dry run says the same and writes nothing', async () => {
  const { temp, bus, clock, conversation } = letters();
  temp.askMany(3, [conversation]);
  await end(bus);
  const rows = temp.rows();
  const said = await redriveAll(bus, { clock, dryRun: true });
  expect(temp.rows()).toEqual(rows);
  const done = await redriveAll(bus, { clock });
  expect(said.map(({ questionId, did }) => [questionId, did])).toEqual(
    done.map(({ questionId, did }) => [questionId, did]),
  );
});

test('all that match are asked again in the order they were asked, in pages, once', async () => {
  const { temp, bus, clock, conversation } = letters();
  const other = temp.addConversation();
  const limits = temp.askMany(230, [conversation, other]);
  await end(bus, { code: 'engine_limit', engine: 'claude' });
  clock.advance(60_000);
  const errors = temp.askMany(3, [other]);
  await end(bus, { engine: 'fake' });

  const ids = (results: readonly { questionId: number }[]) =>
    results.map(({ questionId }) => questionId);
  const dryRun = { clock, dryRun: true };
  expect(ids(await redriveAll(bus, dryRun, { code: 'engine_error' }))).toEqual(errors);
  expect(ids(await redriveAll(bus, dryRun, { engine: 'claude' }))).toEqual(limits);
  expect(ids(await redriveAll(bus, dryRun, { sinceUs: clock.wallUs() - 1000 }))).toEqual(errors);
  expect(ids(await redriveAll(bus, dryRun, { conversationId: conversation }))).toEqual(
    limits.filter((_, index) => index % 2 === 0),
  );
  const all = await redriveAll(bus, { clock });
  expect(ids(all)).toEqual([...limits, ...errors]);
  const againIds = all.map((each) => (each.did === 'redriven' ? each.againId : 0));
  expect(againIds).toEqual([...againIds].sort((a, b) => a - b));
  expect(await redriveAll(bus, { clock })).toEqual([]);
  await answerAll(bus);
  const answers = temp
    .rows()
    .map(({ metadata }) => inReplyTo(metadata))
    .filter((id) => id !== undefined);
  expect(new Set(answers).size).toBe(answers.length);
});

test('a question that depends on a dead one runs once that has been asked again', async () => {
  const { temp, bus, clock, conversation } = letters();
  const parent = temp.ask(conversation, 'first');
  await end(bus);
  const ask = () =>
    temp.insert({
      conversationId: temp.addConversation(),
      message: query('then', { depends_on: [parent] }),
      metadata: null,
    });
  const early = ask();
  const refused = await end(bus, { code: 'parent_failed' });
  expect(refused).toEqual([early]);
  await redriveQuestions(bus, [parent, early], { clock });
  const order = await answerAll(bus);
  expect(order).toHaveLength(2);
  expect(order).toEqual([...order].sort((a, b) => a - b));
});
