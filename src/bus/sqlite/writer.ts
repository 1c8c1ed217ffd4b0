/**
 * Every write to the bus goes through here: one transaction at a time, never across an `await`.
 *
 * Jobs submitted in the same turn of the event loop share a transaction, so that answers arriving
 * together pay for one sync and a lone answer waits for nobody. A job that throws is undone alone:
 * the batch is rolled back and its jobs run again, each in a transaction of its own.
 *
 * Waiting for another program's lock is done from the event loop with short sleeps of our own:
 * SQLite's busy handler blocks the thread, sleeps ever longer, and a busy neighbour starves it.
 */
import type { Database } from 'better-sqlite3';
import type { Clock } from '../../clock.js';
import { failpoint } from '../../failpoints/index.js';
import { BusError } from '../bus.js';
import { sqliteCode, toBusError } from './connection.js';

/** A transaction takes no further job after this time, so the write lock is held for well under 50 ms. */
const MAX_HOLD_MS = 15;
/**
 * Others have the lock: we ask again at once after a short transaction of theirs, and less often the
 * longer it lasts, in milliseconds.
 */
function busyRetryMs(waitedMs: number): number {
  return Math.min(10, 1 + Math.floor(waitedMs / 50));
}

const TROUBLE_RETRY_MS = 1000;
/** A wait for the lock is worth a line in the log from here on. */
const SLOW_LOCK_MS = 1000;

/** Terminal writes first: they free the conversations that claims then find. */
type Urgency = 'settle' | 'claim';

interface Job {
  readonly run: () => unknown;
  readonly read: (ran: unknown) => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** It is several that can run apart: each in a job of its own when together they fail. */
  readonly apart?: () => Job[];
}

export interface WriterOptions {
  readonly file: string;
  readonly clock: Clock;
  readonly db: () => Database;
  /** Makes sure, before each transaction, that the path still leads to the open file.
   * @throws when it does not and the file there cannot be used */
  readonly ensureCurrent: () => void;
  /** Runs inside each transaction, last; what it throws undoes the transaction. */
  readonly beforeCommit: () => void;
  readonly afterCommit: () => void;
  readonly afterRollback: () => void;
  /** Opens the file again after an input/output error.
   * @throws when the file is still out of reach */
  readonly reopen: () => void;
  readonly onTrouble: (error: BusError, waitedMs: number) => void;
  readonly onRecovered: (waitedMs: number) => void;
}

export class Writer {
  readonly #options: WriterOptions;
  readonly #queues: Record<Urgency, Job[]> = { settle: [], claim: [] };
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #waitingSince: number | undefined;
  #troubleTold = false;
  #suspect: 'no' | 'read or write failed' | 'sync failed' = 'no';
  #closed = false;
  #durable = true;
  /** So many of the jobs at the front run alone: one of them made its batch fail. */
  #alone = 0;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  submit<T>(urgency: Urgency, run: () => T): Promise<T>;
  /** @param read tells the result from what `run` returned, after the commit */
  submit<T, R>(urgency: Urgency, run: () => T, read: (ran: T) => R): Promise<R>;
  submit<T>(urgency: Urgency, run: () => T, read: (ran: T) => unknown = same): Promise<unknown> {
    if (this.#closed) return Promise.reject(new BusError('bus_closed', 'the bus is closed'));
    return new Promise((resolve, reject) => {
      this.#queues[urgency].push({ run, read: read as Job['read'], resolve, reject });
      this.#schedule();
    });
  }

  /**
   * Runs all in one job, and so in one transaction, as long as none of them fails. Never rejects.
   * @param read as for `submit`, of each
   * @returns for each what `read` tells, or why it could not be written
   */
  submitTogether<T, R>(
    urgency: Urgency,
    runs: readonly (() => T)[],
    read: (ran: T) => R,
  ): Promise<(R | Error)[]> {
    return new Promise((resolve) => {
      const results: (R | Error)[] = [];
      let left = runs.length;
      const told = (at: number, result: R | Error) => {
        results[at] = result;
        left -= 1;
        if (left === 0) resolve(results);
      };
      const job: Job = {
        run: () => runs.map((run) => run()),
        read: (ran) => (ran as T[]).map(read),
        resolve: (all) => resolve(all as R[]),
        reject: (error) => resolve(runs.map(() => error as Error)),
        apart: () =>
          runs.map((run, at) => ({
            run,
            read: read as Job['read'],
            resolve: (result) => told(at, result as R),
            reject: (error) => told(at, error as Error),
          })),
      };
      if (this.#closed) job.reject(new BusError('bus_closed', 'the bus is closed'));
      else {
        this.#queues[urgency].push(job);
        this.#schedule();
      }
    });
  }

  /** Whether a write is on its way that may free a conversation. */
  get settling(): boolean {
    return this.#queues.settle.length > 0;
  }

  /** A new connection is in use: it has its settings from the opening. */
  renewed(): void {
    this.#durable = true;
  }

  /** Somebody found the bus out of reach between two writes. */
  report(error: unknown): void {
    this.#blocked(error);
  }

  /** Commits what is waiting, as far as that goes, and refuses what comes later or is left. */
  close(): void {
    this.#closed = true;
    while (this.#pending() > 0 && this.#flush());
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    for (const job of this.#take()) job.reject(new BusError('bus_closed', 'the bus is closed'));
  }

  #pending(): number {
    return this.#queues.settle.length + this.#queues.claim.length;
  }

  #take(): Job[] {
    const jobs = [...this.#queues.settle, ...this.#queues.claim];
    this.#queues.settle = [];
    this.#queues.claim = [];
    return jobs;
  }

  /** What goes into the next transaction. */
  #nextBatch(): Job[] {
    const jobs = this.#take();
    if (this.#alone === 0) return jobs;
    this.#alone -= 1;
    this.#putBack(jobs.splice(1));
    return jobs;
  }

  #schedule(): void {
    if (this.#immediate || this.#timer) return;
    this.#immediate = setImmediate(() => {
      this.#immediate = undefined;
      this.#flush();
    });
  }

  #retryIn(delayMs: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#flush();
    }, delayMs);
  }

  /** @returns false when something is in the way of every write */
  #flush(): boolean {
    // With trouble told, an empty transaction finds out whether it is over.
    if (this.#pending() === 0 && !this.#troubleTold) return true;
    try {
      this.#heal();
      this.#options.ensureCurrent();
      this.#setDurability(this.#queues.settle.length > 0);
      this.#options.db().exec('BEGIN IMMEDIATE');
    } catch (error) {
      this.#blocked(error);
      return false;
    }
    const through = this.#commit(this.#nextBatch());
    if (through && this.#pending() > 0) this.#schedule();
    return through;
  }

  /**
   * A lost claim is only claimed again, so a transaction of claims need not wait for the disk; an
   * answer must. The setting cannot change inside a transaction.
   */
  #setDurability(durable: boolean): void {
    if (durable === this.#durable) return;
    this.#options.db().pragma(`synchronous = ${durable ? 'FULL' : 'NORMAL'}`);
    this.#durable = durable;
  }

  #commit(jobs: Job[]): boolean {
    const { clock } = this.#options;
    const started = clock.monotonicMs();
    const results: unknown[] = [];
    let taken = 0;
    try {
      for (const job of jobs) {
        results.push(job.run());
        taken += 1;
        if (clock.monotonicMs() - started > MAX_HOLD_MS) break;
      }
      this.#options.beforeCommit();
      failpoint('write.commit');
      this.#options.db().exec('COMMIT');
    } catch (error) {
      this.#rollback();
      return this.#undone(jobs, error);
    }
    this.#options.afterCommit();
    this.#recovered();
    this.#putBack(jobs.slice(taken));
    for (let index = 0; index < taken; index += 1) tell(jobs[index] as Job, results[index]);
    return true;
  }

  #undone(jobs: Job[], error: unknown): boolean {
    if (isEnvironment(error)) {
      this.#putBack(jobs);
      this.#blocked(error);
      return false;
    }
    const [first] = jobs;
    if (jobs.length === 1 && first?.apart) {
      const apart = first.apart();
      this.#putBack(apart);
      this.#alone += apart.length;
    } else if (jobs.length === 1) {
      first?.reject(toBusError(error, this.#options.file));
    } else {
      this.#putBack(jobs);
      this.#alone = jobs.length;
    }
    return true;
  }

  #putBack(jobs: Job[]): void {
    this.#queues.settle = [...jobs, ...this.#queues.settle];
  }

  #rollback(): void {
    try {
      if (this.#options.db().inTransaction) this.#options.db().exec('ROLLBACK');
    } catch {
      // SQLite has rolled back by itself; what matters is that nothing was committed.
    }
    this.#options.afterRollback();
  }

  /** The lock, the disk or the file is in the way: everything waits, and one line says so. */
  #blocked(error: unknown): void {
    const failure = toBusError(error, this.#options.file);
    if (failure.code === 'bus_corrupt' || failure.code === 'bus_closed') {
      for (const job of this.#take()) job.reject(failure);
      this.#options.onTrouble(failure, 0);
      return;
    }
    const now = this.#options.clock.monotonicMs();
    this.#waitingSince ??= now;
    const waitedMs = now - this.#waitingSince;
    const busy = failure.code === 'bus_busy';
    if (failure.code === 'bus_io' && this.#suspect !== 'sync failed') {
      const ofSync = sqliteCode(error).endsWith('FSYNC');
      this.#suspect = ofSync ? 'sync failed' : 'read or write failed';
    }
    if (!this.#troubleTold && (!busy || waitedMs > SLOW_LOCK_MS)) {
      this.#troubleTold = true;
      this.#options.onTrouble(failure, waitedMs);
    }
    if (!this.#closed) this.#retryIn(busy ? busyRetryMs(waitedMs) : TROUBLE_RETRY_MS);
  }

  /**
   * After an input/output error nothing is written over the connection that had it. The system
   * forgets what it could not sync, and reports that once: the next sync of the same file succeeds
   * without it. Frames before the one that failed may be among the forgotten, and what follows a
   * hole in the WAL file is lost in a power cut; so the WAL is folded into the bus first, which
   * writes everything anew, and begun again. A reader of another program may hold that up: then
   * the rest stays, and is folded in later.
   * @throws when the file is still out of reach, or the disk still fails
   */
  #heal(): void {
    if (this.#suspect === 'no') return;
    this.#options.reopen();
    if (this.#suspect === 'sync failed') this.#options.db().pragma('wal_checkpoint(TRUNCATE)');
    this.#suspect = 'no';
  }

  #recovered(): void {
    if (this.#waitingSince !== undefined && this.#troubleTold) {
      this.#options.onRecovered(this.#options.clock.monotonicMs() - this.#waitingSince);
    }
    this.#waitingSince = undefined;
    this.#troubleTold = false;
  }
}

function same<T>(ran: T): T {
  return ran;
}

function tell({ read, resolve, reject }: Job, ran: unknown): void {
  try {
    resolve(read(ran));
  } catch (error) {
    reject(error);
  }
}

/** Not the job's fault: the same job can succeed later, unchanged. */
function isEnvironment(error: unknown): boolean {
  return /^SQLITE_(BUSY|LOCKED|FULL|IOERR|READONLY|CANTOPEN|CORRUPT|NOTADB|NOMEM)/.test(
    sqliteCode(error),
  );
}
