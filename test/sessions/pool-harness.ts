import { pino } from 'pino';
import type { ContextFile } from '../../src/context/index.js';
import { FakeEngine, type FakeOptions } from '../../src/engines/fake/index.js';
import type { Engine, TurnEvent, TurnResult } from '../../src/engines/index.js';
import type { WarmlineError } from '../../src/errors.js';
import {
  DEFAULT_LIMITS,
  type Job,
  Pool,
  type PoolLimits,
  type Work,
} from '../../src/sessions/index.js';
import { FakeClock } from '../support/fake-clock.js';

export const silentLog = pino({ level: 'silent' });

export function contextNamed(name: string): ContextFile {
  return {
    name,
    path: `/nowhere/${name}`,
    identity: `identity of ${name}`,
    sizeBytes: 0,
    read: async () => Buffer.alloc(0),
  };
}

export interface AskOptions {
  readonly key?: string;
  readonly priority?: number;
  readonly timeoutMs?: number;
  readonly context?: ContextFile;
}

/** A query that notes everything it hears. */
export class Asked implements Work {
  readonly question: string;
  readonly context: ContextFile | undefined;
  readonly key: string | undefined;
  readonly priority: number;
  readonly timeoutMs: number | undefined;
  readonly askedMs: number;
  readonly positions: number[] = [];
  readonly events: TurnEvent[] = [];
  readonly outcomes: (TurnResult | WarmlineError)[] = [];
  session: string | undefined;
  job: Job | undefined;
  onEnd: () => void = () => {};

  constructor(question: string, askedMs: number, options: AskOptions) {
    this.question = question;
    this.askedMs = askedMs;
    this.context = options.context;
    this.key = options.key;
    this.priority = options.priority ?? 0;
    this.timeoutMs = options.timeoutMs;
  }

  get isOver(): boolean {
    return this.outcomes.length > 0;
  }

  get answer(): string | undefined {
    const outcome = this.outcomes[0];
    return outcome !== undefined && 'answer' in outcome ? outcome.answer : undefined;
  }

  get error(): WarmlineError | undefined {
    const outcome = this.outcomes[0];
    return outcome !== undefined && 'code' in outcome ? outcome : undefined;
  }

  waiting(position: number): void {
    this.positions.push(position);
  }

  started(sessionId: string): void {
    this.session = sessionId;
  }

  event(event: TurnEvent): void {
    this.events.push(event);
  }

  answered(result: TurnResult): void {
    this.outcomes.push(result);
    this.onEnd();
  }

  failed(error: WarmlineError): void {
    this.outcomes.push(error);
    this.onEnd();
  }
}

export interface PoolHarness<E extends Engine = FakeEngine> {
  readonly clock: FakeClock;
  readonly engine: E;
  readonly pool: Pool;
  ask(question: string, options?: AskOptions): Asked;
  cancel(asked: Asked): void;
}

/** A pool with a fake engine and a clock of its own, its spares open. */
export async function startPool(
  limits: Partial<PoolLimits> = {},
  fake: FakeOptions = {},
): Promise<PoolHarness> {
  const clock = new FakeClock();
  const harness = poolOver(new FakeEngine({ after: clock.after, ...fake }), clock, limits);
  harness.pool.warm(undefined);
  await clock.advance(fake.openDelayMs ?? 0);
  return harness;
}

/** A pool over any engine, nothing opened yet. */
export function poolOver<E extends Engine>(
  engine: E,
  clock: FakeClock,
  limits: Partial<PoolLimits> = {},
): PoolHarness<E> {
  const pool = new Pool({
    engine,
    limits: { ...DEFAULT_LIMITS, ...limits },
    clock,
    after: clock.after,
    log: silentLog,
    random: () => 0.5,
  });
  return {
    clock,
    engine,
    pool,
    ask(question, options = {}) {
      const asked = new Asked(question, clock.monotonicMs(), options);
      asked.job = pool.submit(asked, clock.monotonicMs());
      return asked;
    },
    cancel(asked) {
      if (asked.job !== undefined) pool.cancel(asked.job);
    },
  };
}
