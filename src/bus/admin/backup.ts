/**
 * A copy of a bus that is in use: one moment of it, whole, in a file of its own.
 *
 * The copy is read from one snapshot, so writers of any program go on and do not make it begin
 * again. It is written beside its place, looked through, synced, and moved there: under its final
 * name it is complete or not there.
 */
import { randomBytes } from 'node:crypto';
import { lstatSync, realpathSync, statSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { BusError } from '../bus.js';
import { sqliteCode, toBusError } from '../sqlite/connection.js';
import { checkForeignSchema } from '../sqlite/schema.js';

/** Copied at once: 1 MiB with pages of 4 KiB. */
const PAGES_PER_STEP = 256;

const DENIED: readonly string[] = ['EACCES', 'EPERM', 'EROFS'];

export interface BackupOptions {
  readonly file: string;
  readonly out: string;
  /** Replaces a file that is at `out` already. */
  readonly force?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (copiedPages: number, totalPages: number) => void;
}

export interface Backup {
  readonly bytes: number;
  /** Rows of each table, the same in the bus and in the copy. */
  readonly rows: Readonly<Record<string, number>>;
}

/** The copy may not go where it was meant to; the message says why, and what to do. */
export class BackupRefused extends Error {
  override readonly name = 'BackupRefused';
}

/**
 * @throws BackupRefused when `out` may not be written
 * @throws BusError when the bus cannot be read or the copy is not whole
 * @throws whatever aborted the signal
 *   `out` is as it was in each case
 */
export async function backUp(options: BackupOptions): Promise<Backup> {
  const { out } = options;
  requirePlace(options);
  const partial = join(dirname(out), `.${basename(out)}.${randomBytes(6).toString('hex')}.partial`);
  try {
    const rows = await copy(options, partial);
    verify(partial, rows);
    await sync(partial);
    options.signal?.throwIfAborted();
    requirePlace(options);
    await rename(partial, out);
    await sync(dirname(out));
    return { bytes: statSync(out).size, rows };
  } catch (error) {
    for (const end of ['', '-journal', '-wal', '-shm']) await rm(partial + end, { force: true });
    throw sqliteCode(error) === '' ? error : inWords(error, options);
  }
}

/** Only what is written has codes of the file system: the bus is read by SQLite. */
function inWords(error: unknown, { file, out }: BackupOptions): BackupRefused | BusError {
  if (DENIED.includes(sqliteCode(error))) {
    return new BackupRefused(
      `${dirname(out)} is not writable for this user; name another file with --out`,
    );
  }
  const failure = toBusError(error, file);
  if (failure.code !== 'bus_full') return failure;
  return new BusError(
    'bus_full',
    `the disk has no space for ${out}; free some, or use another`,
    error,
  );
}

/** Nothing that is in use, and nothing that was not meant, is written over. */
function requirePlace({ file, out, force = false }: BackupOptions): void {
  const bus = statSync(file, { throwIfNoEntry: false });
  if (bus === undefined)
    throw new BusError('bus_missing', `there is no bus at ${file}; check --db`);
  if (statSync(dirname(out), { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new BackupRefused(`there is no directory ${dirname(out)}; make it first`);
  }
  // Where they are not there now, SQLite makes them as soon as somebody opens the bus.
  const place = join(realpathSync(dirname(out)), basename(out));
  const ofBus = ['-wal', '-shm', '-journal'].map((end) => realpathSync(file) + end);
  if (ofBus.includes(place)) {
    throw new BackupRefused(`${out} belongs to the bus; name another file with --out`);
  }
  const there = lstatSync(out, { throwIfNoEntry: false });
  if (there === undefined) return;
  const target = statSync(out, { throwIfNoEntry: false });
  if (target?.dev === bus.dev && target.ino === bus.ino) {
    throw new BackupRefused(`${out} is the bus itself; name another file with --out`);
  }
  if (!there.isFile())
    throw new BackupRefused(`${out} is not a plain file; name another one with --out`);
  if (!force)
    throw new BackupRefused(
      `${out} exists; name another file with --out, or replace it with --force`,
    );
  if (lstatSync(`${out}-wal`, { throwIfNoEntry: false }) !== undefined) {
    throw new BackupRefused(
      `${out} is in use: ${out}-wal lies beside it; name another file with --out`,
    );
  }
}

async function copy({ file, signal, onProgress }: BackupOptions, partial: string) {
  const made = await open(partial, 'wx', 0o600);
  await made.close();
  const db = new Database(file, { readonly: true });
  try {
    checkForeignSchema(db);
    // As long as this transaction lasts, each step reads the same state.
    db.exec('BEGIN');
    const rows = countRows(db);
    await db.backup(partial, {
      progress: ({ totalPages, remainingPages }) => {
        signal?.throwIfAborted();
        onProgress?.(totalPages - remainingPages, totalPages);
        return PAGES_PER_STEP;
      },
    });
    return rows;
  } finally {
    db.close();
  }
}

function countRows(db: Database.Database): Record<string, number> {
  const tables = db
    .prepare(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'`)
    .pluck()
    .all() as string[];
  const count = (table: string) =>
    db
      .prepare(`SELECT count(*) FROM "${table.replaceAll('"', '""')}"`)
      .pluck()
      .get() as number;
  return Object.fromEntries(tables.map((table) => [table, count(table)]));
}

/** @throws BusError when the copy is not what was copied */
function verify(partial: string, rows: Readonly<Record<string, number>>): void {
  const db = new Database(partial);
  try {
    const found = String(db.pragma('integrity_check(1)', { simple: true }));
    if (found !== 'ok') throw damaged(found);
    checkForeignSchema(db);
    const copied = countRows(db);
    const other = Object.keys({ ...rows, ...copied }).find(
      (table) => rows[table] !== copied[table],
    );
    if (other !== undefined) {
      throw damaged(`${other} has ${copied[other]} rows instead of ${rows[other]}`);
    }
  } finally {
    // Nobody else has the copy open: closing takes what lies beside it away.
    db.close();
  }
}

function damaged(finding: string): BusError {
  return new BusError(
    'bus_corrupt',
    `the copy is not whole (${finding}); check the bus itself with: warmline doctor`,
  );
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
