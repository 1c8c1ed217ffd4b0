/**
 * A process that works on the bus, as an autopoll does, in virtual time: it claims, works, renews
 * what makes progress, gives up what does not, settles and reaps. It may stand still and go on, and
 * it may die at any moment.
 */
import { type Bus, type Lease, planRetry, type RetryPolicy } from '../../src/bus/index.js';
import { pick, whole } from '../random.js';
import type { Ledger, Step } from './ledger.js';
import type { Timeline } from './timeline.js';

export interface WorkerSettings {
  readonly concurrency: number;
  readonly leaseMs: number;
  readonly renewEveryMs: number;
  readonly reapEveryMs: number;
  readonly idleGapMs: number;
  readonly retry: RetryPolicy;
}

export interface WorkerParts {
  readonly bus: Bus;
  readonly timeline: Timeline;
  readonly random: () => number;
  readonly ledger: Ledger;
  readonly settings: WorkerSettings;
}

/** How a turn goes: when it ends, with what, and whether it shows signs of life until then. */
interface Work {
  readonly lease: Lease;
  readonly startedMs: number;
  readonly isSilent: boolean;
  over: boolean;
}

const FAILURES = ['engine_error', 'timeout', 'internal', 'busy', 'engine_limit', 'bad_request'];

export class Worker {
  readonly #parts: WorkerParts;
  readonly #works = new Set<Work>();
  #stoppedUntilMs = 0;
  #dead = false;

  constructor(parts: WorkerParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#soon(0, () => this.#tick());
    this.#soon(0, () => this.#renew());
  }

  /** What it has claimed and not settled. */
  get held(): Lease[] {
    return [...this.#works].map(({ lease }) => lease);
  }

  /** From now on it does nothing, whatever it had begun. */
  die(): void {
    this.#dead = true;
  }

  /** It stands still; what falls due meanwhile happens afterwards. */
  stop(forMs: number): void {
    const { timeline } = this.#parts;
    this.#stoppedUntilMs = Math.max(this.#stoppedUntilMs, timeline.monotonicMs() + forMs);
  }

  #soon(delayMs: number, act: () => Promise<void>): void {
    const { timeline } = this.#parts;
    const run = async (): Promise<void> => {
      if (this.#dead) return;
      const leftMs = this.#stoppedUntilMs - timeline.monotonicMs();
      if (leftMs > 0) timeline.after(leftMs, run);
      else await act();
    };
    timeline.after(delayMs, run);
  }

  async #tick(): Promise<void> {
    const { bus, settings } = this.#parts;
    this.#soon(settings.reapEveryMs, () => this.#tick());
    await bus.reap();
    await this.#claim();
  }

  async #claim(): Promise<void> {
    const { bus, settings, ledger } = this.#parts;
    const limit = settings.concurrency - this.#works.size;
    if (limit <= 0 || this.#dead) return;
    const leases = await bus.claim({ limit, leaseMs: settings.leaseMs });
    // It died while the claim was under way: the bus knows of its leases, nobody else does.
    for (const lease of leases) {
      ledger.claimed(lease);
      if (!this.#dead) this.#begin(lease);
    }
  }

  #begin(lease: Lease): void {
    const { random, settings, timeline } = this.#parts;
    const work: Work = {
      lease,
      startedMs: timeline.monotonicMs(),
      isSilent: random() < 0.08,
      over: false,
    };
    this.#works.add(work);
    const isUsedUp = lease.attempt > settings.retry.maxAttempts;
    if (lease.question.kind === 'invalid' || isUsedUp) {
      this.#soon(0, () => this.#fail(work, { code: 'bad_request' }));
    } else if (!work.isSilent) {
      // Some take longer than a lease, and have to renew it.
      const longest = random() < 0.2 ? 2 * settings.leaseMs : settings.leaseMs / 10;
      this.#soon(whole(random, 0, longest), () => this.#end(work));
    }
  }

  async #end(work: Work): Promise<void> {
    const { random } = this.#parts;
    if (random() < 0.2) {
      const retryAfterMs = random() < 0.5 ? whole(random, 0, 30_000) : undefined;
      await this.#fail(work, { code: pick(random, FAILURES), retryAfterMs });
    } else {
      await this.#settle(work, 'complete', (bus, lease) => bus.complete(lease, answerTo(lease)));
    }
  }

  async #fail(
    work: Work,
    failure: { readonly code: string; readonly retryAfterMs?: number | undefined },
  ): Promise<void> {
    const { random, settings } = this.#parts;
    const { attempt } = work.lease;
    const { code } = failure;
    const plan = planRetry(failure, attempt, random(), settings.retry);
    switch (plan.step) {
      case 'retry': {
        const request = { delayMs: plan.delayMs, code, message: 'it failed' };
        return this.#settle(work, 'retry', (bus, lease) => bus.retry(lease, request));
      }
      case 'park':
        return this.#settle(work, 'release', (bus, lease) => bus.release(lease, plan.delayMs));
      case 'answer_error': {
        const error = { code, message: 'it failed', attempts: attempt, dead: plan.dead };
        const answer = { ...answerTo(work.lease), answer: 'Error: it failed', error };
        return this.#settle(work, 'complete', (bus, lease) => bus.complete(lease, answer));
      }
    }
  }

  async #settle(
    work: Work,
    step: Step,
    write: (bus: Bus, lease: Lease) => Promise<'kept' | 'lost' | 'orphaned'>,
  ): Promise<void> {
    if (work.over) return;
    this.#over(work);
    const { bus, ledger } = this.#parts;
    ledger.lettingGo(work.lease);
    ledger.settled(work.lease, step, await write(bus, work.lease));
    await this.#claim();
  }

  async #renew(): Promise<void> {
    const { bus, ledger, settings, timeline } = this.#parts;
    this.#soon(settings.renewEveryMs, () => this.#renew());
    for (const work of [...this.#works]) {
      const silentMs = work.isSilent ? timeline.monotonicMs() - work.startedMs : 0;
      if (silentMs >= settings.idleGapMs) await this.#fail(work, { code: 'timeout' });
      else if (!work.over && (await bus.renew(work.lease, settings.leaseMs)) === 'lost') {
        ledger.lost();
        this.#over(work);
      }
    }
  }

  #over(work: Work): void {
    work.over = true;
    this.#works.delete(work);
  }
}

function answerTo(lease: Lease) {
  return {
    answer: `answer to ${lease.questionId}`,
    sources: [],
    shardId: 'simulation',
    llmType: 'none',
    responseTimeSec: 0,
  };
}
