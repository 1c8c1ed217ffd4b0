/** Many questions, few processes: a real `claude` behind a bridge. */
import { expect, test } from 'vitest';
import { CLAUDE, type Rig, startRig, until } from './claude.js';

const claudeTest = test.skipIf(CLAUDE === undefined);

claudeTest('thirty questions are answered by one process', async () => {
  const rig = await startRig({ contexts: { 'NOTES.md': 'The sky is green on Mars.\n' } });
  const pids = new Set<number>();
  for (let number = 0; number < 30; number += 1) {
    rig.model.next(`text=Green (NOTES.md:1-1), says ${number}`);
    const outcome = await rig.ask({ question: `Question ${number}?`, contextFile: 'NOTES.md' });
    expect(outcome).toMatchObject({
      ok: true,
      reply: { answer: `Green (NOTES.md:1-1), says ${number}`, sources: ['NOTES.md:1-1'] },
    });
    for (const pid of rig.bridge.health().childPids) pids.add(pid);
  }
  // One for questions without a context, opened before any was asked, and the one that answered.
  expect(rig.engine.sessions.length).toBeLessThanOrEqual(2);
  expect(pids.size).toBeLessThanOrEqual(2);
  const connections = new Set(rig.model.requests.map(({ connection }) => connection));
  expect(connections.size).toBe(1);
});

claudeTest('two hundred questions start no process between recycles', async () => {
  const rig = await startRig({ limits: { maxTurns: 60 } });
  await rig.answer('Are you there?');
  const before = counts(rig);
  for (let number = 0; number < 200; number += 1) {
    const { opened, replaced } = counts(rig);
    // Each start is that of a replacement, which is there or on its way.
    expect(opened - before.opened - replaced).toBeLessThanOrEqual(1);
    await rig.answer(`Question ${number}?`);
  }
  // The last may still be on its way.
  await until(() => counts(rig).replaced >= 2);
  expect(counts(rig).opened - before.opened - counts(rig).replaced).toBeLessThanOrEqual(1);
  expect(counts(rig).faults).toBe(0);
});

claudeTest(
  'processes above their memory are replaced, and no question waits for that',
  async () => {
    const rig = await startRig({ limits: { maxMemoryBytes: 1 } });
    await rig.answer('Are you there?');
    const first = rig.engine.sessions[0];
    for (let number = 0; counts(rig).replaced < 2; number += 1) {
      const ready = await until(() => {
        const sessions = rig.bridge.sessions().filter(({ state }) => state === 'ready');
        return sessions.length > 0 && sessions.map(({ session }) => session);
      });
      const outcome = await rig.ask(`Question ${number}?`);
      // It was answered by a process that was ready before the question was asked.
      expect(outcome.ok && ready.includes(outcome.reply.session)).toBe(true);
    }
    await first?.closed;
    expect(first?.pids).toEqual([]);
    expect(counts(rig).faults).toBe(0);
  },
);

function counts({ bridge }: Rig) {
  const engines = bridge.stats().engines as Record<string, Record<string, number>>;
  const { sessions_opened = 0, sessions_replaced = 0, engine_faults = 0 } = engines.claude ?? {};
  return { opened: sessions_opened, replaced: sessions_replaced, faults: engine_faults };
}
