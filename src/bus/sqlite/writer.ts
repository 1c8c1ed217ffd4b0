/**
 * Every write to the bus goes through here: one transaction at a time, never across an `await`.
 *
 * Jobs submitted in the same turn of the event loop share a transaction, so that answers arriving
 * together pay for one sync and a lone answer waits for nobody. A job that throws is undone alone:
 * the batch is rolled back and its jobs run again one by one.
 *
 * Waiting for another program's lock is done from the event loop with short sleeps of our own:
 * SQLite's busy handler blocks the thread, sleeps ever longer, and a busy neighbour starves it.
 */
import type { Database } from 'better-sqlite3';
import { BusError } from '../bus.js';
import { sqliteCode, toBusError } from './connection.js';

/** A transaction takes no further job after this time, so the write lock is held for well under 50 ms. */
const MAX_HOLD_MS = 15;
/** Other programs get this long a look at the lock before we ask again, in milliseconds. */
const BUSY_RETRY_MS = 1;
const TROUBLE_RETRY_MS = 1000;
/** A wait for the lock is worth a line in the log from here on. */
const SLOW_LOCK_MS = 1000;

/** Terminal writes first: they free the conversations that claims then find. */
type Urgency = 'settle' | 'claim';

interface Job {
  readonly run: () => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export interface WriterOptions {
  readonly file: string;
  readonly db: () => Database;
  /** Runs inside each transaction, last; what it throws undoes the transaction. */
  readonly beforeCommit: () => void;
  readonly afterCommit: () => void;
  readonly afterRollback: () => void;
  /** Opens the file again after an input/output error: a failed sync must not be retried.
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
  #closed = false;
  #durable = true;
  /** The longest time the write lock was held, in milliseconds; for `stats`. */
  maxHoldMs = 0;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  submit<T>(urgency: Urgency, run: () => T): Promise<T> {
    if (this.#closed) return Promise.reject(new BusError('bus_closed', 'the bus is closed'));
    return new Promise<T>((resolve, reject) => {
      this.#queues[urgency].push({ run, resolve: resolve as Job['resolve'], reject });
      this.#schedule();
    });
  }

  /** Takes a fresh connection; what is waiting stays waiting. */
  reopen(): void {
    try {
      this.#options.reopen();
      this.#durable = true;
    } catch {
      // Still out of reach: the next try opens it again.
    }
  }

  /** Commits what is waiting, once, and refuses what comes later or could not be written. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    if (this.#pending() > 0) this.#flush();
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

  #flush(): void {
    if (this.#pending() === 0) return;
    try {
      this.#setDurability(this.#queues.settle.length > 0);
      this.#options.db().exec('BEGIN IMMEDIATE');
    } catch (error) {
      this.#blocked(error);
      return;
    }
    const jobs = this.#take();
    this.#commit(jobs);
    if (this.#pending() > 0) this.#schedule();
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

  #commit(jobs: Job[]): void {
    const started = performance.now();
    const results: unknown[] = [];
    let taken = 0;
    try {
      for (const job of jobs) {
        results.push(job.run());
        taken += 1;
        if (performance.now() - started > MAX_HOLD_MS) break;
      }
      this.#options.beforeCommit();
      this.#options.db().exec('COMMIT');
    } catch (error) {
      this.#rollback();
      this.#undone(jobs, error);
      return;
    }
    this.#options.afterCommit();
    this.maxHoldMs = Math.max(this.maxHoldMs, performance.now() - started);
    this.#recovered();
    this.#putBack(jobs.slice(taken));
    for (let index = 0; index < taken; index += 1) jobs[index]?.resolve(results[index]);
  }

  #undone(jobs: Job[], error: unknown): void {
    if (isEnvironment(error)) {
      this.#putBack(jobs);
      this.#blocked(error);
    } else if (jobs.length === 1) {
      jobs[0]?.reject(toBusError(error, this.#options.file));
    } else {
      for (const job of jobs) this.#alone(job);
    }
  }

  #alone(job: Job): void {
    try {
      this.#options.db().exec('BEGIN IMMEDIATE');
    } catch (error) {
      this.#putBack([job]);
      this.#blocked(error);
      return;
    }
    this.#commit([job]);
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
    const now = performance.now();
    this.#waitingSince ??= now;
    const waitedMs = now - this.#waitingSince;
    const busy = failure.code === 'bus_busy';
    if (!this.#troubleTold && (!busy || waitedMs > SLOW_LOCK_MS)) {
      this.#troubleTold = true;
      this.#options.onTrouble(failure, waitedMs);
    }
    if (failure.code === 'bus_io') this.reopen();
    if (!this.#closed) this.#retryIn(busy ? BUSY_RETRY_MS : TROUBLE_RETRY_MS);
  }

  #recovered(): void {
    if (this.#waitingSince !== undefined && this.#troubleTold) {
      this.#options.onRecovered(performance.now() - this.#waitingSince);
    }
    this.#waitingSince = undefined;
    this.#troubleTold = false;
  }
}

/** Not the job's fault: the same job can succeed later, unchanged. */
function isEnvironment(error: unknown): boolean {
  return /^SQLITE_(BUSY|LOCKED|FULL|IOERR|READONLY|CANTOPEN|CORRUPT|NOTADB|NOMEM)/.test(
    sqliteCode(error),
  );
}
