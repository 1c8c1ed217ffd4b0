import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type DeadLetter,
  type DeadLetterFilter,
  listDeadLetters,
  redriveQuestions,
} from '../../src/bus/index.js';
import { query } from '../support/temp-bus.js';
import { answerAll, end, letters } from './letters.js';

test('questions that were given up are listed with what is known of them', async () => {
  const { temp, bus, clock, conversation } = letters();
  const id = temp.ask(conversation, 'why?');
  temp.ask(conversation, 'and this?');
  const [first] = await bus.claim({ limit: 1, leaseMs: 30_000 });
  if (first) await bus.retry(first, { delayMs: 0, code: 'timeout', message: 'late' });
  const [again] = await bus.claim({ limit: 1, leaseMs: 30_000 });
  clock.advance(1500);
  const error = { code: 'timeout', message: 'late', attempts: 2, dead: true };
  const told = {
    answer: 'late',
    sources: [],
    shardId: 's',
    llmType: 'fake',
    responseTimeSec: 1,
    error,
  };
  if (again) await bus.complete(again, { ...told, turn: { engine: 'fake' } });
  await answerAll(bus);
  await redriveQuestions(bus, [id], { clock });

  const { letters: listed, nextBeforeId } = listDeadLetters(bus, {}, { limit: 10 });
  const redrivenAs = temp.rows().find(({ metadata }) => metadata?.includes('redrive_of'))?.id;
  expect(nextBeforeId).toBeUndefined();
  expect(listed).toEqual([
    {
      questionId: id,
      conversationId: conversation,
      outcome: 'dead',
      code: 'timeout',
      engine: 'fake',
      attempts: 2,
      seenAtUs: expect.any(Number),
      endedAtUs: expect.any(Number),
      redrivenAs,
      question: 'why?',
    },
  ]);
  expect(listed[0]?.endedAtUs).toBeGreaterThanOrEqual((listed[0]?.seenAtUs ?? 0) + 1_500_000);
});

test('a question shows as what was asked, whatever its row holds and wherever it is cut', async () => {
  const { temp, bus, conversation } = letters();
  const long = `"quoted" \\ ${'é'.repeat(3000)}`;
  const rows = [
    query(long),
    'only words',
    '{"type":"query","question":"cut in the mid',
    query('short'),
  ];
  for (const message of rows) {
    temp.insert({ conversationId: conversation, message, metadata: '{"action_type":"question"}' });
  }
  await end(bus);
  const shown = listDeadLetters(bus, {}, { limit: 10 }).letters.map(({ question }) => question);
  expect(shown.slice(0, 3)).toEqual(['short', 'cut in the mid', 'only words']);
  expect(long.startsWith(shown[3] ?? '-')).toBe(true);
  expect(shown[3]?.length).toBeGreaterThan(1000);
  temp.peer.prepare('DELETE FROM messages').run();
  expect(listDeadLetters(bus, {}, { limit: 10 }).letters.map(({ question }) => question)).toEqual(
    rows.map(() => undefined),
  );
});

const Kind = fc.record({
  code: fc.constantFrom('timeout', 'engine_error'),
  engine: fc.constantFrom('fake', 'claude'),
  dead: fc.boolean(),
  where: fc.nat(1),
});

test('pages put together are the questions that match, the latest first', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(Kind, { maxLength: 8 }),
      fc.integer({ min: 1, max: 5 }),
      async (kinds, limit) => {
        const { temp, bus, clock, conversation } = letters();
        const places = [conversation, temp.addConversation()];
        const all: (DeadLetterFilter & { id: number; dead: boolean; endedAtUs: number })[] = [];
        for (const { where, dead, ...kind } of kinds) {
          const conversationId = places[where] ?? '';
          const id = temp.ask(conversationId, 'why?');
          clock.advance(1000);
          await end(bus, { dead, ...kind });
          all.push({ id, conversationId, dead, ...kind, endedAtUs: clock.wallUs() });
        }
        const filters: DeadLetterFilter[] = [
          {},
          { includeFailed: true },
          { code: 'timeout', includeFailed: true },
          { engine: 'claude' },
          { conversationId: conversation, includeFailed: true },
          { sinceUs: all[3]?.endedAtUs ?? 0, includeFailed: true },
        ];
        for (const filter of filters) {
          const expected = all
            .filter((each) => each.dead || filter.includeFailed)
            .filter((each) => filter.code === undefined || each.code === filter.code)
            .filter((each) => filter.engine === undefined || each.engine === filter.engine)
            .filter(
              (each) =>
                filter.conversationId === undefined ||
                each.conversationId === filter.conversationId,
            )
            .filter((each) => each.endedAtUs >= (filter.sinceUs ?? 0))
            .map(({ id }) => id)
            .reverse();
          const found: DeadLetter[] = [];
          let beforeId: number | undefined;
          do {
            const page = listDeadLetters(bus, filter, { limit, beforeId });
            expect(page.letters.length).toBeLessThanOrEqual(limit);
            found.push(...page.letters);
            beforeId = page.nextBeforeId;
          } while (beforeId !== undefined);
          expect(found.map(({ questionId }) => questionId)).toEqual(expected);
        }
      },
    ),
    { numRuns: 20 },
  );
});
