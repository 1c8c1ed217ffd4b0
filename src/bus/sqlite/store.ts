/** The bus on SQLite: one connection, one writer, our tables beside the foreign ones. */
import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import type { Database } from 'better-sqlite3';
import type { Clock } from '../../clock.js';
import { systemClock } from '../../clock.js';
import type {
  Answer,
  Bus,
  BusObserver,
  BusStats,
  ClaimRequest,
  Kept,
  Lease,
  NewConversation,
  NewQuestion,
  Reaped,
  RetryRequest,
  Side,
  StoredAnswer,
} from '../bus.js';
import { BusError } from '../bus.js';
import { formatOwner, isGone, type Owner, thisProcess } from '../owner.js';
import { monotoneStamps, naiveUtc } from '../stamp.js';
import { Claims } from './claims.js';
import { type OpenBusOptions, openBusFile, toBusError } from './connection.js';
import { Ingest } from './ingest.js';
import { Settlements } from './settlements.js';
import { prepareStatements, type Statements } from './statements.js';
import { Wake } from './wake.js';
import { Writer } from './writer.js';

const DEFAULT_LIFETIME_MS = 3 * 3600_000;
/** Conversations whose heartbeat is written in one transaction. */
const HEARTBEAT_PAGE = 500;

export interface SqliteBusOptions extends OpenBusOptions {
  readonly file: string;
  /** The side we answer as. */
  readonly session?: Side;
  readonly clock?: Clock;
  readonly observer?: BusObserver;
  /** Who we are, for tests that play several processes in one. */
  readonly owner?: Owner;
}

/** @throws BusError when the file is missing, foreign, read-only, damaged or locked for long */
export function openSqliteBus(options: SqliteBusOptions): SqliteBus {
  return new SqliteBus(options);
}

export class SqliteBus implements Bus {
  readonly file: string;
  readonly session: Side;
  readonly #owner: Owner;
  readonly #observer: BusObserver;
  readonly #clock: Clock;
  readonly #stamp: () => number;
  readonly #writer: Writer;
  readonly #ingest: Ingest;
  readonly #claims: Claims;
  readonly #settlements: Settlements;
  #db: Database;
  #sql: Statements;
  #files: string;
  #wake: Wake | undefined;
  readonly #listeners = new Set<() => void>();

  constructor(options: SqliteBusOptions) {
    this.file = options.file;
    this.session = options.session ?? 'b';
    this.#owner = options.owner ?? thisProcess();
    this.#observer = options.observer ?? {};
    this.#clock = options.clock ?? systemClock;
    this.#stamp = monotoneStamps(this.#clock);
    this.#db = openBusFile(options.file, options);
    this.#sql = this.#prepare();
    this.#files = this.#inodes();
    this.#ingest = new Ingest(this.session);
    this.#ingest.start(this.#sql);
    this.#settlements = new Settlements(this.session);
    this.#claims = new Claims({
      session: this.session,
      owner: formatOwner(this.#owner),
      ingest: this.#ingest,
      settlements: this.#settlements,
      observer: this.#observer,
    });
    this.#writer = new Writer({
      file: options.file,
      db: () => this.#db,
      beforeCommit: () => this.#settlements.beforeCommit(this.#sql),
      afterCommit: () => {
        this.#settlements.forget();
        this.#ingest.committed();
      },
      afterRollback: () => {
        this.#settlements.forget();
        this.#ingest.rolledBack();
      },
      reopen: () => this.#reopen(),
      onTrouble: (error, waitedMs) => this.#observer.trouble?.(error, waitedMs),
      onRecovered: (waitedMs) => this.#observer.recovered?.(waitedMs),
    });
  }

  async claim(request: ClaimRequest): Promise<Lease[]> {
    let leases: Lease[] = [];
    // A long run of rows that are no questions takes several transactions to get past.
    while (leases.length === 0 && request.limit > 0 && this.#mayClaim(request)) {
      leases = await this.#writer.submit('claim', () =>
        this.#claims.run(this.#sql, request, this.#stamp()),
      );
      if (!this.#hasUnsorted(request)) break;
    }
    return leases;
  }

  renew(lease: Lease, leaseMs: number): Promise<Kept> {
    return this.#settle(() => {
      const untilUs = this.#stamp() + leaseMs * 1000;
      const { changes } = this.#sql.renew.run(untilUs, lease.lane, lease.token);
      return this.#settlements.fenced(changes);
    });
  }

  complete(lease: Lease, answer: Answer): Promise<Kept | 'orphaned'> {
    return this.#settle(() => this.#settlements.complete(this.#sql, lease, answer, this.#stamp()));
  }

  retry(lease: Lease, request: RetryRequest): Promise<Kept> {
    const readyAtUs = this.#clock.wallUs() + request.delayMs * 1000;
    const error = `${request.code}: ${request.message}`;
    return this.#settle(() =>
      this.#settlements.giveBack(this.#sql, lease, { readyAtUs, giveBack: 0, error }),
    );
  }

  release(lease: Lease, delayMs = 0): Promise<Kept> {
    const readyAtUs = delayMs === 0 ? 0 : this.#clock.wallUs() + delayMs * 1000;
    return this.#settle(() =>
      this.#settlements.giveBack(this.#sql, lease, { readyAtUs, giveBack: 1, error: null }),
    );
  }

  async reap(): Promise<Reaped> {
    const plan = this.#reapPlan();
    if (plan.overdue.length === 0 && plan.revivable.length === 0) return { expired: 0, gone: 0 };
    return this.#settle(() => {
      for (const { lane } of plan.revivable) this.#sql.revive.run(lane);
      const reaped = { expired: 0, gone: 0 };
      for (const { lane, token, gone } of plan.overdue) {
        // Fenced like any other write: a lease settled meanwhile is left alone.
        const { changes } = this.#sql.unlease.run(0, 0, null, lane, token);
        reaped[gone ? 'gone' : 'expired'] += changes;
      }
      return reaped;
    });
  }

  stats(): BusStats {
    const { session } = this;
    const nowUs = this.#clock.wallUs();
    const lanes = this.#sql.laneCounts.all({ session, nowUs });
    const sum = (pick: (lane: (typeof lanes)[number]) => number) =>
      lanes.reduce((total, lane) => total + pick(lane), 0);
    const leased = sum((lane) => (lane.state === 'leased' ? lane.lanes : 0));
    const counted = new Map(
      this.#sql.counters.all({ session }).map(({ name, value }) => [name, value]),
    );
    const day = this.#sql.oldest.get({ session })?.day;
    return {
      pending: sum((lane) => lane.unfinished) - leased,
      leased,
      delayed: sum((lane) => (lane.state === 'ready' ? lane.delayed : 0)),
      expired: sum((lane) => (lane.state === 'expired' ? lane.unfinished : 0)),
      complete: counted.get('complete') ?? 0,
      failed: counted.get('failed') ?? 0,
      dead: counted.get('dead') ?? 0,
      ignored: counted.get('ignored') ?? 0,
      orphaned: counted.get('orphaned') ?? 0,
      stale: counted.get('stale') ?? 0,
      oldestPendingMs: day == null ? 0 : Math.max(0, nowUs / 1000 - julianToMs(day)),
    };
  }

  nextReadyMs(): number | undefined {
    const nowUs = this.#clock.wallUs();
    const at = this.#sql.nextReady.get({ session: this.session, nowUs })?.at;
    return at == null ? undefined : Math.max(0, (at - nowUs) / 1000);
  }

  hasWork(request: Pick<ClaimRequest, 'conversations' | 'includeExpired'>): boolean {
    const { session } = this;
    const conversations = listOf(request);
    return (
      this.#sql.unfinishedIn.get({ session, conversations }) !== undefined ||
      this.#hasUnsorted(request)
    );
  }

  async heartbeat(conversations?: readonly string[]): Promise<void> {
    if (conversations?.length === 0) return;
    const list = listOf({ conversations });
    let after = '';
    for (;;) {
      const page = await this.#settle(() =>
        this.#sql.heartbeats.all({
          session: this.session,
          now: naiveUtc(this.#stamp()),
          after,
          limit: HEARTBEAT_PAGE,
          conversations: list,
        }),
      );
      const last = page.at(-1)?.id;
      if (last === undefined || page.length < HEARTBEAT_PAGE) return;
      after = last;
    }
  }

  watch(listener: () => void): () => void {
    this.#listeners.add(listener);
    this.#wake ??= new Wake({
      file: this.file,
      version: () => this.#dataVersion(),
      changed: () => this.#tellListeners(),
      tick: () => this.#checkFiles(),
    });
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#wake?.close();
      this.#wake = undefined;
    };
  }

  async createConversation(conversation: NewConversation): Promise<string> {
    const id = `conv_${randomBytes(8).toString('hex')}`;
    const nowUs = this.#stamp();
    await this.#settle(() =>
      this.#sql.insertConversation.run({
        id,
        roleA: conversation.roleA,
        roleB: conversation.roleB,
        tokenA: randomBytes(32).toString('hex'),
        tokenB: randomBytes(32).toString('hex'),
        now: naiveUtc(nowUs),
        expires: naiveUtc(nowUs + (conversation.lifetimeMs ?? DEFAULT_LIFETIME_MS) * 1000),
      }),
    );
    return id;
  }

  async put(question: NewQuestion): Promise<number> {
    const { conversationId: conversation, from, message, metadata } = question;
    const to = from === 'a' ? 'b' : 'a';
    const inserted = await this.#settle(() => {
      const now = naiveUtc(this.#stamp());
      return this.#sql.insertQuestion.run({ conversation, from, to, message, metadata, now });
    });
    if (inserted.changes === 0) {
      throw new BusError('bus_missing', `there is no conversation ${conversation} on this bus`);
    }
    return Number(inserted.lastInsertRowid);
  }

  answerTo(questionId: number): StoredAnswer | undefined {
    return this.#sql.answerTo.get({ id: questionId });
  }

  async close(): Promise<void> {
    this.#wake?.close();
    this.#listeners.clear();
    this.#writer.close();
    this.#db.close();
  }

  #settle<T>(run: () => T): Promise<T> {
    return this.#writer.submit('settle', run);
  }

  /** Looks without a lock, so that an idle bus is never written to. */
  #mayClaim(request: ClaimRequest): boolean {
    const nowUs = this.#clock.wallUs();
    return (
      this.#sql.anyReady.get({ session: this.session, nowUs }) !== undefined ||
      this.#hasUnsorted(request)
    );
  }

  /** Whether a claim has more to do than to lease: rows to take in, to ignore or to revive. */
  #hasUnsorted(request: Pick<ClaimRequest, 'conversations' | 'includeExpired'>): boolean {
    const { session } = this;
    return (
      this.#ingest.hasNew(this.#sql) ||
      this.#sql.ignorable.get({ session, conversations: listOf(request), limit: 1 }) !==
        undefined ||
      (request.includeExpired === true && this.#sql.anyExpired.get({ session }) !== undefined)
    );
  }

  #reapPlan() {
    const { session } = this;
    const nowUs = this.#clock.wallUs();
    const here = this.#owner;
    const gone = new Map<string, boolean>();
    const isOwnerGone = (owner: string) => {
      const known = gone.get(owner) ?? isGone(owner, here);
      gone.set(owner, known);
      return known;
    };
    return {
      overdue: this.#sql.leases
        .all({ session })
        .map((lease) => ({ ...lease, gone: isOwnerGone(lease.owner) }))
        .filter((lease) => lease.gone || lease.untilUs <= nowUs),
      revivable: this.#sql.revivable.all({ session, now: naiveUtc(nowUs) }),
    };
  }

  #prepare(): Statements {
    try {
      return prepareStatements(this.#db);
    } catch (error) {
      this.#db.close();
      throw toBusError(error, this.file);
    }
  }

  #dataVersion(): number {
    try {
      return this.#db.pragma('data_version', { simple: true }) as number;
    } catch {
      return -1;
    }
  }

  #tellListeners(): void {
    for (const listener of this.#listeners) listener();
  }

  /**
   * Somebody deleted the WAL file or put another file in place of the bus: what we would write now
   * would go to a file nobody else can see. A deleted WAL is first folded into the bus, so that
   * what was committed to it is kept.
   */
  #checkFiles(): void {
    const files = this.#inodes();
    if (files === this.#files) return;
    const [bus] = files.split('/');
    const [known] = this.#files.split('/');
    try {
      if (bus === known) this.#db.pragma('wal_checkpoint(TRUNCATE)');
    } catch {
      // Another program holds the lock; what it can see is what counts from here on.
    }
    this.#writer.reopen();
    this.#tellListeners();
  }

  #inodes(): string {
    const inode = (path: string) => statSync(path, { throwIfNoEntry: false })?.ino ?? 0;
    return `${inode(this.file)}/${inode(`${this.file}-wal`)}`;
  }

  #reopen(): void {
    const db = openBusFile(this.file);
    this.#db.close();
    this.#db = db;
    this.#sql = prepareStatements(db);
    this.#ingest.start(this.#sql);
    this.#files = this.#inodes();
  }
}

/** A list as SQL takes it: JSON for `json_each`, or null for all. */
function listOf(request: { conversations?: readonly string[] | undefined }): string | null {
  return request.conversations ? JSON.stringify(request.conversations) : null;
}

/** Milliseconds since the epoch; a Julian day is exact to about a tenth of a millisecond here. */
function julianToMs(day: number): number {
  return (day - 2440587.5) * 86_400_000;
}
