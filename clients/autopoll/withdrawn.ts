/**
 * Stops turns whose question was cancelled, as soon as that shows on the bus: the next renewal of
 * their lease would tell as well, but seconds later.
 */
import { countWithdrawn, lostLeases, type SqliteBus } from '../../src/bus/index.js';
import type { Log } from '../../src/log.js';
import type { LeaseKeeper } from './lease-keeper.js';

interface WithdrawnTurnsOptions {
  readonly bus: Pick<SqliteBus, 'read' | 'session'>;
  readonly keeper: Pick<LeaseKeeper, 'turns' | 'lose'>;
  readonly log: Log;
  /** The claim under way. */
  readonly claiming: () => Promise<void> | undefined;
}

export class WithdrawnTurns {
  readonly #options: WithdrawnTurnsOptions;
  #count: number | undefined;

  constructor(options: WithdrawnTurnsOptions) {
    this.#options = options;
  }

  /** Called after each change of the bus, nearly all of which are about something else. */
  look(): void {
    const { bus, log, claiming } = this.#options;
    try {
      const count = countWithdrawn(bus);
      if (count === this.#count) return;
      this.#sweep();
      this.#count = count;
    } catch (error) {
      // The next change, or the renewal of the lease, tells it again.
      log.debug({ err: error }, 'the bus could not be asked for cancelled questions');
    }
    // What this claim has leased may have been withdrawn before its turn began.
    void claiming()
      ?.then(() => this.#sweep())
      .catch(() => undefined);
  }

  #sweep(): void {
    const { bus, keeper } = this.#options;
    const turns = [...keeper.turns];
    if (turns.length === 0) return;
    const lost = lostLeases(
      bus,
      turns.map(({ lease }) => lease),
    );
    for (const turn of turns) if (lost.has(turn.lease.token)) keeper.lose(turn, 'cancelled');
  }
}
