/** What every adapter of the bus promises about questions that depend on others. */
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Bus, Lease } from '../../src/bus/index.js';
import { answer, QUESTION_METADATA, query } from '../support/temp-bus.js';
import { type BusHarness, goneOwner } from './bus.harness.js';

const ALL = { limit: 100, leaseMs: 30_000 };
const DEAD = { code: 'engine_error', message: 'it broke', attempts: 3, dead: true };

export function dependsSuite(name: string, open: () => BusHarness): void {
  describe(`${name}: dependencies`, () => {
    let h: BusHarness;
    let bus: Bus;

    beforeEach(() => {
      h = open();
      bus = h.join();
    });

    const converse = (lifetimeMs = 36_000_000) =>
      bus.createConversation({ roleA: 'asker', roleB: 'shard', lifetimeMs });
    const put = (conversationId: string, more: Record<string, unknown> = {}) =>
      bus.put({
        ...{ conversationId, from: 'a', message: query('why?', more) },
        metadata: QUESTION_METADATA,
      });
    /** In a conversation of its own, so that only what it names can hold it up. */
    const ask = async (dependsOn?: unknown, more: Record<string, unknown> = {}) =>
      put(await converse(), { ...(dependsOn !== undefined && { depends_on: dependsOn }), ...more });
    const ids = (leases: readonly Lease[]) => leases.map((lease) => lease.questionId);
    const claim = async () =>
      new Map((await bus.claim(ALL)).map((lease) => [lease.questionId, lease]));
    const refusal = (leases: ReadonlyMap<number, Lease>, id: number) => {
      const question = leases.get(id)?.question;
      return question?.kind === 'invalid' ? question : undefined;
    };
    const leaseOf = (leases: ReadonlyMap<number, Lease>, id: number): Lease => {
      const lease = leases.get(id);
      if (!lease) throw new Error(`question ${id} was not claimed`);
      return lease;
    };
    const failWith = async (lease: Lease, error: typeof DEAD) =>
      bus.complete(lease, { ...answer(`Error: ${error.message}`), error });

    test('a question is asked only when all that it names are answered', async () => {
      const one = await ask();
      const other = await ask();
      const child = await ask([one, other]);
      const first = await claim();
      expect([...first.keys()].sort()).toEqual([one, other]);
      expect(bus.stats().waiting).toBe(1);
      await bus.complete(leaseOf(first, one), answer('one'));
      expect(ids(await bus.claim(ALL))).toEqual([]);
      await bus.complete(leaseOf(first, other), answer('other'));
      expect(ids(await bus.claim(ALL))).toEqual([child]);
      expect(bus.stats().waiting).toBe(0);
    });

    test('answers that came before the question count', async () => {
      const parent = await ask();
      await bus.complete(leaseOf(await claim(), parent), answer('done'));
      const child = await ask([parent]);
      expect((await claim()).get(child)?.question.kind).toBe('question');
    });

    test('a query id means the latest earlier question that has it', async () => {
      const old = await ask(undefined, { query_id: 'same' });
      await failWith(leaseOf(await claim(), old), DEAD);
      const latest = await ask(undefined, { query_id: 'same' });
      const child = await ask(['same']);
      const leases = await claim();
      expect([...leases.keys()]).toEqual([latest]);
      await bus.complete(leaseOf(leases, latest), answer('fine'));
      expect((await claim()).get(child)?.question.kind).toBe('question');
    });

    test('a parent that fails twice and then succeeds lets its children run', async () => {
      const parent = await ask();
      const child = await ask([parent]);
      for (const attempt of [1, 2]) {
        const lease = leaseOf(await claim(), parent);
        expect(lease.attempt).toBe(attempt);
        await bus.retry(lease, { delayMs: 0, code: 'engine_error', message: 'it broke' });
      }
      const leases = await claim();
      expect([...leases.keys()]).toEqual([parent]);
      await bus.complete(leaseOf(leases, parent), answer('at last'));
      expect((await claim()).get(child)?.question.kind).toBe('question');
      expect(bus.attemptsOf(parent).map(({ outcome }) => outcome)).toEqual([
        'retried',
        'retried',
        'complete',
      ]);
    });

    test('a dead parent gives its children, and theirs, an error answer that names it', async () => {
      const parent = await ask();
      const child = await ask([parent]);
      const grandchild = await ask([child]);
      await failWith(leaseOf(await claim(), parent), DEAD);
      const leases = await claim();
      expect(refusal(leases, child)).toMatchObject({ code: 'parent_failed' });
      expect(refusal(leases, child)?.message).toContain(
        `depends on ${parent}, which was given up (engine_error)`,
      );
      await failWith(leaseOf(leases, child), { ...DEAD, code: 'parent_failed', dead: false });
      expect(refusal(await claim(), grandchild)?.message).toContain(
        `depends on ${child}, which got an error answer (parent_failed)`,
      );
    });

    test('a question that names itself, a later one or none that exists is refused', async () => {
      const conversation = await converse();
      const itself = (await put(conversation)) + 1;
      await put(await converse(), { depends_on: [itself] });
      const later = await ask([itself + 2]);
      const unknownName = await ask(['nobody']);
      const unknownId = await ask([0]);
      const leases = await claim();
      expect(refusal(leases, itself)?.message).toContain('was not asked before this question');
      expect(refusal(leases, later)?.message).toContain('was not asked before this question');
      expect(refusal(leases, unknownName)?.message).toContain('no earlier question "nobody"');
      expect(refusal(leases, unknownId)?.message).toContain('no earlier question 0');
    });

    test('a row that is no question cannot be depended on', async () => {
      const information = await bus.put({
        ...{ conversationId: await converse(), from: 'a', message: 'for your information' },
        metadata: '{"action_type": "info"}',
      });
      const child = await ask([information]);
      expect(refusal(await claim(), child)?.message).toContain(
        `there is no earlier question ${information}`,
      );
    });

    test('the questions behind one that waits wait with it, and come in their order', async () => {
      const parent = await ask();
      const conversation = await converse();
      const child = await put(conversation, { depends_on: [parent] });
      const behind = await put(conversation);
      const first = await claim();
      expect([...first.keys()]).toEqual([parent]);
      expect(bus.stats().waiting).toBe(2);
      await bus.complete(leaseOf(first, parent), answer('done'));
      const second = await claim();
      expect([...second.keys()]).toEqual([child]);
      await bus.complete(leaseOf(second, child), answer('done'));
      expect(ids(await bus.claim(ALL))).toEqual([behind]);
    });

    test('a second question of a conversation may depend, too', async () => {
      const parent = await ask();
      const conversation = await converse();
      const plain = await put(conversation);
      const child = await put(conversation, { depends_on: [parent, plain] });
      const first = await claim();
      await bus.complete(leaseOf(first, plain), answer('done'));
      expect(ids(await bus.claim(ALL))).toEqual([]);
      await bus.complete(leaseOf(first, parent), answer('done'));
      expect(ids(await bus.claim(ALL))).toEqual([child]);
    });

    test('the end of a parent is noticed by every process', async () => {
      const other = h.join();
      const parent = await ask();
      const child = await ask([parent]);
      const first = await claim();
      expect(ids(await other.claim(ALL))).toEqual([]);
      await bus.complete(leaseOf(first, parent), answer('done'));
      expect(ids(await other.claim(ALL))).toEqual([child]);
    });

    test('a parent whose worker died holds its children up only until another has answered', async () => {
      const dying = h.join({ owner: goneOwner() });
      const parent = await ask();
      const child = await ask([parent]);
      expect(ids(await dying.claim(ALL))).toEqual([parent]);
      expect(await bus.reap()).toEqual({ expired: 0, gone: 1, failed: 0 });
      await bus.complete(leaseOf(await claim(), parent), answer('done'));
      expect(ids(await bus.claim(ALL))).toEqual([child]);
    });

    test('a parent that is deleted, or whose conversation expires, does not hold its children up for ever', async () => {
      const deleted = await ask();
      const expiring = await converse();
      const expired = await put(expiring);
      const orphan = await ask([deleted]);
      const late = await ask([expired]);
      const held = await bus.claim(ALL);
      expect(ids(held)).toEqual([deleted, expired]);
      for (const lease of held) await bus.release(lease);
      h.deleteQuestion(deleted);
      h.setExpiry(expiring, h.clock.wallUs() - 1_000_000);
      const first = await claim();
      await bus.reap();
      const leases = new Map([...first, ...(await claim())]);
      expect(refusal(leases, orphan)?.code).toBe('parent_failed');
      expect(refusal(leases, late)?.message).toContain('a conversation that has expired');
    });

    test('with nothing left but questions that wait for others there is no work', async () => {
      const expiring = await converse(1_000);
      const parent = await put(expiring);
      const child = await ask([parent]);
      const [held] = await bus.claim(ALL);
      expect(held?.questionId).toBe(parent);
      if (held) await bus.release(held, 3_600_000);
      expect(ids(await bus.claim(ALL))).toEqual([]);
      h.setExpiry(expiring, h.clock.wallUs() - 1_000_000);
      h.clock.advance(3_600_001);
      await bus.claim(ALL);
      expect(bus.hasWork({})).toBe(false);
      expect(bus.stats()).toMatchObject({ waiting: 1, expired: 1 });
      await bus.reap();
      expect(refusal(await claim(), child)?.code).toBe('parent_failed');
    });

    test('however questions depend on each other, each ends, and none before what it names', async () => {
      const Plan = fc.array(
        fc.record({
          conversation: fc.nat(3),
          parents: fc.array(fc.nat(20), { maxLength: 3 }),
          fails: fc.boolean(),
        }),
        { minLength: 1, maxLength: 20 },
      );
      await fc.assert(
        fc.asyncProperty(Plan, async (plan) => {
          h = open();
          bus = h.join();
          const conversations = [
            await converse(),
            await converse(),
            await converse(),
            await converse(),
          ];
          const asked: number[] = [];
          const parents = new Map<number, number[]>();
          const fails = new Set<number>();
          for (const step of plan) {
            const named = step.parents.map((at) => asked[at]).filter((id) => id !== undefined);
            const id = await put(conversations[step.conversation] ?? '', { depends_on: named });
            asked.push(id);
            parents.set(id, named);
            if (step.fails) fails.add(id);
          }
          const ended = new Map<number, 'complete' | 'failed' | 'dead'>();
          for (
            let leases = await bus.claim(ALL);
            leases.length > 0;
            leases = await bus.claim(ALL)
          ) {
            for (const lease of leases) {
              const { questionId: id, question } = lease;
              const ends = (parents.get(id) ?? []).map((parent) => ended.get(parent));
              const isFree = ends.every((end) => end === 'complete');
              const isHopeless = ends.some((end) => end === 'failed' || end === 'dead');
              expect([isFree, isHopeless]).toContain(true);
              expect(question.kind).toBe(isFree ? 'question' : 'invalid');
              const error = { ...DEAD, dead: question.kind === 'question' };
              const isError = question.kind === 'invalid' || fails.has(id);
              if (isError) await failWith(lease, error);
              else await bus.complete(lease, answer('fine'));
              ended.set(id, isError ? (error.dead ? 'dead' : 'failed') : 'complete');
            }
          }
          expect([...ended.keys()].sort((a, b) => a - b)).toEqual(asked);
          expect(h.outcomes()).toEqual(ended);
        }),
        { numRuns: 40 },
      );
    });
  });
}
