import type { ErrorCode } from '../errors.js';

/** What happened since the server started; every figure only grows. */
export interface Counters {
  accepted: number;
  /** Turned away because the server was full. */
  refused: number;
  /** First line was not ours: a browser, a scanner, TLS. */
  foreign: number;
  /** Closed because a line, the token or the reading of replies took too long. */
  expired: number;
  /** Dropped because replies piled up unread. */
  flooded: number;
  lines: number;
  bad_lines: number;
  queries: number;
  answered: number;
  errors: Partial<Record<ErrorCode, number>>;
}

export function newCounters(): Counters {
  return {
    accepted: 0,
    refused: 0,
    foreign: 0,
    expired: 0,
    flooded: 0,
    lines: 0,
    bad_lines: 0,
    queries: 0,
    answered: 0,
    errors: {},
  };
}

export function countError(counters: Counters, code: ErrorCode): void {
  counters.errors[code] = (counters.errors[code] ?? 0) + 1;
}
