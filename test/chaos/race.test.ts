/**
 * The race that spoiled other queues: the reaper picks a question that looks stuck, its worker
 * finishes it, the reaper resets it all the same. Step by step and in every order, on both adapters.
 */
import { describe, expect, test } from 'vitest';
import { generator, pick } from '../../chaos/random.js';
import type { Bus, Lease } from '../../src/bus/index.js';
import { memoryHarness } from '../bus/memory-harness.js';
import { sqliteHarness } from '../bus/sqlite-harness.js';
import type { BusHarness } from '../contract/bus.harness.js';
import { answer, QUESTION_METADATA, query } from '../support/temp-bus.js';

const LEASE_MS = 30_000;

interface Play {
  readonly harness: BusHarness;
  readonly worker: Bus;
  readonly other: Bus;
  /** Puts a question, which the worker claims and then works on past the end of its lease. */
  stuck(): Promise<Lease>;
}

async function begin(makeHarness: () => BusHarness): Promise<Play> {
  const harness = makeHarness();
  const worker = harness.join();
  const other = harness.join();
  return {
    ...{ harness, worker, other },
    stuck: async () => {
      const roles = { roleA: 'asker', roleB: 'shard', lifetimeMs: 1e9 };
      const conversationId = await worker.createConversation(roles);
      harness.insert({ conversationId, message: query('why?'), metadata: QUESTION_METADATA });
      const lease = await claimOne(worker);
      harness.clock.advance(LEASE_MS + 1_000);
      return lease;
    },
  };
}

async function claimOne(bus: Bus): Promise<Lease> {
  const [lease] = await bus.claim({ limit: 1, leaseMs: LEASE_MS });
  if (lease === undefined) throw new Error('there was nothing to claim');
  return lease;
}

function answersTo({ harness }: Play, { questionId }: Lease): string[] {
  return harness
    .rows()
    .filter(({ from, metadata }) => from === 'b' && metadata !== null)
    .filter(({ metadata }) => JSON.parse(metadata ?? '').in_reply_to === questionId)
    .map(({ message }) => JSON.parse(message).answer);
}

/** One answer, an end that is not before its beginning, and nothing left to do. */
function expectWell(play: Play, lease: Lease): void {
  expect(answersTo(play, lease)).toHaveLength(1);
  expect(play.harness.outcomes().get(lease.questionId)).toBe('complete');
  const attempts = play.other.attemptsOf(lease.questionId);
  expect(attempts.filter(({ outcome }) => outcome === 'complete')).toHaveLength(1);
  expect(attempts.at(-1)?.outcome).toBe('complete');
  for (const { claimedAtUs, finishedAtUs } of attempts) {
    expect(finishedAtUs).toBeGreaterThanOrEqual(claimedAtUs);
  }
}

describe.each([
  ['memory', memoryHarness, 500],
  ['SQLite', sqliteHarness, 150],
] as const)('the reaper and a late worker, on the bus in %s', (_, makeHarness, schedules) => {
  test('picked as stuck, then completed: it is not handed out again', async () => {
    const play = await begin(makeHarness);
    const lease = await play.stuck();
    const completing = play.worker.complete(lease, answer('in the end'));
    // On a file the answer is not committed yet: the reaper still sees the lease, and picks it.
    const reaping = play.other.reap();
    expect(await completing).toBe('kept');
    expect(await reaping).toMatchObject({ expired: 0, gone: 0 });
    expect(await play.other.claim({ limit: 1, leaseMs: LEASE_MS })).toEqual([]);
    expect(answersTo(play, lease)).toEqual(['in the end']);
    expectWell(play, lease);
    expect(play.other.stats()).toMatchObject({ pending: 0, leased: 0, complete: 1, stale: 0 });
  });

  test('reset, then completed by its first worker: the late result is dropped and counted', async () => {
    const play = await begin(makeHarness);
    const lease = await play.stuck();
    const reaping = play.other.reap();
    const late = play.worker.complete(lease, answer('too late'));
    expect(await reaping).toMatchObject({ expired: 1 });
    expect(await late).toBe('lost');
    const again = await claimOne(play.other);
    expect(again).toMatchObject({ questionId: lease.questionId, attempt: 2 });
    expect(await play.other.complete(again, answer('by the second'))).toBe('kept');
    expect(answersTo(play, lease)).toEqual(['by the second']);
    expectWell(play, lease);
    expect(play.other.stats()).toMatchObject({ pending: 0, leased: 0, complete: 1, stale: 1 });
  });

  test('reset, and completed by both: one answer, that of the lease that holds', async () => {
    const play = await begin(makeHarness);
    const lease = await play.stuck();
    await play.other.reap();
    const again = await claimOne(play.other);
    const both = [
      play.worker.complete(lease, answer('too late')),
      play.other.complete(again, answer('by the second')),
      play.worker.retry(lease, { delayMs: 0, code: 'timeout', message: 'too late as well' }),
      play.worker.release(lease),
    ];
    expect(await Promise.all(both)).toEqual(['lost', 'kept', 'lost', 'lost']);
    expect(answersTo(play, lease)).toEqual(['by the second']);
    expectWell(play, lease);
    expect(play.other.stats()).toMatchObject({ complete: 1, stale: 3 });
  });

  test(`${schedules} schedules by chance: one answer each, and every late result is counted`, async () => {
    const seed = Date.now() % 1_000_000;
    const random = generator(seed);
    const play = await begin(makeHarness);
    const { worker, other } = play;
    let refused = 0;
    for (let schedule = 0; schedule < schedules; schedule += 1) {
      const lease = await play.stuck();
      const answered = async (by: Bus, held: Lease) => {
        if ((await by.complete(held, answer())) === 'lost') refused += 1;
      };
      const steps = [
        () => answered(worker, lease),
        async () => void (await other.reap()),
        async () => void (await worker.reap()),
        async () => {
          for (const held of await other.claim({ limit: 1, leaseMs: LEASE_MS })) {
            await answered(other, held);
          }
        },
        async () => {
          if ((await worker.renew(lease, LEASE_MS)) === 'lost') refused += 1;
        },
      ];
      const under: Promise<void>[] = [];
      while (steps.length > 0) {
        const step = pick(random, steps);
        steps.splice(steps.indexOf(step), 1);
        const running = step();
        // Half of them are over before the next one begins.
        if (random() < 0.5) await running;
        else under.push(running);
      }
      await Promise.all(under);
      // Nobody died: what nobody answered is still leased by its worker, or free.
      play.harness.clock.advance(2 * LEASE_MS);
      await other.reap();
      for (const held of await other.claim({ limit: 1, leaseMs: LEASE_MS })) {
        expect(await other.complete(held, answer())).toBe('kept');
      }
      expectWell(play, lease);
      expect(other.stats(), `seed ${seed}`).toMatchObject({
        ...{ pending: 0, leased: 0, complete: schedule + 1, stale: refused },
      });
    }
    expect(refused).toBeGreaterThan(0);
  });
});
