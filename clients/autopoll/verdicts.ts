/** What becomes of a turn, and what its outcome says about its engine and about the bridge. */
import type { Lease, SqliteBus } from '../../src/bus/index.js';
import type { Clock } from '../../src/clock.js';
import type { Outcome, Answer as Reply } from '../socket/index.js';
import type { Outage } from './outage.js';
import { type Parking, parksEngine } from './parking.js';
import { type Settlement, settleFailure, settleReply, type TurnSettings } from './turn.js';
import type { Watch } from './watch.js';

export interface VerdictsOptions {
  readonly bus: Pick<SqliteBus, 'attemptsOf'>;
  readonly clock: Clock;
  readonly settings: TurnSettings & { readonly idleGapMs: number };
  readonly outage: Outage;
  readonly parking: Parking;
  readonly watch: Pick<Watch, 'ended'>;
}

interface Ended {
  readonly lease: Lease;
  /** When the question was claimed, on the monotonic clock. */
  readonly startedMs: number;
}

export class Verdicts {
  readonly #options: VerdictsOptions;

  constructor(options: VerdictsOptions) {
    this.#options = options;
  }

  of({ lease, startedMs }: Ended, outcome: Outcome<Reply>): Settlement {
    const { settings, clock, outage, parking, watch } = this.#options;
    const { questionId, question } = lease;
    const engine = engineOf(lease);
    const ended = { atUs: clock.wallUs(), afterMs: clock.monotonicMs() - startedMs };
    if (outcome.ok) {
      outage.over();
      parking.worked(engine, questionId);
      watch.ended(engine, true);
      if (question.kind === 'question') {
        settings.clocks?.answeredBy(question.model, outcome.value.engine);
      }
      return settleReply(outcome.value, ended, settings);
    }
    const { code, message, retryAfterMs, turn } = outcome.error;
    const spentMs = this.#spentMs(lease, ended.afterMs);
    const failure = { code, message, retryAfterMs, turn, spentMs };
    const settlement = settleFailure(lease, failure, ended, Math.random(), settings);
    if (refusesEverything(code)) outage.seen();
    else if (settlement.step !== 'release') {
      parking.worked(engine, questionId);
      // An error of the question's own says nothing about the engine.
      if (settlement.step === 'retry' || settlement.answer.error?.dead) watch.ended(engine, false);
    } else if (parksEngine(failure)) {
      parking.refused(engine, failure, settlement.delayMs);
      watch.ended(engine, false);
    }
    return settlement;
  }

  /** The turn made no progress for too long. */
  ofSilence({ lease }: Ended): Settlement {
    const { settings, clock, watch } = this.#options;
    const afterMs = settings.idleGapMs;
    const failure = {
      code: 'timeout',
      message: 'the turn made no progress for too long',
      spentMs: this.#spentMs(lease, afterMs),
    };
    watch.ended(engineOf(lease), false);
    const ended = { atUs: clock.wallUs(), afterMs };
    return settleFailure(lease, failure, ended, Math.random(), settings);
  }

  /** Together with the attempts that failed before; those that died silently are not counted. */
  #spentMs({ questionId, attempt }: Lease, thisMs: number): number {
    if (attempt === 1) return thisMs;
    try {
      return this.#options.bus
        .attemptsOf(questionId)
        .filter(({ outcome }) => outcome === 'retried')
        .reduce((sum, each) => sum + (each.finishedAtUs - each.claimedAtUs) / 1000, thisMs);
    } catch {
      // A bus that cannot be read now: this attempt alone decides.
      return thisMs;
    }
  }
}

/** What parks and figures know an engine by: the `model` of a question, empty for the usual one. */
export function engineOf({ question }: Lease): string {
  return question.kind === 'question' ? (question.model ?? '') : '';
}

/** The bridge as a whole takes no work, whatever the question. */
function refusesEverything(code: string): boolean {
  return ['busy', 'shutting_down', 'unauthorized', 'unreachable', 'closed'].includes(code);
}
