/**
 * The open bus file: one connection with its statements, and the check that the path still leads
 * to what was opened. Somebody may delete the WAL file under us, or put another file in place of
 * the bus (a restore); what is written then goes where nobody else can see it.
 */
import { realpathSync, renameSync, rmSync, type Stats, statSync } from 'node:fs';
import type { Database } from 'better-sqlite3';
import { BusError } from '../bus.js';
import { type OpenBusOptions, openBusFile, toBusError } from './connection.js';
import { prepareStatements, type Statements } from './statements.js';

interface Connection {
  readonly db: Database;
  readonly sql: Statements;
  /** The bus with symbolic links resolved: SQLite keeps the WAL file beside this one. */
  readonly realPath: string;
  readonly seen: Identity;
}

interface Identity {
  readonly bus: string;
  readonly wal: string;
  readonly shm: string;
}

export class BusFile {
  readonly #path: string;
  readonly #onReopened: () => void;
  #open: Connection;

  /** @throws BusError when the file cannot be used */
  constructor(path: string, options: OpenBusOptions, onReopened: () => void) {
    this.#path = path;
    this.#onReopened = onReopened;
    this.#open = connect(path, options);
  }

  get db(): Database {
    return this.#open.db;
  }

  get sql(): Statements {
    return this.#open.sql;
  }

  get realPath(): string {
    return this.#open.realPath;
  }

  /**
   * Opens the bus again when the path leads elsewhere by now. Three `stat` calls, cheap enough to
   * be made before each transaction.
   * @throws BusError while the bus is out of reach; nothing may be written then
   */
  ensureCurrent(): void {
    const { seen } = this.#open;
    const now = identityOf(this.#path, this.#open.realPath);
    if (now.bus === seen.bus && now.wal === seen.wal && now.shm === seen.shm) return;
    if (now.bus === seen.bus && now.wal !== seen.wal) this.#rescue();
    this.reopen();
  }

  /** @throws BusError while the bus is out of reach; the connection there was stays then */
  reopen(): void {
    const before = this.#open;
    const now = identityOf(this.#path, before.realPath);
    if (now.bus !== '' && now.bus !== before.seen.bus) this.#putAside(now);
    // Connections of one process share the shared-memory file of the first: when that has been
    // deleted the old connection must go before the new one comes.
    if (now.bus === before.seen.bus && now.shm !== before.seen.shm) before.db.close();
    // A lock is waited for by the writer, from the event loop.
    this.#open = connect(this.#path, { lockWaitMs: 0 });
    before.db.close();
    this.#onReopened();
  }

  close(): void {
    this.#open.db.close();
  }

  /**
   * A WAL file does not say which bus it belongs to. When another file was moved over ours, our WAL
   * lies beside that one, and whoever opens it reads pages of the old bus into the new one.
   * @throws BusError when it was so, for people to read; the next try finds it put right
   */
  #putAside(now: Identity): void {
    const { realPath, seen } = this.#open;
    const wal = `${realPath}-wal`;
    // A link that leads to another file by now leaves the old one whole where it was.
    if (inodeOf(realPath) === seen.bus || now.wal !== seen.wal || !statOf(wal)?.size) return;
    renameSync(wal, `${wal}.replaced`);
    rmSync(`${realPath}-shm`, { force: true });
    throw new BusError(
      'bus_io',
      `${this.#path}: another file was put in its place, beside the WAL file of the old one; that is ${wal}.replaced now, so that it is not read into the new one`,
    );
  }

  /**
   * What was committed to a deleted WAL file is in nobody's reach but ours: it is folded into the
   * bus. A WAL file that others have begun anew and written to comes first, though; folding older
   * pages in below it would mix two histories.
   */
  #rescue(): void {
    const wal = statOf(`${this.#open.realPath}-wal`);
    if (wal && wal.size > 0) return;
    let rows: { busy: number }[];
    try {
      rows = this.#open.db.pragma('wal_checkpoint(TRUNCATE)') as { busy: number }[];
    } catch {
      // What cannot be read from the deleted file is lost, and waiting does not bring it back.
      return;
    }
    if (rows[0]?.busy) {
      throw new BusError('bus_busy', `${this.#path}: its WAL file was deleted while in use`);
    }
  }
}

function connect(path: string, options: OpenBusOptions): Connection {
  const db = openBusFile(path, options);
  try {
    const realPath = realpathSync(path);
    return { db, sql: prepareStatements(db), realPath, seen: identityOf(path, realPath) };
  } catch (error) {
    db.close();
    throw toBusError(error, path);
  }
}

function identityOf(path: string, realPath: string): Identity {
  return {
    bus: inodeOf(path),
    wal: inodeOf(`${realPath}-wal`),
    shm: inodeOf(`${realPath}-shm`),
  };
}

function inodeOf(path: string): string {
  const stat = statOf(path);
  return stat ? `${stat.dev}:${stat.ino}` : '';
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
