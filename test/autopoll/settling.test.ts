/** Answers on their way to the bus: what is wrong with one is its own affair. */
import { EventEmitter, once } from 'node:events';
import { expect, test } from 'vitest';
import { Settling } from '../../clients/autopoll/settling.js';
import type { Lease } from '../../src/bus/index.js';
import { createLogger } from '../../src/log.js';
import { answer, TempBus } from '../support/temp-bus.js';

const LOG = createLogger({ level: 'silent' });
const MILLIONS = 6_000_000;

async function leased(count: number) {
  const temp = new TempBus();
  const bus = temp.open();
  const conversations = Array.from({ length: count }, () => temp.addConversation());
  temp.askMany(count, conversations);
  const leases = await bus.claim({ limit: count, leaseMs: 60_000 });
  const looked = new EventEmitter();
  const settling = new Settling({
    ...{ bus, log: LOG },
    inFlight: () => 0,
    look: () => looked.emit('look'),
  });
  const settled = async () => {
    while (settling.size > 0) await once(looked, 'look');
  };
  return { temp, bus, leases: leases as [Lease, Lease, Lease], settling, settled };
}

/** The answer row of a question, as other programs read it. */
function told(temp: TempBus, { questionId }: Lease): { answer: string; truncated?: unknown } {
  const [row, ...others] = temp.answersTo(questionId);
  expect(others).toEqual([]);
  return JSON.parse(String(row?.message));
}

test.each([
  ['a run of millions of letters', 'A'.repeat(MILLIONS)],
  ['a key of millions of letters', `sk-${'A'.repeat(MILLIONS)}`],
  ['a password of millions of letters', `password=${'A'.repeat(MILLIONS)}`],
])('%s is an answer like any other, and so are those beside it', async (_, long) => {
  const { temp, leases, settling, settled } = await leased(3);
  for (const [at, lease] of leases.entries()) {
    settling.add(lease, { step: 'complete', answer: answer(at === 1 ? long : `plain ${at}`) });
  }
  expect(settling.size).toBe(3);
  await settled();
  expect(told(temp, leases[0]).answer).toBe('plain 0');
  expect(told(temp, leases[2]).answer).toBe('plain 2');
  const { answer: cut, truncated } = told(temp, leases[1]);
  expect(cut).toContain('[answer cut: too long for the bus]');
  expect(truncated).toEqual({ answer_chars: expect.any(Number) });
});

test('no secret gets through, wherever in a long answer it stands', async () => {
  const { temp, leases, settling, settled } = await leased(3);
  const key = `sk-${'abcDEF123'.repeat(4)}`;
  const texts = [`${key} ${'word '.repeat(400_000)}`, `${'word '.repeat(8_000)}${key}`, key];
  for (const [at, lease] of leases.entries()) {
    settling.add(lease, { step: 'complete', answer: answer(texts[at] ?? '') });
  }
  await settled();
  for (const lease of leases) {
    const row = told(temp, lease);
    expect(row.answer).toContain('[REDACTED]');
    expect(JSON.stringify(row)).not.toContain('abcDEF123');
  }
  expect(told(temp, leases[0]).truncated).toEqual({ answer_chars: texts[0]?.length });
});
