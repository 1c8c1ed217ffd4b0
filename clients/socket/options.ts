import { DEFAULT_RECONNECT, type ReconnectPolicy } from './backoff.js';
import type { BridgeError } from './errors.js';

export interface BridgeClientOptions {
  /** Default `127.0.0.1`. */
  readonly host?: string | undefined;
  /** Default 9999. */
  readonly port?: number | undefined;
  /** Path of the server's Unix socket; wins over `host` and `port`. */
  readonly path?: string | undefined;
  /** The server's token, or a function that gives it at each connection (a file that changes). */
  readonly token?: string | (() => string) | undefined;
  /** How this program is named to the server. Default `warmline-socket`. */
  readonly clientName?: string | undefined;
  /** Total time of a request that names none, in milliseconds. Default 300,000. */
  readonly timeoutMs?: number | undefined;
  /**
   * How long after its time a request waits for the server's own `timeout`, in milliseconds.
   * Default 2,000.
   */
  readonly graceMs?: number | undefined;
  /** Time to connect and be greeted, in milliseconds. Default 10,000. */
  readonly connectTimeoutMs?: number | undefined;
  /** `false`: the first failure or loss closes the client. */
  readonly reconnect?: Partial<ReconnectPolicy> | false | undefined;
  /** Send questions that carry a `requestId` again after a lost connection. Default `false`. */
  readonly resend?: boolean | undefined;
  /** Longest line this client takes, in bytes. Default 64 MiB. */
  readonly maxReplyBytes?: number | undefined;
}

export interface BridgeClientEvents {
  /** The server greeted: requests flow. */
  connected: [];
  /** A standing connection ended, other than by `close` or `drain`. */
  disconnected: [{ readonly reason: BridgeError }];
  /** The next attempt, counted from 1 since the last connection, starts in `delayMs`. */
  reconnecting: [
    { readonly attempt: number; readonly delayMs: number; readonly reason: BridgeError },
  ];
  /** The end: `reason` is there when it was not `close` or `drain` that ended the client. */
  closed: [{ readonly reason: BridgeError | undefined }];
}

export type Settings = ReturnType<typeof toSettings>;

export const toSettings = (options: BridgeClientOptions) => ({
  host: options.host ?? '127.0.0.1',
  port: options.port ?? 9999,
  path: options.path,
  token: options.token,
  clientName: options.clientName ?? 'warmline-socket',
  timeoutMs: options.timeoutMs ?? 300_000,
  graceMs: options.graceMs ?? 2_000,
  connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
  reconnect: toPolicy(options.reconnect),
  resend: options.resend ?? false,
  maxReplyBytes: options.maxReplyBytes ?? 64 * 1024 * 1024,
});

function toPolicy(reconnect: BridgeClientOptions['reconnect']): ReconnectPolicy | false {
  return reconnect === false ? false : { ...DEFAULT_RECONNECT, ...reconnect };
}
