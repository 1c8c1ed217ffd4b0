/** Asks the bridge how it is, again and again, over one connection that is dialled again when lost. */
import type { Clock } from '../../src/clock.js';
import { BridgeClient, type BridgeClientOptions } from '../socket/index.js';
import { readReport } from './bridge-report.js';
import type { BridgeState } from './facts.js';

interface BridgeSourceOptions {
  readonly bridge: BridgeClientOptions;
  readonly clock: Clock;
  readonly everyMs: number;
  readonly changed: (state: BridgeState) => void;
}

/** A bridge that does not say how it is for so long is in trouble, in milliseconds. */
const PATIENCE_MS = 5_000;
/** People wait for it to come back, in milliseconds. */
const LONGEST_BACKOFF_MS = 2_000;

export class BridgeSource {
  readonly #options: BridgeSourceOptions;
  readonly #client: BridgeClient;
  readonly #timer: NodeJS.Timeout;
  #asking = false;
  #closed = false;

  constructor(options: BridgeSourceOptions) {
    this.#options = options;
    this.#client = new BridgeClient({
      ...options.bridge,
      reconnect: { maxMs: LONGEST_BACKOFF_MS },
    });
    this.#client.on('connected', () => void this.#ask());
    this.#client.on('reconnecting', ({ reason }) => this.#down(reason));
    this.#timer = setInterval(() => void this.#ask(), options.everyMs);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#client.close();
  }

  async #ask(): Promise<void> {
    if (this.#asking || !this.#client.connected) return;
    this.#asking = true;
    const { clock, changed } = this.#options;
    const wait = { timeoutMs: PATIENCE_MS };
    try {
      const [health, stats, sessions] = await Promise.all([
        this.#client.health(wait),
        this.#client.stats(wait),
        this.#client.sessions(wait),
      ]);
      if (this.#closed) return;
      changed({ at: 'up', report: readReport(health, stats, sessions, clock.wallUs()) });
    } catch (error) {
      this.#down(error);
    } finally {
      this.#asking = false;
    }
  }

  #down(error: unknown): void {
    if (this.#closed) return;
    const why = error instanceof Error ? error.message : String(error);
    this.#options.changed({ at: 'down', why });
  }
}
