/** What a failed command exits with and says: one line, and the next step in it. */
import { printableLine } from '../../src/text.js';

export const EXIT = { ok: 0, failed: 1, usage: 2, config: 78 } as const;

export const EXIT_MEANINGS: Readonly<Record<number, string>> = {
  [EXIT.ok]: 'fine',
  [EXIT.failed]: 'failed',
  [EXIT.usage]: 'used wrongly',
  [EXIT.config]: 'the configuration is wrong: no further try helps before it is changed',
};

/** The words do not fit together: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** For a promise about what a person gave. @throws UsageError for what is out of range, else what is given */
export function asUsageError(error: unknown): never {
  throw error instanceof RangeError ? new UsageError(error.message) : error;
}

/**
 * States of a bus that only a person can change. The others pass by themselves. By name and code
 * rather than by class, so that a command which needs no SQLite does not load it to fail.
 */
const BUS_CONFIG_CODES = [
  'bus_missing',
  'bus_schema',
  'bus_version',
  'bus_read_only',
  'bus_corrupt',
];

export function exitCodeOf(error: unknown): number {
  const { name, code } = error as { name?: unknown; code?: unknown };
  if (name === 'UsageError') return EXIT.usage;
  if (name === 'ConfigError') return EXIT.config;
  if (name === 'BusError' && BUS_CONFIG_CODES.includes(String(code))) return EXIT.config;
  return EXIT.failed;
}

/** Errors repeat what others wrote: a provider's words, the name of a file. */
export function complain(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  const line = message.trim().replace(/\s*\n\s*/g, ' ');
  process.stderr.write(`warmline: ${printableLine(line)}\n`);
}
