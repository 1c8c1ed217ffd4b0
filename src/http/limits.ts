/** What one client may cost. Sizes are in bytes, times in milliseconds. */
export interface HttpLimits {
  readonly maxConnections: number;
  readonly headerBytes: number;
  readonly bodyBytes: number;
  /** Time for the headers, and for a whole request. */
  readonly headersMs: number;
  readonly requestMs: number;
  /** A client that has not taken its reply in this time is dropped; longer replies have longer. */
  readonly stallMs: number;
  readonly slowestBytesPerMs: number;
  /** How long a connection may stay without a request. */
  readonly keepAliveMs: number;
}

export const DEFAULT_LIMITS: HttpLimits = {
  maxConnections: 1024,
  headerBytes: 16 * 1024,
  bodyBytes: 1024 * 1024,
  headersMs: 10_000,
  requestMs: 30_000,
  stallMs: 30_000,
  slowestBytesPerMs: 32,
  keepAliveMs: 65_000,
};
