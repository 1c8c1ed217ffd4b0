import type { Bridge } from '../bridge/index.js';
import type { Clock } from '../clock.js';
import type { TokenGate } from '../listening/index.js';
import type { Log } from '../log.js';
import type { Counters } from './counters.js';
import type { Limits } from './limits.js';

/** What the connections of one server share. */
export interface Hub {
  readonly bridge: Bridge;
  readonly log: Log;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly gate: TokenGate;
  readonly counters: Counters;
  readonly startedMs: number;
  /** Set once: new queries are refused, and a connection ends when its last query is answered. */
  draining: boolean;
  openConnections(): number;
  /** A connection has much waiting to be read: makes room when all of them have too much. */
  relieve(): void;
  /** Writes at most one line a minute about clients that do not speak this protocol. */
  reportForeign(remote: string): void;
}
