/**
 * Random plays on a bus: a few workers, askers and a moody clock, and a model that knows what each
 * step must answer. A play keeps a trace of everything visible, so that two adapters can be
 * compared step by step.
 */
import fc from 'fast-check';
import { expect } from 'vitest';
import type { Bus, ClaimRequest, Lease, Withdrawn } from '../../src/bus/index.js';
import { answer, QUESTION_METADATA, query } from '../support/temp-bus.js';
import { type BusHarness, goneOwner } from './bus.harness.js';

const LEASE_MS = 1000;
/** The last worker is provably gone from the start, and goes on writing all the same. */
const WORKERS = 3;
const GONE = 2;
const CONVERSATIONS = 3;

type Kind = 'question' | 'text' | 'broken' | 'info';
type Withdraw = 'cancel' | 'remove';
type Settle = 'renew' | 'complete' | 'fail' | 'bury' | 'retry' | 'release';

export type Command =
  | { readonly do: 'put'; conversation: number; kind: Kind; priority: number }
  | { readonly do: 'claim'; worker: number; limit: number; expired: boolean; only?: number }
  | { readonly do: Settle; lease: number; delayMs: number }
  | { readonly do: Withdraw; worker: number; question: number }
  | { readonly do: 'reap'; worker: number }
  | { readonly do: 'advance' | 'step'; ms: number }
  | { readonly do: 'delete' | 'read'; question: number }
  | { readonly do: 'drop' | 'expire' | 'extend'; conversation: number };

export function commands(): fc.Arbitrary<Command[]> {
  const worker = fc.nat(WORKERS - 1);
  const conversation = fc.nat(CONVERSATIONS - 1);
  const put = fc.record({
    do: fc.constant('put' as const),
    conversation,
    kind: fc.constantFrom<Kind>('question', 'question', 'question', 'text', 'broken', 'info'),
    priority: fc.constantFrom(0, 0, 5),
  });
  const claim = fc.record({
    do: fc.constant('claim' as const),
    worker,
    limit: fc.integer({ min: 1, max: 4 }),
    expired: fc.constantFrom(false, false, true),
    only: fc.option(conversation, { nil: CONVERSATIONS, freq: 4 }),
  });
  const settle = fc.record({
    do: fc.constantFrom<Settle>(
      'renew',
      'complete',
      'complete',
      'fail',
      'bury',
      'retry',
      'release',
    ),
    lease: fc.nat(20),
    delayMs: fc.constantFrom(0, 0, 400, 2000),
  });
  const withdraw = fc.record({
    do: fc.constantFrom<Withdraw>('cancel', 'cancel', 'remove'),
    worker,
    question: fc.nat(20),
  });
  const rest = fc.oneof(
    fc.record({ do: fc.constant('reap' as const), worker }),
    fc.record({ do: fc.constant('advance' as const), ms: fc.constantFrom(1, 300, 999, 1500) }),
    fc.record({ do: fc.constant('step' as const), ms: fc.constantFrom(-5000, 5000) }),
    fc.record({ do: fc.constantFrom('delete' as const, 'read' as const), question: fc.nat(20) }),
    fc.record({
      do: fc.constantFrom('drop' as const, 'expire' as const, 'extend' as const),
      conversation,
    }),
  );
  return fc.array(
    fc.oneof(
      { arbitrary: put, weight: 4 },
      { arbitrary: claim, weight: 4 },
      { arbitrary: settle, weight: 6 },
      { arbitrary: withdraw, weight: 2 },
      { arbitrary: rest, weight: 4 },
    ),
    { maxLength: 60 },
  );
}

interface Held {
  readonly lease: Lease;
  readonly worker: number;
  /** Its end on the clock of its worker and on the wall. */
  endMs: number;
  endUs: number;
  live: boolean;
}

interface Asked {
  readonly id: number;
  readonly conversation: number;
  readonly kind: Kind;
  there: boolean;
  read: boolean;
  takenIn: boolean;
}

export class Play {
  readonly trace: unknown[] = [];
  readonly #h: BusHarness;
  readonly #workers: Bus[];
  readonly #names: string[];
  readonly #asked: Asked[] = [];
  readonly #held: Held[] = [];
  readonly #ended = new Map<number, string>();
  readonly #answered: number[] = [];
  readonly #cancelled: number[] = [];
  readonly #dropped = new Set<number>();
  #stale = 0;

  private constructor(harness: BusHarness, workers: Bus[], names: string[]) {
    this.#h = harness;
    this.#workers = workers;
    this.#names = names;
  }

  static async begin(harness: BusHarness): Promise<Play> {
    const named = (worker: number) => ({
      expired: (...told: [string, number]) => void play.#note('expired', worker, ...told),
    });
    const workers = Array.from({ length: WORKERS }, (_, worker) =>
      harness.join({ observer: named(worker), ...(worker === GONE && { owner: goneOwner() }) }),
    );
    const names: string[] = [];
    for (let n = 0; n < CONVERSATIONS; n += 1) {
      names.push((await workers[0]?.createConversation({ roleA: 'a', roleB: 'b' })) ?? '');
    }
    const play = new Play(harness, workers, names);
    return play;
  }

  async run(command: Command): Promise<void> {
    await this.#step(command);
    this.#note('stats', this.#worker(0).stats(), this.#worker(1).nextReadyMs());
    this.#check();
  }

  /** Whatever happened, a steady worker brings every question that is still there to its end. */
  async finish(): Promise<void> {
    for (let round = 0; round < 200; round += 1) {
      this.#h.clock.advance(10_000);
      await this.#reap(0);
      await this.#claim(0, 4, true, CONVERSATIONS);
      for (const [index, held] of this.#held.entries()) {
        if (held.live) await this.#settle('complete', index, 0);
      }
      this.#check();
      if (!this.#worker(0).hasWork({ includeExpired: true })) break;
    }
    expect(this.#worker(0).hasWork({ includeExpired: true })).toBe(false);
    const left = this.#asked.filter((row) => row.takenIn && !this.#ended.has(row.id));
    expect(left).toEqual([]);
    this.#note('rows', this.#h.rows());
  }

  async #step(command: Command): Promise<void> {
    switch (command.do) {
      case 'put':
        return this.#put(command.conversation, command.kind, command.priority);
      case 'claim':
        return this.#claim(
          command.worker,
          command.limit,
          command.expired,
          command.only ?? CONVERSATIONS,
        );
      case 'cancel':
      case 'remove':
        return this.#withdraw(command.do, command.worker, command.question);
      case 'reap':
        return this.#reap(command.worker);
      case 'advance':
        return this.#h.clock.advance(command.ms);
      case 'step':
        return this.#h.clock.step(command.ms);
      case 'delete':
      case 'read':
        return this.#meddle(command.do, command.question);
      case 'drop':
        this.#h.deleteConversation(this.#name(command.conversation));
        this.#dropped.add(command.conversation);
        for (const row of this.#asked) {
          if (row.conversation === command.conversation) row.there = false;
        }
        return;
      case 'expire':
        return this.#h.setExpiry(this.#name(command.conversation), this.#h.clock.wallUs());
      case 'extend':
        return this.#h.setExpiry(
          this.#name(command.conversation),
          this.#h.clock.wallUs() + 3600_000_000,
        );
      default:
        return this.#settle(command.do, command.lease, command.delayMs);
    }
  }

  #put(conversation: number, kind: Kind, priority: number): void {
    const message = {
      question: query('why?', { priority }),
      text: 'why?',
      broken: '{"type":"query","question":',
      info: 'the build is green',
    }[kind];
    const id = this.#h.insert({
      conversationId: this.#name(conversation),
      message,
      metadata: kind === 'info' ? '{"action_type":"info"}' : QUESTION_METADATA,
    });
    this.#asked.push({ id, conversation, kind, there: true, read: false, takenIn: false });
    this.#note('put', id);
  }

  async #claim(worker: number, limit: number, expired: boolean, only: number): Promise<void> {
    const request: ClaimRequest = {
      ...{ limit, leaseMs: LEASE_MS, includeExpired: expired },
      conversations: only === CONVERSATIONS ? undefined : [this.#name(only)],
    };
    for (const row of this.#asked) {
      if (row.there && !row.read) row.takenIn = true;
    }
    const { clock } = this.#h;
    const leases = await this.#worker(worker).claim(request);
    expect(leases.length).toBeLessThanOrEqual(limit);
    for (const lease of leases) {
      const { questionId, conversationId, attempt, question } = lease;
      this.#note('lease', worker, questionId, attempt, question.kind);
      expect(this.#live().map((held) => held.lease.conversationId)).not.toContain(conversationId);
      expect(this.#ended.has(questionId)).toBe(false);
      this.#held.push({
        ...{ lease, worker, live: true },
        endMs: clock.monotonicMs() + LEASE_MS,
        endUs: clock.wallUs() + LEASE_MS * 1000,
      });
    }
  }

  async #settle(how: Settle, index: number, delayMs: number): Promise<void> {
    const held = this.#held[index % Math.max(1, this.#held.length)];
    if (!held) return;
    const { clock } = this.#h;
    const bus = this.#worker(held.worker);
    const there = this.#asked.find((row) => row.id === held.lease.questionId)?.there;
    const outcome = await settle(bus, held.lease, how, delayMs);
    this.#note(how, held.lease.questionId, outcome);
    if (!held.live) {
      expect(outcome).toBe('lost');
      this.#stale += 1;
    } else if (how === 'renew') {
      expect(outcome).toBe('kept');
      held.endMs = clock.monotonicMs() + LEASE_MS;
      held.endUs = clock.wallUs() + LEASE_MS * 1000;
    } else {
      held.live = false;
      const ends = how === 'complete' || how === 'fail' || how === 'bury';
      expect(outcome).toBe(ends && !there ? 'orphaned' : 'kept');
      if (ends && there) this.#answered.push(held.lease.questionId);
    }
  }

  async #withdraw(how: Withdraw, worker: number, index: number): Promise<void> {
    const row = this.#asked[index % Math.max(1, this.#asked.length)];
    if (!row) return;
    const held = this.#live().find(({ lease }) => lease.questionId === row.id);
    const withdrawn = await this.#worker(worker).withdraw(row.id, how);
    this.#note(how, row.id, withdrawn);
    expect(withdrawn).toBe(this.#withdrawalOf(row, how, held));
    if (withdrawn !== 'withdrawn') return;
    row.read = true;
    if (how === 'cancel') this.#cancelled.push(row.id);
    if (held) held.live = false;
  }

  #withdrawalOf(row: Asked, how: Withdraw, held: Held | undefined): Withdrawn {
    if (row.kind === 'info') return 'missing';
    if (this.#ended.has(row.id)) return 'finished';
    if (!row.there || this.#dropped.has(row.conversation)) return 'missing';
    if (row.read && !row.takenIn) return 'finished';
    return held && how === 'remove' ? 'processing' : 'withdrawn';
  }

  async #reap(worker: number): Promise<void> {
    const { clock } = this.#h;
    const isOver = (held: Held) =>
      held.worker === worker ? held.endMs <= clock.monotonicMs() : held.endUs <= clock.wallUs();
    const gone = this.#live().filter((held) => held.worker === GONE);
    const reaped = await this.#worker(worker).reap();
    this.#note('reap', worker, reaped);
    expect(reaped.gone).toBe(gone.length);
    const over = this.#live().filter((held) => held.worker !== GONE && isOver(held));
    expect(reaped.expired).toBe(over.length);
    for (const held of [...gone, ...over]) held.live = false;
  }

  #meddle(how: 'delete' | 'read', index: number): void {
    const row = this.#asked[index % Math.max(1, this.#asked.length)];
    if (!row) return;
    if (how === 'delete') {
      this.#h.deleteQuestion(row.id);
      row.there = false;
    } else {
      this.#h.markRead(row.id);
      row.read = true;
    }
  }

  #check(): void {
    const outcomes = this.#h.outcomes();
    for (const [id, outcome] of this.#ended) expect(outcomes.get(id)).toBe(outcome);
    for (const [id, outcome] of outcomes) this.#ended.set(id, outcome);

    const answers = this.#h.rows().filter((row) => row.from === 'b');
    const replies = answers.map((row) => JSON.parse(row.metadata ?? '').in_reply_to as number);
    expect(new Set(replies).size).toBe(replies.length);
    for (const name of this.#names) {
      const inOne = answers.filter((row) => row.conversationId === name);
      const replied = inOne.map((row) => JSON.parse(row.metadata ?? '').in_reply_to as number);
      // Who cancels does not wait for the questions before.
      const order = replied.filter((id) => !this.#cancelled.includes(id));
      expect(order).toEqual([...order].sort((one, other) => one - other));
    }

    const stats = this.#worker(0).stats();
    const ended = (...kinds: string[]) =>
      [...outcomes.values()].filter((outcome) => kinds.includes(outcome)).length;
    expect(stats.leased).toBe(this.#live().length);
    expect(stats.stale).toBe(this.#stale);
    for (const kind of ['complete', 'failed', 'dead', 'ignored', 'orphaned'] as const) {
      expect(stats[kind]).toBe(ended(kind));
    }
    expect(ended('complete', 'failed', 'dead')).toBe(
      this.#answered.length + this.#cancelled.length,
    );
    const waiting = this.#asked.filter((row) =>
      row.takenIn ? row.kind !== 'info' && !outcomes.has(row.id) : row.there && !row.read,
    );
    expect(stats.pending).toBe(waiting.length - stats.leased);
  }

  #live(): Held[] {
    return this.#held.filter((held) => held.live);
  }

  #worker(index: number): Bus {
    const worker = this.#workers[index];
    if (!worker) throw new Error(`there is no worker ${index}`);
    return worker;
  }

  #name(conversation: number): string {
    return this.#names[conversation] ?? '';
  }

  /** Names of conversations are random; in the trace each goes by its number. */
  #note(...what: unknown[]): void {
    const text = JSON.stringify(what);
    this.trace.push(
      this.#names.reduce((plain, name, index) => plain.replaceAll(name, `c${index}`), text),
    );
  }
}

function settle(bus: Bus, lease: Lease, how: Settle, delayMs: number) {
  const failure = { code: 'engine_error', message: 'it broke' };
  switch (how) {
    case 'renew':
      return bus.renew(lease, LEASE_MS);
    case 'retry':
      return bus.retry(lease, { delayMs, ...failure });
    case 'release':
      return bus.release(lease, delayMs);
    case 'complete':
      return bus.complete(lease, answer());
    case 'fail':
    case 'bury':
      return bus.complete(
        lease,
        answer('no', { error: { ...failure, attempts: lease.attempt, dead: how === 'bury' } }),
      );
  }
}

/** Claims and answers until there is nothing left; returns the questions in the order served. */
export async function drainAll(bus: Bus): Promise<number[]> {
  const served: number[] = [];
  while (bus.hasWork({})) {
    const leases = await bus.claim({ limit: 16, leaseMs: LEASE_MS });
    if (leases.length === 0 && bus.hasWork({})) throw new Error('there is work nobody can claim');
    await Promise.all(leases.map((lease) => bus.complete(lease, answer())));
    served.push(...leases.map((lease) => lease.questionId));
  }
  return served;
}
