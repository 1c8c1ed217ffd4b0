import { expect, test } from 'vitest';
import { cancelQuestion, verifyBus } from '../../src/bus/index.js';
import { TempBus } from '../support/temp-bus.js';
import { node } from './processes.js';

const QUESTIONS = 400;

test('workers that drain and two processes that cancel leave one answer to each question', async () => {
  const temp = new TempBus();
  const conversations = Array.from({ length: 7 }, () => temp.addConversation());
  const asked = temp.askMany(QUESTIONS, conversations);
  // The latest first, so that they meet the workers half way; each is cancelled twice.
  const ids = JSON.stringify(asked.toReversed());
  const cancellers = [0, 1].map(() => node('canceller.mjs', [temp.file, ids]));
  for (const canceller of cancellers) expect(await canceller.line()).toBe('ready');
  for (const canceller of cancellers) canceller.say('go');
  for (const name of [0, 1]) node('worker.mjs', [temp.file, `worker ${name}`]);

  const results = await Promise.all(
    cancellers.map(async (canceller) => {
      const lines: string[] = [];
      while (lines.length < QUESTIONS) lines.push(await canceller.line());
      expect(await canceller.ended).toBe(0);
      return lines;
    }),
  );
  const bus = temp.open();
  const wasCancelled = results
    .flat()
    .filter((line) => line.endsWith(' cancelled'))
    .map((line) => Number(line.split(' ')[0]));
  expect(new Set(wasCancelled).size).toBe(wasCancelled.length);
  expect(wasCancelled.length).toBeGreaterThan(0);
  for (const id of asked) {
    const [row, ...more] = temp.answersTo(id);
    expect(more).toEqual([]);
    const { error } = JSON.parse(row?.message ?? '{}') as { error?: { code: string } };
    expect([id, error?.code]).toEqual([id, wasCancelled.includes(id) ? 'cancelled' : undefined]);
  }
  const { complete, failed, pending, leased } = bus.stats();
  expect({ complete, failed, pending, leased }).toEqual({
    complete: QUESTIONS - wasCancelled.length,
    failed: wasCancelled.length,
    pending: 0,
    leased: 0,
  });
  expect((await verifyBus(bus)).findings).toEqual([]);
}, 60_000);

for (const moment of ['ans.readflag', 'ans.insert', 'ans.sidecar', 'write.commit']) {
  test(`a cancel killed at ${moment} has done nothing, and done again it is done once`, async () => {
    const temp = new TempBus();
    const [first = 0, id = 0, last = 0] = temp.askMany(3, [temp.addConversation()]);
    const bus = temp.open();
    await bus.claim({ limit: 1, leaseMs: 60_000 });
    for (const victim of [id, first]) {
      const canceller = node('canceller.mjs', [temp.file, `[${victim}]`, `${moment}:kill`]);
      expect(await canceller.line()).toBe('ready');
      canceller.say('go');
      expect(await canceller.ended).toBe(null);
      expect(temp.answersTo(victim)).toEqual([]);
      expect((await verifyBus(bus)).findings).toEqual([]);
      expect(await cancelQuestion(bus, victim)).toBe('cancelled');
      expect(temp.answersTo(victim)).toHaveLength(1);
    }
    expect(bus.stats()).toMatchObject({ pending: 1, leased: 0, failed: 2 });
    expect((await bus.claim({ limit: 1, leaseMs: 60_000 })).map((each) => each.questionId)).toEqual(
      [last],
    );
    expect((await verifyBus(bus)).findings).toEqual([]);
  });
}
