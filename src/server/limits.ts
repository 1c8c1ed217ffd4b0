import { readFileSync } from 'node:fs';
import { DEFAULT_MAX_LINE_BYTES } from '../protocol/index.js';

/** What one client may cost. Sizes are in bytes, times in milliseconds. */
export interface Limits {
  /** Connections served at once; the process's limit of open files may lower it. */
  readonly maxConnections: number;
  readonly maxLineBytes: number;
  /** Longest line before the token was shown, when one is required. */
  readonly maxLineBytesBeforeAuth: number;
  /** Queries in flight on one connection; the next one is held, and nothing after it is read. */
  readonly maxInFlight: number;
  /** Bad lines in a row that end a connection. */
  readonly maxBadLines: number;
  /** Reading pauses while more than this waits to be written. */
  readonly pauseAtWaitingBytes: number;
  /** A connection is dropped when more than this waits to be written. */
  readonly maxWaitingBytes: number;
  /** When more than this waits on all connections together, those with the most are dropped. */
  readonly maxAllWaitingBytes: number;
  /** Time for the first valid line. */
  readonly firstLineMs: number;
  /** Time for the token, when one is required. */
  readonly authMs: number;
  /** Time for the rest of a line that has begun. */
  readonly partialLineMs: number;
  /** A connection that takes none of its waiting bytes for so long is dropped. */
  readonly writeStallMs: number;
  /** How long the other side may keep its half open after ours is closed. */
  readonly lingerMs: number;
}

const MIB = 1024 * 1024;

export const DEFAULT_LIMITS: Limits = {
  maxConnections: 1024,
  maxLineBytes: DEFAULT_MAX_LINE_BYTES,
  maxLineBytesBeforeAuth: 8 * 1024,
  maxInFlight: 64,
  maxBadLines: 10,
  pauseAtWaitingBytes: MIB,
  maxWaitingBytes: 64 * MIB,
  maxAllWaitingBytes: 256 * MIB,
  firstLineMs: 30_000,
  authMs: 5_000,
  partialLineMs: 30_000,
  writeStallMs: 30_000,
  lingerMs: 2_000,
};

/** Open files kept back for the bus, context files, engines and whatever else the process opens. */
const RESERVED_FILES = 256;

/**
 * How many connections fit below the hard limit of open files. When that limit is reached the
 * kernel drops clients without a word and nothing else in the process can open a file.
 */
export function connectionBudget(wanted: number, hardFileLimit = readHardFileLimit()): number {
  const fits =
    hardFileLimit > 2 * RESERVED_FILES
      ? hardFileLimit - RESERVED_FILES
      : Math.max(1, Math.floor(hardFileLimit / 4));
  return Math.min(wanted, fits);
}

function readHardFileLimit(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8');
    const hard = /^Max open files\s+\S+\s+(\d+)/m.exec(limits)?.[1];
    return hard === undefined ? Number.POSITIVE_INFINITY : Number(hard);
  } catch {
    return Number.POSITIVE_INFINITY; // no /proc here: the limit cannot be known
  }
}
