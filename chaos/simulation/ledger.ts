/** Who holds what, as the processes of a simulation see it: it knows the true order of things. */
import type { Bus, Kept, Lease } from '../../src/bus/index.js';
import type { Noted } from '../../src/failpoints/index.js';

/** A process died with leases; they are to be free by then. */
export interface Death {
  readonly atUs: number;
  readonly byUs: number;
  readonly leases: readonly Lease[];
}

export type Step = 'complete' | 'retry' | 'release';

export class Ledger {
  readonly history: Noted[] = [];
  readonly violations: string[] = [];
  readonly deaths: Death[] = [];
  /** Writes that were refused because their lease was lost. */
  refused = 0;
  readonly #bus: Bus;
  readonly #holders = new Map<string, Lease>();
  readonly #letGo = new Set<string>();

  /** @param bus looked at only */
  constructor(bus: Bus) {
    this.#bus = bus;
  }

  asked(question: number, conversation: string): void {
    this.#note({ what: 'asked', question, conversation });
  }

  /** At most one lease in a conversation: the one before has been settled, given back or taken away. */
  claimed(lease: Lease): void {
    const { questionId: question, attempt, conversationId: conversation } = lease;
    this.#note({ what: 'claimed', question, attempt, conversation });
    const before = this.#holders.get(conversation);
    if (before !== undefined && !this.#hasEnded(before)) {
      this.violations.push(
        `attempt ${attempt} at ${question} began while attempt ${before.attempt} at ${before.questionId} was under way`,
      );
    }
    this.#holders.set(conversation, lease);
  }

  /** Its holder is about to settle it: whether it still can, the bus decides. */
  lettingGo(lease: Lease): void {
    this.#letGo.add(lease.token);
  }

  settled(lease: Lease, step: Step, result: Kept | 'orphaned'): void {
    const { questionId: question, attempt } = lease;
    this.#note({ what: 'settled', question, attempt, step, result });
    if (result === 'lost') this.lost();
  }

  lost(): void {
    this.refused += 1;
  }

  #hasEnded({ questionId, attempt, token }: Lease): boolean {
    if (this.#letGo.has(token)) return true;
    return this.#bus.attemptsOf(questionId).some((ended) => ended.attempt === attempt);
  }

  #note(fact: object): void {
    const mono_us = this.history.length;
    this.history.push({ ...fact, pid: 0, mono_us, wall_us: 0 } as Noted);
  }
}
