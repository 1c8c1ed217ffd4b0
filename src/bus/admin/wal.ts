/** The WAL file beside the bus, and how it is kept from growing for ever. */
import { statSync } from 'node:fs';
import type { SqliteBus } from '../sqlite/store.js';

/**
 * Larger than this, in bytes, the WAL file stays only while a reader keeps it: it is cut to this
 * size whenever it is begun anew (`journal_size_limit` of our connection).
 */
export const LARGE_WAL_BYTES = 64 * 1024 * 1024;

export function walBytes(bus: Pick<SqliteBus, 'read'>): number {
  const file = bus.read((db) => {
    const [main] = db.pragma('database_list') as { file: string }[];
    return main?.file ?? '';
  });
  return walBytesOf(file);
}

/** Of the bus in this file. */
export function walBytesOf(file: string): number {
  return statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0;
}

/**
 * Copies what is in the WAL file into the bus, as far as the readers of other programs let it, and
 * waits for none of them.
 * @param how `PASSIVE` takes no lock that a writer needs; `TRUNCATE` takes the write lock, and when
 *   nothing is left to copy it holds that only to make the file empty
 * @returns whether all of it is in the bus
 */
export function foldWal(bus: Pick<SqliteBus, 'read'>, how: 'PASSIVE' | 'TRUNCATE'): boolean {
  const [row] = bus.read((db) => db.pragma(`wal_checkpoint(${how})`)) as [Checkpoint];
  return row.busy === 0 && row.log === row.checkpointed;
}

/** https://www.sqlite.org/pragma.html#pragma_wal_checkpoint */
interface Checkpoint {
  readonly busy: 0 | 1;
  /** Frames in the WAL file, and those of them that are in the bus. */
  readonly log: number;
  readonly checkpointed: number;
}
