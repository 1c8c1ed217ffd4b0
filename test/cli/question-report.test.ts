import { expect, test } from 'vitest';
import { detailsAsJson, detailsAsText } from '../../clients/cli/question-report.js';
import {
  cancelQuestion,
  type QuestionDetails,
  questionDetails,
  removeQuestion,
  retryQuestion,
} from '../../src/bus/index.js';
import { answer, TempBus } from '../support/temp-bus.js';

function known(details: QuestionDetails | undefined): QuestionDetails {
  if (details === undefined) throw new Error('there is no such question');
  return details;
}

test('a question goes by the word for how it ended, with its attempts', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const [cancelled = 0, late = 0, removed = 0] = temp.askMany(3, [temp.addConversation()]);
  await bus.claim({ limit: 1, leaseMs: 30_000 });
  await cancelQuestion(bus, cancelled);
  const [lease] = await bus.claim({ limit: 1, leaseMs: 30_000 });
  const error = { code: 'timeout', message: 'late', attempts: 1, dead: false };
  if (lease) await bus.complete(lease, answer('no', { error }));
  await removeQuestion(bus, removed);
  const { againId = 0 } = await retryQuestion(bus, cancelled);
  await cancelQuestion(bus, againId);

  const words = { [cancelled]: 'cancelled', [late]: 'timeout', [removed]: 'ignored' };
  for (const [id, word] of Object.entries(words)) {
    const details = known(questionDetails(bus, Number(id)));
    expect(detailsAsJson(details).status).toBe(word);
    expect(detailsAsText(details)).toMatch(new RegExp(`^Question ${id}: ${word}$`, 'm'));
  }
  const again = known(questionDetails(bus, againId));
  const text = detailsAsText(known(questionDetails(bus, cancelled)), again);
  expect(text).toMatch(/^status +cancelled$/m);
  expect(text).toMatch(/^ +1 .* failed .*cancelled$/m);
  expect(text).toMatch(new RegExp(`^asked again +as question ${againId} \\(cancelled\\)$`, 'm'));
  expect(detailsAsText(known(questionDetails(bus, removed)))).toMatch(
    /^status +ignored: removed$/m,
  );
});
