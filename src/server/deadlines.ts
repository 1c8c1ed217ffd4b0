import type { Limits } from './limits.js';

/**
 * What a connection is late with. `linger`: our half is closed, the other side keeps its own open.
 */
export type Late = 'first_line' | 'token' | 'partial_line' | 'write' | 'linger';

export interface Facts {
  /** No token is required, or it was shown. */
  readonly trusted: boolean;
  /** One line was understood: from then on the connection may be idle. */
  readonly greeted: boolean;
  /** We read. While we do not, a line that does not go on is our doing. */
  readonly reading: boolean;
  /** Lines ended so far when another has begun, which tells one unfinished line from the next. */
  readonly partialLine: number | undefined;
  readonly waitingBytes: number;
  /** Writes completed so far, and the bytes left of the one under way: either moves, or a stall. */
  readonly writes: number;
  readonly unsentBytes: number;
}

/**
 * The clocks of one connection. Looked at by a common sweep instead of timers of its own: starting
 * and stopping timers for every chunk costs more than the chunk.
 */
export class Deadlines {
  readonly #openedMs: number;
  #endedMs: number | undefined;
  #partial: { readonly line: number; readonly sinceMs: number } | undefined;
  #stall:
    | { readonly writes: number; readonly unsent: number; readonly sinceMs: number }
    | undefined;

  constructor(nowMs: number) {
    this.#openedMs = nowMs;
  }

  /** Our last byte and the end of our half were handed to the kernel. */
  ended(nowMs: number): void {
    this.#endedMs = nowMs;
  }

  check(nowMs: number, limits: Limits, facts: Facts): Late | undefined {
    if (this.#endedMs !== undefined) {
      return nowMs - this.#endedMs > limits.lingerMs ? 'linger' : undefined;
    }
    if (this.#stalledMs(nowMs, facts) > limits.writeStallMs) return 'write';
    const partialMs = this.#partialMs(nowMs, facts);
    if (!facts.reading) return undefined;
    const ageMs = nowMs - this.#openedMs;
    if (!facts.trusted && ageMs > limits.authMs) return 'token';
    if (!facts.greeted && ageMs > limits.firstLineMs) return 'first_line';
    return partialMs > limits.partialLineMs ? 'partial_line' : undefined;
  }

  #stalledMs(nowMs: number, facts: Facts): number {
    if (facts.waitingBytes === 0) {
      this.#stall = undefined;
      return 0;
    }
    const { writes, unsentBytes: unsent } = facts;
    if (this.#stall?.writes !== writes || this.#stall.unsent !== unsent) {
      this.#stall = { writes, unsent, sinceMs: nowMs };
    }
    return nowMs - this.#stall.sinceMs;
  }

  #partialMs(nowMs: number, facts: Facts): number {
    if (facts.partialLine === undefined || !facts.reading) {
      this.#partial = undefined;
      return 0;
    }
    if (this.#partial?.line !== facts.partialLine) {
      this.#partial = { line: facts.partialLine, sinceMs: nowMs };
    }
    return nowMs - this.#partial.sinceMs;
  }
}

/** What a client reads that came without its token. */
export const TOKEN_FIRST = 'this server wants a token: send {"type":"hello","token":"…"} first';

/** What a client reads whose time ran out. */
export const TOO_LATE = {
  first_line: 'no request came; send one JSON object per line, or the word help',
  token: `no token came in time; ${TOKEN_FIRST}`,
  partial_line: 'the rest of the line did not come in time; end each request with a newline',
};
