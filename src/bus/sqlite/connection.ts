/** Opens the bus file: version gate, pragmas, schema check, and SQLite's errors in our words. */
import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { shellWord } from '../../text.js';
import { BusError } from '../bus.js';
import { migrate } from './migrations.js';
import { checkForeignSchema, FOREIGN_SCHEMA } from './schema.js';

/** Afterwards the writer waits itself, without blocking the event loop. */
const DEFAULT_LOCK_WAIT_MS = 10_000;

/**
 * Two processes that checkpoint the same WAL file can lose committed transactions in SQLite
 * 3.7.0 to 3.51.2; fixed in 3.51.3 and carried back to 3.50.7 and 3.44.6
 * (https://www.sqlite.org/wal.html, "the WAL-reset bug").
 */
export function hasWalResetFix(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
  if (major !== 3) return major > 3;
  if (minor >= 52) return true;
  if (minor === 51) return patch >= 3;
  if (minor === 50) return patch >= 7;
  return minor === 44 && patch >= 6;
}

export interface OpenBusOptions {
  /** Makes an empty bus when the file does not exist. */
  readonly create?: boolean;
  /** Longest wait for another program's lock while opening, in milliseconds. */
  readonly lockWaitMs?: number;
}

/** @throws BusError saying what is wrong with the file and what to do */
export function openBusFile(file: string, options: OpenBusOptions = {}): Database.Database {
  let db: Database.Database | undefined;
  try {
    requireFile(file, options);
    db = new Database(file, { timeout: options.lockWaitMs ?? DEFAULT_LOCK_WAIT_MS });
    gateVersion(db);
    if (options.create) createBus(db);
    prepare(db);
    return db;
  } catch (error) {
    db?.close();
    throw toBusError(error, file);
  }
}

function requireFile(file: string, { create }: OpenBusOptions): void {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat) {
    if (create) return;
    throw new BusError(
      'bus_missing',
      `there is no bus at ${file}; check --db, or make an empty one with: warmline up --db ${shellWord(file)} --create`,
    );
  }
  if (!stat.isFile()) throw new BusError('bus_missing', `${file} is not a file; check --db`);
  for (const path of [file, dirname(realpathSync(file))]) requireWritable(path);
}

/** SQLite would open a file it cannot write, and fail only with the first answer. */
function requireWritable(path: string): void {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
  } catch (cause) {
    const message = `${path} is not readable and writable for this user; a bus needs its file and directory to be`;
    throw new BusError('bus_read_only', message, cause);
  }
}

function gateVersion(db: Database.Database): void {
  const version = db.prepare('SELECT sqlite_version()').pluck().get() as string;
  if (!hasWalResetFix(version)) {
    throw new BusError(
      'bus_version',
      `SQLite ${version} can lose committed rows when several programs share a bus; reinstall so that better-sqlite3 brings 3.51.3 or newer`,
    );
  }
}

function createBus(db: Database.Database): void {
  const tables = db.prepare('SELECT count(*) FROM sqlite_master').pluck().get();
  if (tables === 0) db.exec(`BEGIN IMMEDIATE; ${FOREIGN_SCHEMA} COMMIT;`);
}

/** Nothing is written before the foreign schema has been found to be the one we know. */
function prepare(db: Database.Database): void {
  checkForeignSchema(db);
  db.pragma('trusted_schema = OFF');
  // Writes check their own references; the other programs run without foreign keys as well.
  db.pragma('foreign_keys = OFF');
  if (db.pragma('journal_mode', { simple: true }) !== 'wal') db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  // 16 MiB: a page written by many transactions is then copied into the bus once.
  db.pragma('wal_autocheckpoint = 4000');
  db.pragma('journal_size_limit = 67108864');
  // 8 MiB hold what a drain works on. A commit that has split a page looks through the whole cache,
  // so that a larger one costs more than it saves.
  db.pragma('cache_size = -8192');
  migrate(db);
  db.pragma('busy_timeout = 0');
}

/** SQLite's result codes in the words of the bus. */
export function toBusError(error: unknown, file: string): BusError {
  if (error instanceof BusError) return error;
  const code = sqliteCode(error);
  const found = WORDS.find(([prefix]) => code.startsWith(prefix));
  if (!found) return new BusError('bus_io', `${file}: ${messageOf(error)}`, error);
  const [, busCode, advice] = found;
  return new BusError(busCode, `${file}: ${advice} (${code})`, error);
}

const WORDS: readonly (readonly [string, BusError['code'], string])[] = [
  ['SQLITE_BUSY', 'bus_busy', 'another program holds the write lock'],
  ['SQLITE_LOCKED', 'bus_busy', 'another program holds the write lock'],
  [
    'SQLITE_READONLY',
    'bus_read_only',
    'the file or its directory is read-only; make both writable for this user',
  ],
  [
    'SQLITE_CANTOPEN',
    'bus_read_only',
    'cannot be opened; check that the file and its directory are writable for this user',
  ],
  ['SQLITE_PERM', 'bus_read_only', 'no permission; make the file writable for this user'],
  ['SQLITE_FULL', 'bus_full', 'the disk is full; free some space, work goes on by itself'],
  ['SQLITE_IOERR', 'bus_io', 'the disk reports an error; work goes on when it is gone'],
  ['SQLITE_CORRUPT', 'bus_corrupt', 'the file is damaged; stop all programs and restore a backup'],
  ['SQLITE_NOTADB', 'bus_corrupt', 'the file is not an SQLite database; check --db'],
];

export function sqliteCode(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
