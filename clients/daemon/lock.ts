/**
 * One daemon for each bus: a lock that the kernel holds for a process and frees with its end, so that
 * nothing can be stale. Node has no call for one, SQLite has: the lock is an empty database in an
 * exclusive transaction that never writes.
 */
import { existsSync } from 'node:fs';
import Database from 'better-sqlite3';
import { unusable } from './place.js';

/** Somebody who only looks holds the lock for a moment, too. In milliseconds. */
const LOOK_MS = 1_000;

interface Lock {
  release(): void;
}

/**
 * @returns undefined when another process has the lock
 * @throws ConfigError when the file cannot be used
 */
export function takeLock(file: string): Lock | undefined {
  return withoutBusy(file, () => {
    const db = new Database(file, { timeout: LOOK_MS });
    try {
      // Nothing is written, so nothing can be left behind to be undone.
      db.pragma('journal_mode = OFF');
      db.exec('BEGIN EXCLUSIVE');
      return { release: () => db.close() };
    } catch (error) {
      db.close();
      throw error;
    }
  });
}

/**
 * Whether a process has the lock, and it is not this one.
 * @throws ConfigError when the file cannot be used
 */
export function isLocked(file: string): boolean {
  if (!existsSync(file)) return false;
  const seen = withoutBusy(file, () => {
    const db = new Database(file, { readonly: true, timeout: 0 });
    try {
      return db.prepare('SELECT count(*) FROM sqlite_master').get();
    } finally {
      db.close();
    }
  });
  return seen === undefined;
}

function withoutBusy<T>(file: string, use: () => T): T | undefined {
  try {
    return use();
  } catch (error) {
    if (String((error as { code?: unknown }).code).startsWith('SQLITE_BUSY')) return undefined;
    throw unusable(file, error);
  }
}
