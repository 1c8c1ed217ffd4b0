import { expect, test } from 'vitest';
import { whyNoAnswer } from '../../clients/cli/bus-question.js';
import { savePark, saveWorker } from '../../src/bus/index.js';
import { QUESTION_METADATA, query, TempBus } from '../support/temp-bus.js';

test('a question without an answer says what it waits for, and first of all that nobody works', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const conversation = temp.addConversation();
  const first = temp.ask(conversation, 'first?');
  const behind = temp.ask(conversation, 'second?');
  const child = temp.insert({
    conversationId: temp.addConversation(),
    message: query('third?', { depends_on: [first] }),
    metadata: QUESTION_METADATA,
  });
  const nobody = `no autopoll works on this bus: warmline autopoll --db ${temp.file}`;
  expect(whyNoAnswer(bus, first)).toBe(nobody);

  await saveWorker(bus, 0, { pid: process.pid });
  expect(whyNoAnswer(bus, first)).toBe('pending: no autopoll has seen it yet');
  const [lease] = await bus.claim({ limit: 64, leaseMs: 60_000 });
  expect(whyNoAnswer(bus, first)).toMatch(/^processing: attempt 1 since /);
  expect(whyNoAnswer(bus, behind)).toContain(`behind question ${first} `);
  expect(whyNoAnswer(bus, child)).toContain(`waits for question ${first}`);
  if (lease) await bus.release(lease);
  const park = { engine: '', code: 'engine_auth', message: 'login refused', sinceUs: 0 };
  await savePark(bus, '', { ...park, untilUs: undefined });
  expect(whyNoAnswer(bus, first)).toContain('the default engine takes no work: engine_auth');
});
