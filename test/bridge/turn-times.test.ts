import { expect, test } from 'vitest';
import { startBridge } from './harness.js';

test('waiting for a session uses up nothing of the time of a turn', async () => {
  const { clock, ask } = await startBridge({ limits: { size: 1 } });
  ask('!fake delay=900');
  const patient = ask({ question: '!fake delay=400 Why?', turnTimeoutMs: 500 });
  await clock.advance(1_300);
  expect(patient.reply).toMatchObject({ queuedMs: 900, elapsedMs: 1_300 });
});

test('a turn ends with its own time, also when its asker would wait longer', async () => {
  const { clock, ask } = await startBridge();
  const slow = ask({ question: '!fake silent', turnTimeoutMs: 500, timeoutMs: 60_000 });
  await clock.advance(499);
  expect(slow.outcomes).toEqual([]);
  await clock.advance(1);
  expect(slow.error).toMatchObject({ code: 'timeout', message: expect.stringMatching(/500 ms/) });
});

test('the whole time of a question holds, however long its turn might take', async () => {
  const { clock, ask } = await startBridge({ limits: { size: 1 } });
  ask('!fake delay=900');
  const hurried = ask({ question: 'Why?', turnTimeoutMs: 5_000, timeoutMs: 300 });
  await clock.advance(300);
  expect(hurried.error).toMatchObject({ code: 'timeout' });
});

test('a reply says when the engine first gave a sign of life, if it did before its answer', async () => {
  const { clock, ask } = await startBridge({ limits: { size: 1 } });
  const quiet = ask('!fake delay=100 Why?');
  const heard = ask('!fake delay=400 deltas=4 Why?');
  await clock.advance(500);
  expect(quiet.reply?.firstByteMs).toBeUndefined();
  expect(heard.reply?.queuedMs).toBe(100);
  expect(heard.reply?.firstByteMs).toBeGreaterThanOrEqual(100);
  expect(heard.reply?.firstByteMs).toBeLessThan(500);
});

test('a failed turn says who worked on it and since when, and one that never began says nothing', async () => {
  const { clock, ask } = await startBridge({ limits: { size: 1, queueLimit: 1 } });
  ask('!fake delay=300');
  const failing = ask('!fake delay=200 error=engine_error Why?');
  const refused = ask('too many');
  await clock.advance(500);
  expect(failing.outcomes).toMatchObject([
    { ok: false, turn: { engine: 'fake', queuedMs: 300, elapsedMs: 500 } },
  ]);
  expect(refused.outcomes).toMatchObject([{ ok: false, error: { code: 'busy' } }]);
  expect(refused.outcomes[0]).not.toHaveProperty('turn.engine');
});
