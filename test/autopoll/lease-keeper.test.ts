import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LeaseKeeper } from '../../clients/autopoll/lease-keeper.js';
import { Outage } from '../../clients/autopoll/outage.js';
import type { Lease } from '../../src/bus/index.js';

const LEASE: Lease = {
  questionId: 1,
  conversationId: 'conv_0000000000000001',
  lane: 1,
  token: 't',
  attempt: 1,
  question: { kind: 'invalid', queryId: undefined, message: 'any' },
  seenAtUs: 0,
  claimedAtUs: 0,
};
const TIMES = { leaseMs: 30_000, renewEveryMs: 10_000, idleGapMs: 25_000 };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Time that moves with the faked timers. */
const clock = { monotonicMs: () => performance.now(), wallUs: () => 0 };

function keeper(kept: 'kept' | 'lost') {
  const renewals: number[] = [];
  const bus = {
    renew: async () => {
      renewals.push(performance.now());
      return kept;
    },
  };
  const given: string[] = [];
  const turn = { lease: LEASE, giveUp: (why: string) => void given.push(why) };
  return { keeper: new LeaseKeeper({ bus, clock, ...TIMES }), turn, renewals, given };
}

test('a lease is renewed while the turn shows progress', async () => {
  const { keeper: leases, turn, renewals, given } = keeper('kept');
  leases.add(turn);
  for (let pass = 0; pass < 10; pass += 1) {
    await vi.advanceTimersByTimeAsync(TIMES.renewEveryMs);
    leases.progress(turn);
  }
  expect(renewals).toHaveLength(10);
  expect(given).toEqual([]);
  leases.close();
});

test('a silent turn loses its lease after the idle gap, whatever the timer does', async () => {
  const { keeper: leases, turn, renewals, given } = keeper('kept');
  leases.add(turn);
  await vi.advanceTimersByTimeAsync(3 * TIMES.renewEveryMs);
  expect(renewals).toHaveLength(2);
  expect(given).toEqual(['idle']);
  leases.close();
});

test('a turn whose lease was lost is told at the next renewal', async () => {
  const { keeper: leases, turn, given } = keeper('lost');
  leases.add(turn);
  await vi.advanceTimersByTimeAsync(TIMES.renewEveryMs);
  expect(given).toEqual(['lost']);
  leases.close();
});

test('a turn that ended is renewed no more', async () => {
  const { keeper: leases, turn, renewals } = keeper('kept');
  leases.add(turn);
  leases.remove(turn);
  await vi.advanceTimersByTimeAsync(5 * TIMES.renewEveryMs);
  expect(renewals).toEqual([]);
  leases.close();
});

test('a bridge that refuses work is left alone for longer and longer, until it answers', () => {
  const outage = new Outage(clock);
  expect(outage.pauseMs()).toBe(0);
  const pauses: number[] = [];
  for (let refusal = 0; refusal < 10; refusal += 1) {
    outage.seen();
    outage.seen();
    pauses.push(outage.pauseMs());
    vi.advanceTimersByTime(outage.pauseMs());
  }
  expect(pauses.slice(0, 4)).toEqual([250, 500, 1000, 2000]);
  expect(pauses.at(-1)).toBe(15_000);
  outage.seen();
  outage.over();
  expect(outage.pauseMs()).toBe(0);
});
