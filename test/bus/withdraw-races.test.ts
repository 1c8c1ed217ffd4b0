/** Questions are withdrawn while others claim and answer them: together, in one transaction, and apart. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Lease, type SqliteBus, verifyBus } from '../../src/bus/index.js';
import { answer, query, TempBus } from '../support/temp-bus.js';

const LEASE_MS = 30_000;
const CONVERSATIONS = 2;

type Op =
  | { readonly do: 'put'; readonly conversation: number; readonly dependsOn: number | undefined }
  | { readonly do: 'claim'; readonly worker: 0 | 1; readonly limit: number }
  | { readonly do: 'complete' | 'retry'; readonly lease: number }
  | { readonly do: 'cancel' | 'remove'; readonly worker: 0 | 1; readonly question: number };

function batches(): fc.Arbitrary<Op[][]> {
  const worker = fc.constantFrom(0 as const, 1 as const);
  const put = fc.record({
    do: fc.constant('put' as const),
    conversation: fc.nat(CONVERSATIONS - 1),
    dependsOn: fc.option(fc.nat(20), { nil: undefined, freq: 4 }),
  });
  const claim = fc.record({
    do: fc.constant('claim' as const),
    worker,
    limit: fc.integer({ min: 1, max: 2 }),
  });
  const settle = fc.record({
    do: fc.constantFrom('complete' as const, 'complete' as const, 'retry' as const),
    lease: fc.nat(20),
  });
  const withdraw = fc.record({
    do: fc.constantFrom('cancel' as const, 'cancel' as const, 'remove' as const),
    worker,
    question: fc.nat(20),
  });
  const op = fc.oneof(
    { arbitrary: put, weight: 5 },
    { arbitrary: claim, weight: 2 },
    { arbitrary: settle, weight: 2 },
    { arbitrary: withdraw, weight: 3 },
  );
  return fc.array(fc.array(op, { minLength: 1, maxLength: 5 }), { maxLength: 20 });
}

class Race {
  readonly #temp = new TempBus();
  readonly #workers: readonly SqliteBus[] = [this.#temp.open(), this.#temp.open()];
  readonly #conversations = Array.from({ length: CONVERSATIONS }, () =>
    this.#temp.addConversation(),
  );
  readonly #asked: number[] = [];
  readonly #held: { readonly lease: Lease; readonly bus: SqliteBus }[] = [];
  /** Who ended each question. */
  readonly #ends = new Map<number, string>();

  /** All at once: those through one connection share a transaction. */
  async together(ops: readonly Op[]): Promise<void> {
    await Promise.all(ops.map((op) => this.#run(op)));
    await this.#check();
  }

  async finish(): Promise<void> {
    const bus = this.#worker(0);
    while (this.#asked.some((id) => !this.#ends.has(id))) {
      await Promise.all(this.#held.map((_, index) => this.#settle('complete', index)));
      await this.#run({ do: 'claim', worker: 0, limit: 10 });
    }
    expect(bus.hasWork({})).toBe(false);
    await this.#check();
    for (const id of this.#asked) {
      expect(this.#temp.answersTo(id)).toHaveLength(this.#ends.get(id) === 'remove' ? 0 : 1);
    }
  }

  async #run(op: Op): Promise<void> {
    switch (op.do) {
      case 'put':
        return this.#put(op.conversation, op.dependsOn);
      case 'claim': {
        const bus = this.#worker(op.worker);
        const leases = await bus.claim({ limit: op.limit, leaseMs: LEASE_MS });
        this.#held.push(...leases.map((lease) => ({ lease, bus })));
        return;
      }
      case 'complete':
      case 'retry':
        return await this.#settle(op.do, op.lease);
      case 'cancel':
      case 'remove': {
        const id = this.#asked[op.question % Math.max(1, this.#asked.length)];
        if (id === undefined) return;
        const withdrawn = await this.#worker(op.worker).withdraw(id, op.do);
        if (withdrawn === 'withdrawn') this.#ended(id, op.do);
        else if (withdrawn === 'finished') expect(this.#isFinished(id)).toBe(true);
        else expect([op.do, withdrawn]).toEqual(['remove', 'processing']);
      }
    }
  }

  #put(conversation: number, dependsOn: number | undefined): void {
    const parent = dependsOn === undefined ? undefined : this.#asked[dependsOn];
    const message = query('why?', parent === undefined ? {} : { depends_on: [parent] });
    const conversationId = this.#conversations[conversation];
    this.#asked.push(this.#temp.insert({ conversationId, message }));
  }

  async #settle(how: 'complete' | 'retry', index: number): Promise<void> {
    const held = this.#held[index % Math.max(1, this.#held.length)];
    if (!held) return;
    const { lease, bus } = held;
    if (how === 'retry') {
      await bus.retry(lease, { delayMs: 0, code: 'engine_error', message: 'it broke' });
    } else if ((await bus.complete(lease, answer())) === 'kept') {
      this.#ended(lease.questionId, how);
    }
  }

  #ended(id: number, by: string): void {
    expect(this.#ends.get(id)).toBeUndefined();
    this.#ends.set(id, by);
  }

  #isFinished(id: number): boolean {
    return (
      this.#temp.peer.prepare('SELECT 1 FROM warmline_done WHERE question_id = ?').get(id) !==
      undefined
    );
  }

  async #check(): Promise<void> {
    expect((await verifyBus(this.#worker(1))).findings).toEqual([]);
    for (const id of this.#asked) expect(this.#isFinished(id)).toBe(this.#ends.has(id));
  }

  #worker(index: 0 | 1): SqliteBus {
    return this.#workers[index] as SqliteBus;
  }
}

test('however withdrawals meet claims and answers, each question ends once and the queue is sound', async () => {
  await fc.assert(
    fc.asyncProperty(batches(), async (list) => {
      const race = new Race();
      for (const ops of list) await race.together(ops);
      await race.finish();
    }),
    { numRuns: 40 },
  );
}, 120_000);
