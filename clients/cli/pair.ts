/** The bridge and autopoll as two child processes: what `up` and `demo` run. */
import type { Flags, Section } from '../../src/config/index.js';
import { toCommandLine } from './options.js';
import { AUTOPOLL, BRIDGE } from './sections.js';
import { type ReadyLine, SupervisedChild } from './supervisor.js';

export interface PairOptions {
  /** Flags of both, by key. */
  readonly flags: Flags;
  readonly drainMs: number;
  readonly cwd?: string | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly onDeath: (what: string, delayMs: number) => void;
}

/** Beyond the drain, for what comes before and after it, in milliseconds. */
const STOP_MARGIN_MS = 5_000;

export class Pair {
  readonly #bridge: SupervisedChild;
  readonly #autopoll: SupervisedChild;
  readonly #flags: Flags;
  /** Where the bridge is once it has been ready: it comes back there, also from port 0. */
  #ports: Flags = {};

  constructor({ flags, drainMs, ...rest }: PairOptions) {
    this.#flags = flags;
    const common = { ...rest, stopMs: drainMs + STOP_MARGIN_MS };
    const words = (command: string, sections: readonly Section[]) => () => [
      command,
      ...toCommandLine({ ...this.#flags, ...this.#ports }, sections),
    ];
    this.#bridge = new SupervisedChild({
      ...common,
      name: 'bridge',
      words: words('serve', BRIDGE),
    });
    this.#autopoll = new SupervisedChild({
      ...common,
      name: 'autopoll',
      words: words('autopoll', AUTOPOLL),
    });
  }

  get pids(): { readonly bridge: number | undefined; readonly autopoll: number | undefined } {
    return { bridge: this.#bridge.pid, autopoll: this.#autopoll.pid };
  }

  /**
   * Resolves with the ready line of the bridge when both are ready.
   * @throws ChildFailed when one of them cannot start; the other is stopped then
   */
  async start(): Promise<ReadyLine> {
    try {
      const bridge = await this.#bridge.start();
      this.#ports = { port: bridge.port, httpPort: bridge.http_port ?? 'off' };
      await this.#autopoll.start();
      return bridge;
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Autopoll first: what it has asked is answered before the bridge goes. */
  async stop(): Promise<void> {
    await this.#autopoll.stop();
    await this.#bridge.stop();
  }

  kill(): void {
    this.#autopoll.kill();
    this.#bridge.kill();
  }
}
