import type { SqliteBus } from '../../src/bus/index.js';
import type { Clock } from '../../src/clock.js';
import type { BridgeClientOptions } from '../socket/index.js';

/** What is looked at, and how often. */
export interface TopOptions {
  /** The bus file. */
  readonly file: string;
  /** @throws BusError */
  readonly open: () => SqliteBus;
  readonly bridge: BridgeClientOptions;
  /** How often bus and bridge are looked at when nothing tells of a change. */
  readonly everyMs: number;
  readonly clock: Clock;
}
