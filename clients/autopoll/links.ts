/**
 * Connections to the bridge. A server reads at most 64 questions ahead on each, so more than that
 * in flight takes several.
 */
import {
  type Answer,
  BridgeClient,
  type BridgeClientOptions,
  type BridgeError,
  type Listener,
  type Pending,
  type QueryOptions,
  type QueueReport,
} from '../socket/index.js';

/** Questions a server holds in flight on one connection; see `docs/protocol.md`. */
const PER_CONNECTION = 64;

/** A report that takes longer is no news any more, in milliseconds. */
const REPORT_MS = 10_000;

export class Links {
  readonly #clients: readonly BridgeClient[];

  constructor(options: BridgeClientOptions, mostInFlight: number) {
    const count = Math.ceil(mostInFlight / PER_CONNECTION);
    this.#clients = Array.from({ length: count }, () => new BridgeClient(options));
  }

  get connected(): boolean {
    return this.#clients.some((client) => client.connected);
  }

  /**
   * Asks over the first standing connection that has room: questions that go out together then
   * leave in few writes. When none has, over the one with the fewest.
   */
  submit(question: string, options: QueryOptions, listener: Listener<Answer>): Pending {
    const [first, ...others] = this.#clients as [BridgeClient, ...BridgeClient[]];
    let best = first;
    for (const client of others) {
      if (load(best) < PER_CONNECTION) break;
      if (load(client) < load(best)) best = client;
    }
    return best.submit(question, options, listener);
  }

  /** Shows a queue in the bridge's `health`, over the first connection that stands. */
  report(queue: QueueReport): Promise<void> {
    const client = this.#clients.find(({ connected }) => connected);
    return client === undefined
      ? Promise.resolve()
      : client.report(queue, { timeoutMs: REPORT_MS });
  }

  /** Calls back for each connection that stands. */
  onConnected(listener: () => void): void {
    for (const client of this.#clients) client.on('connected', listener);
  }

  /** Calls back for each failed attempt or lost connection. */
  onTrouble(listener: (reason: BridgeError) => void): void {
    for (const client of this.#clients) {
      client.on('reconnecting', ({ reason }) => listener(reason));
    }
  }

  /** @throws BridgeError when the attempt under way fails; attempts go on all the same */
  ready(): Promise<void> {
    return Promise.any(this.#clients.map((client) => client.ready())).catch((error) => {
      throw (error as AggregateError).errors[0];
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
  }
}

function load(client: BridgeClient): number {
  return client.connected ? client.pending : Number.POSITIVE_INFINITY;
}
