import type { ErrorCode } from '../errors.js';
import type { QueryOutcome } from './contract.js';
import { Histogram } from './histogram.js';

/** How the queries of one engine ended, and how long they took. */
export class Tally {
  answered = 0;
  /** Handed to the fall-back engine; they end there. */
  fellBack = 0;
  readonly failed = new Map<ErrorCode, number>();
  /** From question to answer, waiting included; answered queries only. */
  readonly latency = new Histogram();
  /** The part of it that was waiting. */
  readonly queued = new Histogram();

  add(outcome: QueryOutcome): void {
    if (outcome.ok) {
      this.answered += 1;
      this.latency.add(outcome.reply.elapsedMs);
      this.queued.add(outcome.reply.queuedMs);
    } else {
      const { code } = outcome.error;
      this.failed.set(code, (this.failed.get(code) ?? 0) + 1);
    }
  }
}
