import { pino } from 'pino';
import {
  type Bridge,
  type BridgeOptions,
  createBridge,
  type Query,
  type QueryListener,
  type QueryOutcome,
  type QueryReply,
  type Ticket,
} from '../../src/bridge/index.js';
import type { ContextFile, ContextRoots } from '../../src/context/index.js';
import { FakeEngine, type FakeOptions } from '../../src/engines/fake/index.js';
import type { WarmlineError } from '../../src/errors.js';
import type { PoolLimits } from '../../src/sessions/index.js';
import { FakeClock } from '../support/fake-clock.js';

export const noContexts: ContextRoots = { resolve: async () => undefined };

export function contextNamed(name: string): ContextFile {
  return {
    name,
    path: `/nowhere/${name}`,
    identity: `identity of ${name}`,
    sizeBytes: 0,
    read: async () => Buffer.alloc(0),
  };
}

/** A door that notes everything it hears. */
export class Heard implements QueryListener {
  readonly positions: number[] = [];
  readonly notes: { stage: string; message?: string | undefined }[] = [];
  readonly outcomes: QueryOutcome[] = [];
  ticket: Ticket | undefined;
  text = '';

  get reply(): QueryReply | undefined {
    const outcome = this.outcomes[0];
    return outcome?.ok === true ? outcome.reply : undefined;
  }

  get error(): WarmlineError | undefined {
    const outcome = this.outcomes[0];
    return outcome?.ok === false ? outcome.error : undefined;
  }

  accepted(position: number): void {
    this.positions.push(position);
  }

  progress(note: { stage: string; message?: string | undefined }): void {
    this.notes.push(note);
  }

  delta(text: string): void {
    this.text += text;
  }

  done(outcome: QueryOutcome): void {
    this.outcomes.push(outcome);
  }
}

export interface BridgeHarness {
  readonly clock: FakeClock;
  readonly engine: FakeEngine;
  readonly bridge: Bridge;
  ask(query: Query | string): Heard;
}

export interface Setting {
  readonly limits?: Partial<PoolLimits>;
  readonly fake?: FakeOptions;
  readonly options?: Partial<BridgeOptions>;
}

/** A bridge over one fake engine and a clock of its own, its session open. */
export async function startBridge(setting: Setting = {}): Promise<BridgeHarness> {
  const clock = new FakeClock();
  const engine = new FakeEngine({ after: clock.after, ...setting.fake });
  const bridge = createBridge({
    engines: [{ engine, limits: setting.limits }],
    contexts: noContexts,
    clock,
    after: clock.after,
    random: () => 0.5,
    log: pino({ level: 'silent' }),
    ...setting.options,
  });
  await clock.advance(0);
  const ask = (query: Query | string) => {
    const heard = new Heard();
    heard.ticket = bridge.ask(typeof query === 'string' ? { question: query } : query, heard);
    return heard;
  };
  return { clock, engine, bridge, ask };
}
