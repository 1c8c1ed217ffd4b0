/**
 * What turns have ended in, on its way to the bus. Ends that come in together are written together:
 * answers in one call, so that each costs no promise of its own.
 */
import type { Answer, Answered, Bus, Completed, Kept, Lease } from '../../src/bus/index.js';
import { failpoint, note } from '../../src/failpoints/index.js';
import type { Log } from '../../src/log.js';
import { Gathering } from './gathering.js';
import { mayHoldSecret, withoutSecrets } from './secrets.js';
import type { Settlement } from './turn.js';

export interface SettlingOptions {
  readonly bus: Pick<Bus, 'complete' | 'completeAll' | 'retry' | 'release'>;
  readonly log: Log;
  /** Turns that have not ended. */
  readonly inFlight: () => number;
  /** Ends have been submitted, or were written: slots are free. */
  readonly look: () => void;
}

/** A turn that is over, and what is to be written for it. */
interface Ended {
  readonly lease: Lease;
  readonly settlement: Settlement;
}

export class Settling {
  readonly #options: SettlingOptions;
  readonly #ended: Gathering<Ended>;
  #size = 0;

  constructor(options: SettlingOptions) {
    this.#options = options;
    this.#ended = new Gathering({
      inFlight: options.inFlight,
      deliver: (ended) => {
        this.#write(ended);
        // The answers, and the claim for the slots that they free, share one transaction.
        options.look();
      },
    });
  }

  /** Turns that have ended and are not written yet. */
  get size(): number {
    return this.#size;
  }

  add(lease: Lease, settlement: Settlement): void {
    this.#size += 1;
    this.#ended.add({ lease, settlement });
  }

  /** `look` is called soon, also when there is nothing to write. */
  soon(): void {
    this.#ended.soon();
  }

  /** Submitted before this returns, but for answers that may hold a secret. */
  #write(ended: readonly Ended[]): void {
    const plain: Ended[] = [];
    const answers: Answered[] = [];
    for (const each of ended) {
      const { lease, settlement } = each;
      if (settlement.step === 'complete' && isPlain(settlement.answer)) {
        plain.push(each);
        answers.push({ lease, answer: settlement.answer });
      } else void this.#writeAlone(each);
    }
    if (plain.length > 0) void this.#writeAnswers(plain, answers);
  }

  async #writeAnswers(ended: readonly Ended[], answers: readonly Answered[]): Promise<void> {
    let results: readonly Completed[];
    try {
      failpoint('ans.pre');
      results = await this.#options.bus.completeAll(answers);
    } catch (error) {
      results = ended.map(() => error as Error);
    }
    for (const [index, each] of ended.entries()) this.#tell(each, results[index] as Completed);
    this.#written(ended.length);
  }

  async #writeAlone(ended: Ended): Promise<void> {
    this.#tell(ended, await this.#submit(ended).catch((error: Error) => error));
    this.#written(1);
  }

  async #submit({ lease, settlement }: Ended): Promise<Kept | 'orphaned'> {
    const { bus } = this.#options;
    switch (settlement.step) {
      case 'complete':
        return bus.complete(lease, await withoutSecrets(settlement.answer));
      case 'retry':
        return bus.retry(lease, settlement);
      case 'release':
        return bus.release(lease, settlement.delayMs);
    }
  }

  #written(count: number): void {
    this.#size -= count;
    // Once more when it is written: an answer that had to be looked at for secrets was submitted
    // after the claim that went out for its slot.
    this.soon();
  }

  #tell({ lease, settlement }: Ended, result: Completed): void {
    const { log } = this.#options;
    const { questionId: question, attempt } = lease;
    if (result instanceof Error) {
      // The lease runs out and the question is handed out again.
      log.error({ question, attempt, err: result }, 'result could not be written');
      return;
    }
    note({ what: 'settled', question, attempt, step: settlement.step, result });
    if (result === 'kept') tellSettled(log, lease, settlement);
    else {
      const message = 'result dropped: the question was no longer ours';
      log.warn({ question, attempt, kept: result }, message);
    }
  }
}

/** One that cannot even be looked at is not, and fails alone. */
function isPlain(answer: Answer): boolean {
  try {
    return !mayHoldSecret(answer);
  } catch {
    return false;
  }
}

function tellSettled(log: Log, lease: Lease, settlement: Settlement): void {
  const { questionId: question, attempt } = lease;
  if (settlement.step === 'retry') {
    const { code, delayMs } = settlement;
    log.warn({ question, attempt, code, delayMs }, 'attempt failed, will be tried again');
  } else if (settlement.step === 'complete' && settlement.answer.error) {
    const { code } = settlement.answer.error;
    log.warn({ question, attempt, code }, 'question answered with an error');
  } else if (log.isLevelEnabled('debug')) {
    log.debug({ question, attempt, step: settlement.step }, 'turn settled');
  }
}
