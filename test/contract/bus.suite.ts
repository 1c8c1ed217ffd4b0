/** What every adapter of the bus promises. */
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Bus, ClaimRequest, Lease } from '../../src/bus/index.js';
import { answer, inReplyTo, QUESTION_METADATA, query } from '../support/temp-bus.js';
import { commands, drainAll, Play } from './bus.commands.js';
import { type BusHarness, goneOwner } from './bus.harness.js';

const LEASE_MS = 30_000;
const HOUR_US = 3600_000_000;
const ALL: ClaimRequest = { limit: 100, leaseMs: LEASE_MS };
const FAILED = { code: 'engine_error', message: 'it broke', attempts: 1, dead: false };

export function busSuite(name: string, open: () => BusHarness): void {
  describe(name, () => {
    let h: BusHarness;
    let bus: Bus;

    beforeEach(() => {
      h = open();
      bus = h.join();
    });

    const converse = (lifetimeMs?: number) =>
      bus.createConversation({
        ...{ roleA: 'asker', roleB: 'shard' },
        ...(lifetimeMs !== undefined && { lifetimeMs }),
      });
    const ask = (conversationId: string, question = 'why?', more: Record<string, unknown> = {}) =>
      bus.put({
        ...{ conversationId, from: 'a', message: query(question, more) },
        metadata: QUESTION_METADATA,
      });
    const claimOne = async (from: Bus = bus): Promise<Lease> => {
      const [lease] = await from.claim({ limit: 1, leaseMs: LEASE_MS });
      if (!lease) throw new Error('nothing could be claimed');
      return lease;
    };
    const ids = (leases: readonly Lease[]) => leases.map((lease) => lease.questionId);
    const answersTo = (id: number) => h.rows().filter((row) => inReplyTo(row.metadata) === id);

    describe('a claim without some models', () => {
      test('passes over the questions that name them, and only over these', async () => {
        const busy = await ask(await converse(), 'why?', { model: 'busy' });
        const plain = await ask(await converse());
        const other = await ask(await converse(), 'why?', { model: 'other' });
        const without = (...withoutModels: string[]) => bus.claim({ ...ALL, withoutModels });
        expect(ids(await without('busy', ''))).toEqual([other]);
        expect(ids(await without('busy'))).toEqual([plain]);
        expect(ids(await without('nobody'))).toEqual([busy]);
      });

      test('goes by what a question says now, not by what it said when it was taken in', async () => {
        const changed = await ask(await converse());
        const kept = await ask(await converse());
        expect(ids(await bus.claim({ ...ALL, withoutModels: [''] }))).toEqual([]);
        h.rewrite(changed, query('why?', { model: 'busy' }), QUESTION_METADATA);
        expect(ids(await bus.claim({ ...ALL, withoutModels: ['busy'] }))).toEqual([kept]);
        expect(ids(await bus.claim(ALL))).toEqual([changed]);
      });

      test('passes over the next question of a conversation whose answer it shares a transaction with', async () => {
        const conversation = await converse();
        const plain = await ask(conversation);
        const busy = await ask(conversation, 'why?', { model: 'busy' });
        const lease = await claimOne();
        expect(lease.questionId).toBe(plain);
        const done = bus.complete(lease, answer());
        expect(await bus.claim({ ...ALL, withoutModels: ['busy'] })).toEqual([]);
        expect(await done).toBe('kept');
        expect(ids(await bus.claim(ALL))).toEqual([busy]);
      });
    });

    describe('an attempt', () => {
      test('is kept with its times, its end and what is known of its turn', async () => {
        const id = await ask(await converse());
        const first = await claimOne();
        h.clock.advance(400);
        const turn = { engine: 'claude', startedAtUs: first.claimedAtUs + 1000 };
        const failure = { code: 'engine_error', message: 'it broke' };
        await bus.retry(first, { delayMs: 0, ...failure, turn });
        const second = await claimOne();
        h.clock.advance(LEASE_MS + 1);
        await bus.reap();
        const third = await claimOne();
        h.clock.advance(600);
        const told = {
          ...{ engine: 'openai', inputTokens: 12, outputTokens: 3 },
          ...{ startedAtUs: third.claimedAtUs + 5, firstByteAtUs: third.claimedAtUs + 9 },
        };
        await bus.complete(third, { ...answer(), turn: told });
        const seenAtUs = first.seenAtUs;
        // Stamps that must not be equal run ahead of a clock that stands still, by microseconds.
        const seen = bus.attemptsOf(id).map(({ finishedAtUs, ...rest }) => ({
          ...rest,
          tookMs: Math.round((finishedAtUs - rest.claimedAtUs) / 1000),
        }));
        expect(seen).toEqual([
          {
            ...{ questionId: id, attempt: 1, outcome: 'retried', seenAtUs },
            ...{ errorCode: 'engine_error', errorMessage: 'it broke', ...turn },
            ...{ claimedAtUs: first.claimedAtUs, tookMs: 400 },
          },
          {
            ...{ questionId: id, attempt: 2, outcome: 'lease_expired', seenAtUs },
            ...{ claimedAtUs: second.claimedAtUs, tookMs: LEASE_MS + 1 },
          },
          {
            ...{ questionId: id, attempt: 3, outcome: 'complete', seenAtUs, ...told },
            ...{ claimedAtUs: third.claimedAtUs, tookMs: 600 },
          },
        ]);
      });

      test('never starts before its claim nor ends before it started, whatever the clocks said', async () => {
        const id = await ask(await converse());
        const lease = await claimOne();
        h.clock.step(-HOUR_US / 1000);
        const turn = { startedAtUs: lease.claimedAtUs - 1, firstByteAtUs: lease.claimedAtUs * 2 };
        expect(await bus.complete(lease, { ...answer(), turn })).toBe('kept');
        const [attempt] = bus.attemptsOf(id);
        expect(attempt?.startedAtUs).toBe(lease.claimedAtUs);
        expect(attempt?.firstByteAtUs).toBe(attempt?.finishedAtUs);
        expect(attempt?.finishedAtUs).toBeGreaterThanOrEqual(lease.claimedAtUs);
      });

      test('never starts before its question was seen, whoever saw it by whatever clock', async () => {
        const id = await ask(await converse());
        await bus.release(await claimOne());
        h.clock.step(-HOUR_US / 1000);
        const other = h.join();
        const lease = await claimOne(other);
        expect(lease.claimedAtUs).toBeGreaterThanOrEqual(lease.seenAtUs);
        await other.complete(lease, answer());
        const [attempt] = bus.attemptsOf(id);
        expect(attempt?.claimedAtUs).toBe(lease.claimedAtUs);
        expect(attempt?.finishedAtUs).toBeGreaterThanOrEqual(lease.claimedAtUs);
      });

      test('that was given back untried leaves nothing', async () => {
        const id = await ask(await converse());
        await bus.release(await claimOne());
        expect(bus.attemptsOf(id)).toEqual([]);
      });
    });

    describe('an answer', () => {
      test('goes to the asker in the same conversation, names its question and marks it read', async () => {
        const conversation = await converse();
        const id = await ask(conversation);
        expect(await bus.complete(await claimOne(), answer('because'))).toBe('kept');

        const [row, ...others] = answersTo(id);
        expect(others).toEqual([]);
        expect(row).toMatchObject({
          conversationId: conversation,
          from: 'b',
          to: 'a',
          read: false,
        });
        expect(JSON.parse(row?.message ?? '')).toEqual({
          type: 'response',
          query_id: 'q_1',
          answer: 'because',
          sources: ['GUIDE.md:1-3'],
          shard_id: 'shard',
          llm_type: 'fake',
          response_time_sec: 0.25,
        });
        expect(h.rows().find((row) => row.id === id)?.read).toBe(true);
        expect(h.outcomes().get(id)).toBe('complete');
      });

      test('is found by the id of its question, and only by that', async () => {
        const conversation = await converse();
        const id = await ask(conversation);
        const other = await ask(conversation);
        expect(bus.answerTo(id)).toBeUndefined();
        await bus.complete(await claimOne(), answer('because'));
        expect(JSON.parse(bus.answerTo(id)?.message ?? '').answer).toBe('because');
        expect(bus.answerTo(id)?.id).toBe(answersTo(id)[0]?.id);
        expect(bus.answerTo(other)).toBeUndefined();
      });

      test('is written once: the same lease cannot complete its question again', async () => {
        const id = await ask(await converse());
        const lease = await claimOne();
        await bus.complete(lease, answer('first'));
        expect(await bus.complete(lease, answer('second'))).toBe('lost');
        expect(answersTo(id)).toHaveLength(1);
        expect(bus.answerTo(id)?.message).toContain('first');
        expect(bus.stats().stale).toBe(1);
      });

      test('handed over with others gets a result of its own, whatever becomes of the others', async () => {
        const one = await ask(await converse());
        const two = await ask(await converse());
        const [first, second] = (await bus.claim(ALL)) as [Lease, Lease];
        const stale = { ...first, token: `${first.token}0` };
        const answered = [stale, second, first, second].map((lease) => ({
          lease,
          answer: answer(`to ${lease.questionId}`),
        }));
        expect(await bus.completeAll(answered)).toEqual(['lost', 'kept', 'kept', 'lost']);
        expect(await bus.completeAll([])).toEqual([]);
        expect([one, two].map((id) => answersTo(id).length)).toEqual([1, 1]);
        expect(bus.answerTo(one)?.message).toContain(`to ${one}`);
        expect(bus.stats()).toMatchObject({ complete: 2, stale: 2, leased: 0 });
      });

      test('with an error counts as failed, and as dead when attempts are used up', async () => {
        const conversation = await converse();
        const failed = await ask(conversation);
        const dead = await ask(conversation);
        await bus.complete(await claimOne(), answer('it broke', { error: FAILED }));
        await bus.complete(await claimOne(), answer('no', { error: { ...FAILED, dead: true } }));
        expect(h.outcomes()).toEqual(
          new Map([
            [failed, 'failed'],
            [dead, 'dead'],
          ]),
        );
        expect(bus.stats()).toMatchObject({ complete: 0, failed: 1, dead: 1 });
        const body = JSON.parse(bus.answerTo(failed)?.message ?? '');
        expect(body.answer).toBe('Error: it broke');
        expect(body.error).toEqual({ code: 'engine_error', message: 'it broke', attempts: 1 });
      });

      test('is still written when another program marked the question read meanwhile', async () => {
        const id = await ask(await converse());
        const lease = await claimOne();
        h.markRead(id);
        expect(await bus.complete(lease, answer())).toBe('kept');
        expect(answersTo(id)).toHaveLength(1);
      });

      test('to a question without query_id is named after its row', async () => {
        const conversation = await converse();
        const id = h.insert({
          conversationId: conversation,
          message: 'plainly: why?',
          metadata: QUESTION_METADATA,
        });
        await bus.complete(await claimOne(), answer());
        expect(JSON.parse(bus.answerTo(id)?.message ?? '').query_id).toBe(`msg_${id}`);
      });
    });

    describe('a lease', () => {
      test('carries what the question asks for', async () => {
        const conversation = await converse();
        const id = await ask(conversation, 'why?', { model: 'large', priority: 3, session: 's' });
        expect(await claimOne()).toMatchObject({
          questionId: id,
          conversationId: conversation,
          attempt: 1,
          question: {
            ...{ kind: 'question', queryId: 'q_1', question: 'why?' },
            ...{ model: 'large', priority: 3, session: 's' },
          },
        });
      });

      test('is given to one worker only, however many ask at once', async () => {
        await ask(await converse());
        const workers = [bus, h.join(), h.join()];
        const claims = await Promise.all(workers.map((worker) => worker.claim(ALL)));
        expect(claims.flat()).toHaveLength(1);
      });

      test('is given at most as often as asked for', async () => {
        for (let n = 0; n < 5; n += 1) await ask(await converse());
        expect(await bus.claim({ limit: 0, leaseMs: LEASE_MS })).toEqual([]);
        expect(await bus.claim({ limit: 2, leaseMs: LEASE_MS })).toHaveLength(2);
        expect(await bus.claim(ALL)).toHaveLength(3);
        expect(await bus.claim(ALL)).toEqual([]);
      });

      test('that ran out is handed to the next worker with one more attempt', async () => {
        const id = await ask(await converse());
        await claimOne();
        h.clock.advance(LEASE_MS);
        const other = h.join();
        expect(await other.reap()).toEqual({ expired: 1, gone: 0, failed: 0 });
        expect(await claimOne(other)).toMatchObject({ questionId: id, attempt: 2 });
      });

      test('that ran out but was taken by nobody is still good', async () => {
        await ask(await converse());
        const lease = await claimOne();
        h.clock.advance(LEASE_MS * 2);
        expect(await bus.renew(lease, LEASE_MS)).toBe('kept');
        expect(await bus.complete(lease, answer())).toBe('kept');
      });

      test('that is renewed in time is not taken away', async () => {
        await ask(await converse());
        const lease = await claimOne();
        const other = h.join();
        for (let n = 0; n < 5; n += 1) {
          h.clock.advance(LEASE_MS - 1);
          expect(await bus.renew(lease, LEASE_MS)).toBe('kept');
          expect(await other.reap()).toEqual({ expired: 0, gone: 0, failed: 0 });
          expect(await bus.reap()).toEqual({ expired: 0, gone: 0, failed: 0 });
        }
        expect(await bus.complete(lease, answer())).toBe('kept');
      });

      test('once lost cannot renew, complete, retry or release, and each try is counted', async () => {
        const id = await ask(await converse());
        const stale = await claimOne();
        h.clock.advance(LEASE_MS);
        const other = h.join();
        await other.reap();
        const lease = await claimOne(other);

        expect(await bus.renew(stale, LEASE_MS)).toBe('lost');
        expect(await bus.complete(stale, answer('stale'))).toBe('lost');
        expect(await bus.retry(stale, { delayMs: 0, ...FAILED })).toBe('lost');
        expect(await bus.release(stale)).toBe('lost');
        expect(bus.stats()).toMatchObject({ stale: 4, leased: 1, complete: 0 });
        expect(answersTo(id)).toEqual([]);

        expect(await other.complete(lease, answer('fresh'))).toBe('kept');
        expect(await bus.complete(stale, answer('stale'))).toBe('lost');
        expect(answersTo(id).map((row) => JSON.parse(row.message).answer)).toEqual(['fresh']);
      });

      test('once lost cannot end the question that another worker holds, nor the one behind it', async () => {
        const conversation = await converse();
        const asked = [await ask(conversation), await ask(conversation)];
        const stale = await claimOne();
        h.clock.advance(LEASE_MS + 1);
        const other = h.join();
        await other.reap();
        const lease = await claimOne(other);
        expect(await bus.complete(stale, answer('stale'))).toBe('lost');
        expect(answersTo(asked[0] ?? 0)).toEqual([]);
        expect(await other.complete(lease, answer('fresh'))).toBe('kept');
        expect(ids(await bus.claim(ALL))).toEqual([asked[1]]);
      });

      test('of a worker that is provably gone is freed without waiting for its end', async () => {
        const id = await ask(await converse());
        await claimOne(h.join({ owner: goneOwner() }));
        expect(await bus.reap()).toEqual({ expired: 0, gone: 1, failed: 0 });
        expect(await claimOne()).toMatchObject({ questionId: id, attempt: 2 });
      });

      test('uses up an attempt even when its worker dies silently', async () => {
        await ask(await converse());
        for (const attempt of [1, 2, 3]) {
          expect((await claimOne(h.join({ owner: goneOwner() }))).attempt).toBe(attempt);
          await bus.reap();
        }
      });

      test('of our own does not end because somebody sets the wall clock forward', async () => {
        await ask(await converse(LEASE_MS * 1000));
        const lease = await claimOne();
        h.clock.step(LEASE_MS * 10);
        expect(await bus.reap()).toEqual({ expired: 0, gone: 0, failed: 0 });
        expect(await bus.complete(lease, answer())).toBe('kept');
      });

      test('of our own ends in time although somebody sets the wall clock back', async () => {
        await ask(await converse());
        await claimOne();
        h.clock.step(-LEASE_MS * 100);
        h.clock.advance(LEASE_MS);
        expect(await bus.reap()).toEqual({ expired: 1, gone: 0, failed: 0 });
      });
    });

    describe('order', () => {
      test('in a conversation: one question at a time, oldest first', async () => {
        const conversation = await converse();
        const asked = [
          await ask(conversation),
          await ask(conversation),
          await ask(conversation, 'urgent', { priority: 1000 }),
        ];
        const served: number[] = [];
        for (const _ of asked) {
          const leases = await bus.claim(ALL);
          expect(leases).toHaveLength(1);
          expect(await h.join().claim(ALL)).toEqual([]);
          for (const lease of leases) await bus.complete(lease, answer());
          served.push(...ids(leases));
        }
        expect(served).toEqual(asked);
      });

      test('a question put while its conversation is being answered waits for its turn', async () => {
        const conversation = await converse();
        await ask(conversation);
        const lease = await claimOne();
        const second = await ask(conversation);
        expect(await bus.claim(ALL)).toEqual([]);
        await bus.complete(lease, answer());
        expect(ids(await bus.claim(ALL))).toEqual([second]);
      });

      test('a claim made right after an answer finds the next question of its conversation', async () => {
        const conversation = await converse();
        await ask(conversation);
        const second = await ask(conversation);
        const settled = bus.complete(await claimOne(), answer());
        expect(ids(await bus.claim(ALL))).toEqual([second]);
        expect(await settled).toBe('kept');
      });

      test('a busy conversation does not keep the others waiting', async () => {
        const busy = await converse();
        for (let n = 0; n < 10; n += 1) await ask(busy);
        const quiet = await Promise.all([converse(), converse(), converse()]);
        for (const conversation of quiet) await ask(conversation);
        const served: string[] = [];
        while (bus.hasWork({})) {
          const lease = await claimOne();
          h.clock.advance(10);
          await bus.complete(lease, answer());
          served.push(lease.conversationId);
        }
        expect(served).toHaveLength(13);
        expect(new Set(served.slice(0, 4))).toEqual(new Set([busy, ...quiet]));
      });

      test('a failed attempt holds up its own conversation only', async () => {
        const troubled = await converse();
        await ask(troubled);
        await ask(troubled);
        const lease = await claimOne();
        const other = await ask(await converse());
        await bus.retry(lease, { delayMs: 60_000, ...FAILED });
        expect(ids(await bus.claim(ALL))).toEqual([other]);
      });

      test('a priority is a head start of a second for each point', async () => {
        const [early, late, later] = [await converse(), await converse(), await converse()];
        await ask(early, 'early');
        await bus.claim({ limit: 1, leaseMs: LEASE_MS, conversations: [late] });
        h.clock.advance(2000);
        await ask(late, 'late', { priority: 3 });
        await ask(later, 'later', { priority: 1 });
        const leases = await bus.claim(ALL);
        expect(leases.map((lease) => lease.conversationId)).toEqual([late, early, later]);
      });

      test('no priority is high enough to starve a conversation for ever', async () => {
        const [urgent, patient] = [await converse(), await converse()];
        const waiting = await ask(patient);
        let served = 0;
        for (let n = 0; n < 20; n += 1) {
          await ask(urgent, 'now!', { priority: 10 });
          const lease = await claimOne();
          h.clock.advance(1000);
          await bus.complete(lease, answer());
          if (lease.questionId === waiting) break;
          served += 1;
        }
        expect(served).toBeGreaterThan(1);
        expect(served).toBeLessThan(20);
      });
    });

    describe('giving back', () => {
      test('after a failure: the question comes again when its delay is over, one attempt further', async () => {
        const id = await ask(await converse());
        expect(await bus.retry(await claimOne(), { delayMs: 500, ...FAILED })).toBe('kept');
        expect(await bus.claim(ALL)).toEqual([]);
        expect(bus.nextReadyMs()).toBe(500);
        expect(bus.stats()).toMatchObject({ pending: 1, delayed: 1, leased: 0 });
        h.clock.advance(499);
        expect(await bus.claim(ALL)).toEqual([]);
        expect(bus.nextReadyMs()).toBe(1);
        h.clock.advance(1);
        expect(bus.nextReadyMs()).toBeUndefined();
        expect(await claimOne()).toMatchObject({ questionId: id, attempt: 2 });
      });

      test('untried: the attempt does not count', async () => {
        const id = await ask(await converse());
        expect(await bus.release(await claimOne())).toBe('kept');
        const again = await claimOne();
        expect(again).toMatchObject({ questionId: id, attempt: 1 });
        expect(await bus.release(again, 200)).toBe('kept');
        expect(await bus.claim(ALL)).toEqual([]);
        h.clock.advance(200);
        expect(await claimOne()).toMatchObject({ questionId: id, attempt: 1 });
      });

      test('the attempts of one question are not held against the next', async () => {
        const conversation = await converse();
        await ask(conversation);
        await ask(conversation);
        await bus.retry(await claimOne(), { delayMs: 0, ...FAILED });
        await bus.complete(await claimOne(), answer());
        expect((await claimOne()).attempt).toBe(1);
      });
    });

    describe('an expired conversation', () => {
      test('waits with its questions, counted, and is named once', async () => {
        const conversation = await converse(1000);
        await ask(conversation);
        await ask(conversation);
        const fine = await ask(await converse());
        h.clock.advance(1000);
        const named: [string, number][] = [];
        const worker = h.join({ observer: { expired: (...told) => named.push(told) } });
        expect(ids(await worker.claim(ALL))).toEqual([fine]);
        await ask(conversation);
        expect(await worker.claim(ALL)).toEqual([]);
        await worker.reap();
        expect(await worker.claim(ALL)).toEqual([]);
        expect(named).toEqual([[conversation, 2]]);
        expect(worker.stats()).toMatchObject({ pending: 3, expired: 3, leased: 1 });
        expect(h.rows().filter((row) => row.read)).toEqual([]);
      });

      test('leaves nothing to do, unless it is asked for', async () => {
        await ask(await converse(1000));
        h.clock.advance(1000);
        await bus.claim(ALL);
        expect(bus.hasWork({})).toBe(false);
        expect(bus.hasWork({ includeExpired: true })).toBe(true);
      });

      test('is answered when asked for', async () => {
        const conversation = await converse(1000);
        const asked = [await ask(conversation), await ask(conversation)];
        h.clock.advance(1000);
        expect(await bus.claim(ALL)).toEqual([]);
        for (const id of asked) {
          const leases = await bus.claim({ ...ALL, includeExpired: true });
          expect(ids(leases)).toEqual([id]);
          for (const lease of leases) expect(await bus.complete(lease, answer())).toBe('kept');
        }
        expect(bus.hasWork({ includeExpired: true })).toBe(false);
      });

      test('of another conversation than the ones asked for stays as it is', async () => {
        const [mine, other] = [await converse(1000), await converse(1000)];
        const id = await ask(mine);
        await ask(other);
        h.clock.advance(1000);
        await bus.claim(ALL);
        const request = { ...ALL, includeExpired: true, conversations: [mine] };
        const leases = await bus.claim(request);
        expect(ids(leases)).toEqual([id]);
        for (const lease of leases) await bus.complete(lease, answer());
        expect(bus.stats().expired).toBe(1);
        expect(bus.hasWork(request)).toBe(false);
      });

      test('whose time is extended is served again', async () => {
        const conversation = await converse(1000);
        const id = await ask(conversation);
        h.clock.advance(1000);
        expect(await bus.claim(ALL)).toEqual([]);
        h.setExpiry(conversation, h.clock.wallUs() + HOUR_US);
        await bus.reap();
        expect(ids(await bus.claim(ALL))).toEqual([id]);
      });

      test('that expires during a turn still gets its answer', async () => {
        const id = await ask(await converse(1000));
        const lease = await claimOne();
        h.clock.advance(1000);
        expect(await bus.complete(lease, answer())).toBe('kept');
        expect(answersTo(id)).toHaveLength(1);
      });
    });

    describe('rows that are no questions', () => {
      test('are marked read and kept in the audit, and nobody is asked about them', async () => {
        const conversation = await converse();
        const rows = [
          { message: 'the build is green', metadata: '{"action_type":"info"}' },
          { message: '{"type":"heartbeat"}', metadata: QUESTION_METADATA },
          { message: '{"type":"response","answer":"hm"}', metadata: null },
          { message: '["a","list"]', metadata: 'no json' },
        ].map((row) => h.insert({ conversationId: conversation, ...row }));
        const id = await ask(conversation);
        expect(ids(await bus.claim(ALL))).toEqual([id]);
        expect(bus.stats()).toMatchObject({ ignored: 4, pending: 0, leased: 1 });
        for (const row of rows) expect(h.outcomes().get(row)).toBe('ignored');
        expect(
          h
            .rows()
            .filter((row) => row.read)
            .map((row) => row.id),
        ).toEqual(rows);
      });

      test('of any shape stop neither the drain nor each other', async () => {
        const conversation = await converse();
        const shapes: unknown[] = [
          ...['', ' ', '{', '{"type":"query"', 'null', '0', '\u0000', '\ud800', '[[['],
          ...[Buffer.from([0xff, 0xfe, 0]), 7, 0.5, 10n, `{"type":"query","question":7}`],
          `{"type":"query","question":"x","priority":"high"}`,
        ];
        for (const message of shapes) {
          for (const metadata of [null, '', '{', '[]', 3, Buffer.from('x'), QUESTION_METADATA]) {
            h.insert({ conversationId: conversation, message, metadata });
          }
        }
        h.insert({ conversationId: Buffer.from('conv'), message: query('lost') });
        h.insert({ conversationId: 'conv_nobody_knows', message: query('lost') });
        const last = await ask(await converse());
        const served = await drainAll(bus);
        expect(served).toContain(last);
        expect(bus.hasWork({})).toBe(false);
        expect(new Set(served).size).toBe(served.length);
        for (const id of served) expect(answersTo(id)).toHaveLength(1);
      });

      test('a question that cannot be understood is leased as such, to be refused', async () => {
        const conversation = await converse();
        const id = h.insert({
          conversationId: conversation,
          message: '{"type":"query","query_id":"q_9"}',
        });
        expect(await claimOne()).toMatchObject({
          questionId: id,
          question: { kind: 'invalid', queryId: 'q_9' },
        });
      });

      test('a question that its writer turned into something else is still owed an answer', async () => {
        const conversation = await converse();
        await ask(conversation);
        const second = await ask(conversation);
        await bus.complete(await claimOne(), answer());
        h.rewrite(second, '{"type":"heartbeat"}', '{}');
        expect(await claimOne()).toMatchObject({
          questionId: second,
          question: { kind: 'invalid' },
        });
      });

      test('our own answers are not taken for questions by the other side', async () => {
        const conversation = await converse();
        await ask(conversation);
        await bus.complete(await claimOne(), answer());
        const other = h.join({ session: 'a' });
        expect(await other.claim(ALL)).toEqual([]);
        expect(other.stats()).toMatchObject({ ignored: 1, pending: 0 });
      });

      test('a row that was read before we came is not ours to answer', async () => {
        const conversation = await converse();
        h.insert({ conversationId: conversation, message: query('old'), read: 1 });
        expect(bus.hasWork({})).toBe(false);
        expect(await bus.claim(ALL)).toEqual([]);
      });
    });

    describe('deletion under us', () => {
      test('of a question: its answer is dropped and counted as orphaned', async () => {
        const id = await ask(await converse());
        const lease = await claimOne();
        h.deleteQuestion(id);
        expect(await bus.complete(lease, answer())).toBe('orphaned');
        expect(answersTo(id)).toEqual([]);
        expect(bus.stats()).toMatchObject({ orphaned: 1, complete: 0, leased: 0, pending: 0 });
        expect(await bus.complete(lease, answer())).toBe('lost');
      });

      test('of a conversation: none of its questions is answered, others are', async () => {
        const gone = await converse();
        await ask(gone);
        await ask(gone);
        const lease = await claimOne();
        h.deleteConversation(gone);
        const id = await ask(await converse());
        expect(await bus.complete(lease, answer())).toBe('orphaned');
        expect(ids(await bus.claim(ALL))).toEqual([id]);
        expect(bus.stats()).toMatchObject({ orphaned: 2, leased: 1, pending: 0 });
      });

      test('of a conversation alone: its rows that are left are marked read', async () => {
        const id = h.insert({ conversationId: 'conv_0123456789abcdef', message: query('why?') });
        expect(await bus.claim(ALL)).toEqual([]);
        expect(h.outcomes().get(id)).toBe('orphaned');
        expect(h.rows().map((row) => row.read)).toEqual([true]);
      });

      test('of a question in the middle of its conversation does not stop the ones behind it', async () => {
        const conversation = await converse();
        const asked = [await ask(conversation), await ask(conversation), await ask(conversation)];
        const lease = await claimOne();
        h.deleteQuestion(asked[1] ?? 0);
        await bus.complete(lease, answer());
        expect(ids(await bus.claim(ALL))).toEqual([asked[2]]);
        expect(bus.stats().orphaned).toBe(1);
      });

      test('of an expired conversation ends its questions as orphaned', async () => {
        const conversation = await converse(1000);
        await ask(conversation);
        h.clock.advance(1000);
        await bus.claim(ALL);
        h.deleteConversation(conversation);
        await bus.reap();
        expect(await bus.claim(ALL)).toEqual([]);
        expect(bus.stats()).toMatchObject({ orphaned: 1, expired: 0, pending: 0 });
      });
    });

    describe('looking', () => {
      test('what nobody has claimed yet is counted as pending all the same', async () => {
        const conversation = await converse();
        for (let n = 0; n < 3; n += 1) await ask(conversation);
        h.clock.advance(7000);
        expect(bus.stats()).toMatchObject({ pending: 3, oldestPendingMs: 7000 });
        await claimOne();
        expect(bus.stats()).toMatchObject({ pending: 2, leased: 1, oldestPendingMs: 7000 });
      });

      test('the age of the oldest pending question is 0 when none is pending', async () => {
        await ask(await converse());
        const lease = await claimOne();
        h.clock.advance(5000);
        expect(bus.stats().oldestPendingMs).toBe(0);
        await bus.complete(lease, answer());
        expect(bus.stats().oldestPendingMs).toBe(0);
      });

      test('there is work from the moment a question is put until it is answered', async () => {
        expect(bus.hasWork({})).toBe(false);
        await ask(await converse());
        expect(bus.hasWork({})).toBe(true);
        const lease = await claimOne();
        expect(h.join().hasWork({})).toBe(true);
        await bus.retry(lease, { delayMs: 1000, ...FAILED });
        expect(bus.hasWork({})).toBe(true);
        h.clock.advance(1000);
        await bus.complete(await claimOne(), answer());
        expect(bus.hasWork({})).toBe(false);
      });

      test('only the conversations asked for are claimed and looked at', async () => {
        const [mine, other] = [await converse(), await converse()];
        const id = await ask(mine);
        const elsewhere = await ask(other);
        const request = { ...ALL, conversations: [mine] };
        const leases = await bus.claim(request);
        expect(ids(leases)).toEqual([id]);
        for (const lease of leases) await bus.complete(lease, answer());
        expect(bus.hasWork(request)).toBe(false);
        expect(await bus.claim(request)).toEqual([]);
        expect(await bus.claim({ ...ALL, conversations: [] })).toEqual([]);
        expect(ids(await bus.claim(ALL))).toEqual([elsewhere]);
      });

      test('the two sides of a bus do not see each other’s questions', async () => {
        const conversation = await converse();
        const toB = await ask(conversation);
        const toA = await bus.put({
          ...{ conversationId: conversation, from: 'b', message: query('and you?') },
          metadata: QUESTION_METADATA,
        });
        const other = h.join({ session: 'a' });
        const [forA] = await other.claim(ALL);
        expect(forA?.questionId).toBe(toA);
        expect(ids(await bus.claim(ALL))).toEqual([toB]);
        if (forA) expect(await other.complete(forA, answer())).toBe('kept');
        expect(answersTo(toA)[0]).toMatchObject({ from: 'a', to: 'b' });
      });
    });

    describe('partners', () => {
      test('see us waiting, and working where a question is open', async () => {
        const [busy, idle] = [await converse(), await converse()];
        await ask(busy);
        await claimOne();
        await bus.heartbeat();
        expect(h.status(busy, 'b')).toBe('working');
        expect(h.status(idle, 'b')).toBe('waiting');
        expect(h.status(idle, 'a')).toBeUndefined();
      });

      test('see us only in the conversations named, and never in expired ones', async () => {
        const [one, other, over] = [await converse(), await converse(), await converse(1000)];
        h.clock.advance(1000);
        await bus.heartbeat([one, over]);
        await bus.heartbeat([]);
        expect(h.status(one, 'b')).toBe('waiting');
        expect(h.status(other, 'b')).toBeUndefined();
        expect(h.status(over, 'b')).toBeUndefined();
      });

      test('are noticed when they put a question', async () => {
        const conversation = await converse();
        const peer = h.join();
        const noticed = new Promise<void>((resolve) => bus.watch(resolve));
        await peer.put({
          ...{ conversationId: conversation, from: 'a', message: query('hello?') },
          metadata: QUESTION_METADATA,
        });
        await noticed;
        expect(await bus.claim(ALL)).toHaveLength(1);
      });

      test('are no longer told about once nobody watches', async () => {
        const conversation = await converse();
        const peer = h.join();
        let calls = 0;
        bus.watch(() => {
          calls += 1;
        })();
        const noticed = new Promise<void>((resolve) => bus.watch(resolve));
        await peer.put({ conversationId: conversation, from: 'a', message: 'x', metadata: null });
        await noticed;
        expect(calls).toBe(0);
      });
    });

    test('a message for a conversation that does not exist is refused', async () => {
      await expect(ask('conv_0000000000000000')).rejects.toMatchObject({ code: 'bus_missing' });
    });

    test('a closed bus refuses every call', async () => {
      await ask(await converse());
      const lease = await claimOne();
      await bus.close();
      await bus.close();
      const refused = { name: 'BusError', code: 'bus_closed' };
      await expect(bus.claim(ALL)).rejects.toMatchObject(refused);
      await expect(bus.renew(lease, 1)).rejects.toMatchObject(refused);
      await expect(bus.complete(lease, answer())).rejects.toMatchObject(refused);
      await expect(bus.retry(lease, { delayMs: 0, ...FAILED })).rejects.toMatchObject(refused);
      await expect(bus.release(lease)).rejects.toMatchObject(refused);
      await expect(bus.reap()).rejects.toMatchObject(refused);
      await expect(bus.heartbeat()).rejects.toMatchObject(refused);
      await expect(converse()).rejects.toMatchObject(refused);
      for (const look of [() => bus.stats(), () => bus.hasWork({}), () => bus.answerTo(1)]) {
        expect(look).toThrow(expect.objectContaining(refused));
      }
      expect(() => bus.nextReadyMs()).toThrow(expect.objectContaining(refused));
    });

    test('whatever workers, askers and clocks do: one answer each, in order, one at a time', async () => {
      await fc.assert(
        fc.asyncProperty(commands(), async (list) => {
          const play = await Play.begin(open());
          for (const command of list) await play.run(command);
          await play.finish();
        }),
        { numRuns: 30 },
      );
    }, 120_000);
  });
}
