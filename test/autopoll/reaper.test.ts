/** The reaper against a worker that completes meanwhile, step by step and by random schedules. */
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { LeaseKeeper } from '../../clients/autopoll/lease-keeper.js';
import { Reaper } from '../../clients/autopoll/reaper.js';
import type { Bus, Lease } from '../../src/bus/index.js';
import { createLogger } from '../../src/log.js';
import { memoryHarness } from '../bus/memory-harness.js';
import { sqliteHarness } from '../bus/sqlite-harness.js';
import type { BusHarness } from '../contract/bus.harness.js';
import {
  answer,
  inReplyTo,
  QUESTION_METADATA,
  query,
  TempBus,
  TestClock,
} from '../support/temp-bus.js';

const LEASE_MS = 1_000;
const log = createLogger({ level: 'silent' });

const open: LeaseKeeper[] = [];
afterEach(() => {
  for (const keeper of open.splice(0)) keeper.close();
});

async function begin(harness: BusHarness) {
  const [worker, other] = [harness.join(), harness.join()];
  const conversationId = await worker.createConversation({ roleA: 'a', roleB: 'b' });
  const question = harness.insert({
    ...{ conversationId, message: query('why?') },
    metadata: QUESTION_METADATA,
  });
  return { worker, other, question };
}

async function claimOne(bus: Bus): Promise<Lease> {
  const [lease] = await bus.claim({ limit: 1, leaseMs: LEASE_MS });
  if (lease === undefined) throw new Error('nothing could be claimed');
  return lease;
}

describe.each([
  ['memory', memoryHarness, 300],
  ['sqlite', sqliteHarness, 50],
])('on the %s bus', (_name, make, numRuns) => {
  const answersTo = (harness: BusHarness, question: number) =>
    harness.rows().filter((row) => inReplyTo(row.metadata) === question).length;

  test('a worker that completes between the look of the reaper and its write has answered, and that stands', async () => {
    const harness = make();
    const { worker, other, question } = await begin(harness);
    const lease = await claimOne(worker);
    harness.clock.advance(LEASE_MS + 1);
    // The reaper looks as it is called, and writes after what was submitted before it.
    const completing = worker.complete(lease, answer('in time'));
    const reaping = other.reap();
    expect(await completing).toBe('kept');
    expect(await reaping).toMatchObject({ expired: 0, gone: 0, failed: 0 });
    expect(harness.outcomes().get(question)).toBe('complete');
    expect(await other.claim({ limit: 1, leaseMs: LEASE_MS })).toEqual([]);
    expect(answersTo(harness, question)).toBe(1);
  });

  test('a worker that completes after the reaper wrote changes nothing, and is counted', async () => {
    const harness = make();
    const { worker, other, question } = await begin(harness);
    const late = await claimOne(worker);
    harness.clock.advance(LEASE_MS + 1);
    expect(await other.reap()).toMatchObject({ expired: 1 });
    const lease = await claimOne(other);
    expect(await other.complete(lease, answer('the second'))).toBe('kept');
    expect(await worker.complete(late, answer('too late'))).toBe('lost');
    expect(worker.stats()).toMatchObject({ stale: 1, complete: 1, leased: 0, pending: 0 });
    expect(answersTo(harness, question)).toBe(1);
    expect(other.answerTo(question)?.message).toContain('the second');
    expect(other.attemptsOf(question).map(({ outcome }) => outcome)).toEqual([
      'lease_expired',
      'complete',
    ]);
  });

  test('in whatever order they meet: one answer, times in order, and each late result counted', async () => {
    const worker = fc.nat(1);
    const step = fc.oneof(
      { arbitrary: fc.record({ do: fc.constant('claim' as const), worker }), weight: 3 },
      { arbitrary: fc.record({ do: fc.constant('complete' as const), worker }), weight: 3 },
      { arbitrary: fc.record({ do: fc.constant('reap' as const), worker }), weight: 2 },
      { arbitrary: fc.record({ do: fc.constant('renew' as const), worker }), weight: 1 },
      {
        arbitrary: fc.record({
          do: fc.constant('wait' as const),
          ms: fc.constantFrom(1, 600, 1_100),
        }),
        weight: 2,
      },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(step, { maxLength: 5 }), { maxLength: 12 }),
        async (rounds) => {
          const harness = make();
          const { worker: one, other, question } = await begin(harness);
          const buses = [one, other];
          const held: (Lease | undefined)[] = [];
          let kept = 0;
          let lost = 0;
          for (const round of rounds) {
            // What is in a round is under way at once.
            const running = round.map(async (each) => {
              if (each.do === 'wait') return harness.clock.advance(each.ms);
              const bus = buses[each.worker] as Bus;
              const lease = held[each.worker];
              if (each.do === 'reap') await bus.reap();
              else if (each.do === 'claim') {
                held[each.worker] = (await bus.claim({ limit: 1, leaseMs: LEASE_MS }))[0] ?? lease;
              } else if (lease !== undefined) {
                const result =
                  each.do === 'renew'
                    ? await bus.renew(lease, LEASE_MS)
                    : await bus.complete(lease, answer());
                if (result === 'lost') lost += 1;
                else if (each.do === 'complete') kept += 1;
              }
              return undefined;
            });
            await Promise.all(running);
          }
          expect(kept).toBeLessThanOrEqual(1);
          expect(answersTo(harness, question)).toBe(kept);
          expect(one.stats()).toMatchObject({ complete: kept, stale: lost });
          for (const { claimedAtUs, finishedAtUs, seenAtUs } of one.attemptsOf(question)) {
            expect(claimedAtUs).toBeGreaterThanOrEqual(seenAtUs);
            expect(finishedAtUs).toBeGreaterThanOrEqual(claimedAtUs);
          }
        },
      ),
      { numRuns },
    );
  });
});

function reaperOver(bus: Pick<Bus, 'reap'>, before = () => {}) {
  const clock = new TestClock();
  return {
    clock,
    reaper: new Reaper({ bus, clock, log, everyMs: 5_000, before, passed: () => {} }),
  };
}

test('the first write of a bus that stood still is not to hand out its own running questions', async () => {
  const clock = new TestClock();
  const temp = new TempBus(clock);
  const bus = temp.open({ clock });
  temp.ask(temp.addConversation(), 'Still at it?');
  const lease = await claimOne(bus);
  const settings = { leaseMs: LEASE_MS, renewEveryMs: 300, idleGapMs: 3_600_000 };
  const keeper = new LeaseKeeper({ bus, clock, ...settings });
  open.push(keeper);
  keeper.add({ lease, giveUp: () => {} });
  const before = () => keeper.catchUp();
  const reaper = new Reaper({ bus, clock, log, everyMs: 5_000, before, passed: () => {} });

  clock.advance(60_000);
  expect(await reaper.pass()).toEqual({ expired: 0, gone: 0, failed: 0 });
  expect(await bus.complete(lease, answer())).toBe('kept');
});

test('what passes found is counted, the last one and all of them', async () => {
  const found = [
    { expired: 2, gone: 1, failed: 0 },
    { expired: 0, gone: 0, failed: 1 },
  ];
  const { clock, reaper } = reaperOver({
    reap: async () => found.shift() ?? { expired: 0, gone: 0, failed: 0 },
  });
  expect(reaper.report).toMatchObject({ lastPassAgeMs: undefined, nextPassMs: 0 });
  await reaper.pass();
  await reaper.pass();
  clock.advance(700);
  expect(reaper.report).toMatchObject({
    lastPassAgeMs: 700,
    found: { expired: 0, gone: 0, failed: 1 },
    foundTotal: { expired: 2, gone: 1, failed: 1 },
  });
});

test('a pass that fails is no pass: it shows as late, and the next one is made all the same', async () => {
  let fails = true;
  const reap = async () => {
    if (fails) throw new Error('disk I/O error');
    return { expired: 0, gone: 0, failed: 0 };
  };
  const { clock, reaper } = reaperOver({ reap });
  clock.advance(30_000);
  await reaper.pass();
  expect(reaper.silentMs).toBe(30_000);
  fails = false;
  await reaper.pass();
  expect(reaper.silentMs).toBe(0);
});

test('a lease that cannot be freed stops no other, and is found again by the next pass', async () => {
  const clock = new TestClock();
  const temp = new TempBus(clock);
  const asked = Array.from({ length: 20 }, () => temp.ask(temp.addConversation(), 'Why?'));
  const gone = temp.open({ clock });
  await gone.claim({ limit: 20, leaseMs: LEASE_MS });
  const bus = temp.open({ clock });
  // An attempt of that number is noted already: this one cannot be.
  const poison = asked[7] ?? 0;
  temp.peer
    .prepare(
      `INSERT INTO warmline_attempts (question_id, attempt, session, conversation_id, outcome,
         seen_at_us, claimed_at_us, finished_at_us) VALUES (?, 1, 'b', 'x', 'retried', 1, 1, 1)`,
    )
    .run(poison);
  clock.advance(LEASE_MS + 1);
  const { reaper } = reaperOver(bus);
  expect(await reaper.pass()).toEqual({ expired: 19, gone: 0, failed: 1 });
  expect(await reaper.pass()).toEqual({ expired: 0, gone: 0, failed: 1 });
  temp.peer.prepare('DELETE FROM warmline_attempts WHERE question_id = ?').run(poison);
  expect(await reaper.pass()).toEqual({ expired: 1, gone: 0, failed: 0 });
});
