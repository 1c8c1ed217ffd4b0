/**
 * The time a turn may take, by conversation and engine, as the bus has it. What a command changes
 * there holds for the next question: the table is small and read again whenever the bus may have
 * changed.
 */
import { lastEngine, readTimeouts, type SqliteBus, TimeoutTable } from '../../src/bus/index.js';

/** Models are whatever askers write: so many of them are remembered with who answers for them. */
const MAX_MODELS = 1000;

export class TurnClocks {
  readonly #bus: Pick<SqliteBus, 'session' | 'read'>;
  #table = new TimeoutTable([]);
  #isStale = true;
  /** Which engine answers for a `model`; for questions that name none, under the empty name. */
  readonly #engines = new Map<string, string>();

  constructor(bus: Pick<SqliteBus, 'session' | 'read'>) {
    this.#bus = bus;
  }

  /** The bus may have changed. */
  stale(): void {
    this.#isStale = true;
  }

  /** Milliseconds for a turn, or undefined where nobody has set or learned any. */
  timeoutMs(conversationId: string, model: string | undefined): number | undefined {
    if (this.#isStale) this.#read();
    if (this.#table.isEmpty) return undefined;
    const engine = this.#engines.get(model ?? '');
    const names = [model, engine].filter((name) => name !== undefined);
    return this.#table.find(conversationId, names)?.timeoutMs;
  }

  answeredBy(model = '', engine: string): void {
    if (this.#engines.get(model) === engine) return;
    if (this.#engines.size < MAX_MODELS || this.#engines.has(model)) {
      this.#engines.set(model, engine);
    }
  }

  #read(): void {
    const { session } = this.#bus;
    try {
      this.#table = this.#bus.read((db) => readTimeouts(db, session));
      // Before the first answer of this process: who answered last, until told better.
      if (!this.#table.isEmpty && !this.#engines.has('')) {
        const engine = this.#bus.read((db) => lastEngine(db, session));
        if (engine !== undefined) this.#engines.set('', engine);
      }
      this.#isStale = false;
    } catch {
      // The bus is out of reach: what was known holds, and the next question looks again.
    }
  }
}
