/** The bus on SQLite: one connection, one writer, our tables beside the foreign ones. */
import type { Database } from 'better-sqlite3';
import type { Clock } from '../../clock.js';
import { systemClock } from '../../clock.js';
import { failpoint } from '../../failpoints/index.js';
import type {
  Answer,
  Answered,
  Attempt,
  Bus,
  BusObserver,
  BusStats,
  ClaimRequest,
  Completed,
  Kept,
  Lease,
  NewConversation,
  NewQuestion,
  Reaped,
  RetryRequest,
  Side,
  StoredAnswer,
  Withdrawal,
  Withdrawn,
} from '../bus.js';
import { BusError } from '../bus.js';
import { OwnLeases } from '../own-leases.js';
import { formatOwner, type Owner, thisProcess } from '../owner.js';
import { monotoneStamps, naiveUtc } from '../stamp.js';
import { Answers, resultOf } from './answers.js';
import { attemptsOf } from './attempts.js';
import { BusFile } from './bus-file.js';
import { Claims } from './claims.js';
import { completeInPortions } from './completing.js';
import { type OpenBusOptions, toBusError } from './connection.js';
import { conversationRow } from './conversation.js';
import { beat } from './heartbeat.js';
import { Ingest } from './ingest.js';
import { listOf } from './reads.js';
import { Reaper } from './reaping.js';
import { Settlements } from './settlements.js';
import type { Statements } from './statements.js';
import { readStats } from './stats.js';
import { Wake } from './wake.js';
import { Withdrawals } from './withdrawals.js';
import { Writer } from './writer.js';

const SLOW_LOOK_MS = 1_000;
export interface SqliteBusOptions extends OpenBusOptions {
  readonly file: string;
  /** The side we answer as. */
  readonly session?: Side;
  readonly clock?: Clock;
  readonly observer?: BusObserver;
  /** How often a watched bus is looked at for changes that no file event told of, in milliseconds. */
  readonly slowLookMs?: number;
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
  readonly #observer: BusObserver;
  readonly #clock: Clock;
  readonly #slowLookMs: number;
  readonly #stamp: () => number;
  readonly #writer: Writer;
  readonly #ingest: Ingest;
  readonly #claims: Claims;
  readonly #settlements: Settlements;
  readonly #answers: Answers;
  readonly #bus: BusFile;
  readonly #mine: OwnLeases;
  readonly #reaper: Reaper;
  readonly #withdrawals: Withdrawals;
  #wake: Wake | undefined;
  #closed = false;
  readonly #listeners = new Set<() => void>();

  constructor(options: SqliteBusOptions) {
    this.file = options.file;
    this.session = options.session ?? 'b';
    const owner = options.owner ?? thisProcess();
    this.#observer = options.observer ?? {};
    this.#clock = options.clock ?? systemClock;
    this.#slowLookMs = options.slowLookMs ?? SLOW_LOOK_MS;
    this.#stamp = monotoneStamps(this.#clock);
    this.#mine = new OwnLeases(this.#clock);
    this.#bus = new BusFile(options.file, options, () => this.#reopened());
    this.#ingest = new Ingest(this.session);
    this.#settlements = new Settlements(this.session);
    this.#answers = new Answers(this.session, this.#settlements);
    this.#claims = new Claims({
      session: this.session,
      owner: formatOwner(owner),
      clock: this.#clock,
      ingest: this.#ingest,
      settlements: this.#settlements,
      answers: this.#answers,
      observer: this.#observer,
    });
    this.#reaper = new Reaper({
      session: this.session,
      owner,
      clock: this.#clock,
      mine: this.#mine,
    });
    this.#withdrawals = new Withdrawals(this.session, this.#settlements, this.#answers);
    this.#writer = this.#createWriter();
  }

  async claim(request: ClaimRequest): Promise<Lease[]> {
    failpoint('claim.pre');
    // A long run of rows that are no questions takes several transactions to get past.
    while (
      request.limit > 0 &&
      (this.#writer.settling || this.#read((sql) => this.#mayClaim(sql, request)))
    ) {
      const { leases, more } = await this.#writer.submit('claim', () => {
        this.#answers.settle(this.#bus.sql);
        return this.#claims.run(this.#bus.sql, request, this.#stamp());
      });
      failpoint('claim.commit');
      for (const lease of leases) this.#mine.extend(lease.token, request.leaseMs);
      if (leases.length > 0 || !more) return leases;
    }
    return [];
  }

  renew(lease: Lease, leaseMs: number): Promise<Kept> {
    return this.#settle((sql) => {
      failpoint('lease.renew');
      const untilUs = this.#clock.wallUs() + leaseMs * 1000;
      const { changes } = sql.renew.run(untilUs, lease.lane, lease.token);
      if (changes === 1) this.#mine.extend(lease.token, leaseMs);
      return this.#settlements.fenced(changes);
    });
  }

  async complete(lease: Lease, answer: Answer): Promise<Kept | 'orphaned'> {
    const [result] = await this.completeAll([{ lease, answer }]);
    if (result === undefined || result instanceof Error) throw result;
    return result;
  }

  completeAll(answered: readonly Answered[]): Promise<readonly Completed[]> {
    for (const { lease } of answered) this.#mine.forget(lease.token);
    const add = ({ lease, answer }: Answered) =>
      this.#answers.add(this.#bus.sql, lease, answer, this.#stamp());
    return completeInPortions(answered, (portion) =>
      this.#writer.submitTogether(
        'settle',
        portion.map((each) => () => add(each)),
        resultOf,
      ),
    );
  }

  retry(lease: Lease, request: RetryRequest): Promise<Kept> {
    const nowUs = this.#clock.wallUs();
    return this.#letGo(lease, (sql) => this.#settlements.retry(sql, lease, request, nowUs));
  }

  release(lease: Lease, delayMs = 0): Promise<Kept> {
    failpoint('release.write');
    const readyAtUs = delayMs === 0 ? 0 : this.#clock.wallUs() + delayMs * 1000;
    return this.#letGo(lease, (sql) =>
      this.#settlements.giveBack(sql, lease, { readyAtUs, giveBack: 1, error: null }),
    );
  }

  async withdraw(questionId: number, how: Withdrawal): Promise<Withdrawn> {
    const withdrawn = await this.#withdrawals.run(questionId, how, {
      read: (look) => this.#read(look),
      settle: (run) => this.#settle((sql) => run(sql, this.#stamp())),
    });
    // Who works on it by this connection is not told by the watch on what others commit.
    if (withdrawn === 'withdrawn') this.#tellListeners();
    return withdrawn;
  }

  async reap(): Promise<Reaped> {
    const plan = this.#read((sql) => this.#reaper.plan(sql));
    failpoint('reap.select');
    return this.#reaper.run(plan, (run) => this.#settle(run));
  }

  stats(): BusStats {
    const nowUs = this.#clock.wallUs();
    return this.#read((sql) => readStats(sql, this.session, this.#ingest.newRows(sql), nowUs));
  }

  nextReadyMs(): number | undefined {
    const nowUs = this.#clock.wallUs();
    const at = this.#read((sql) => sql.nextReady.get({ session: this.session, nowUs }))?.at;
    return at == null ? undefined : Math.max(0, (at - nowUs) / 1000);
  }

  hasWork(request: Pick<ClaimRequest, 'conversations' | 'includeExpired'>): boolean {
    const { session } = this;
    const conversations = listOf(request);
    return this.#read(
      (sql) =>
        sql.unfinishedIn.get({ session, conversations }) !== undefined ||
        this.#hasUnsorted(sql, request),
    );
  }

  async heartbeat(conversations?: readonly string[]): Promise<void> {
    const { session } = this;
    await beat(session, conversations, (run) => this.#settle((sql) => run(sql, this.#stamp())));
  }

  watch(listener: () => void): () => void {
    this.#listeners.add(listener);
    this.#wake ??= new Wake({
      file: this.#bus.realPath,
      slowLookMs: this.#slowLookMs,
      version: () => this.#dataVersion(),
      changed: () => this.#tellListeners(),
      check: () => this.#checkFile(),
    });
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#wake?.close();
      this.#wake = undefined;
    };
  }

  async createConversation(conversation: NewConversation): Promise<string> {
    const row = conversationRow(conversation, this.#stamp());
    await this.#settle((sql) => sql.insertConversation.run(row));
    return row.id;
  }

  async put(question: NewQuestion): Promise<number> {
    const { conversationId: conversation, from, message, metadata } = question;
    const to = from === 'a' ? 'b' : 'a';
    const inserted = await this.#settle((sql) => {
      const now = naiveUtc(this.#stamp());
      return sql.insertQuestion.run({ conversation, from, to, message, metadata, now });
    });
    if (inserted.changes === 0) {
      throw new BusError('bus_missing', `there is no conversation ${conversation} on this bus`);
    }
    return Number(inserted.lastInsertRowid);
  }

  attemptsOf(questionId: number): Attempt[] {
    return this.#read((sql) => attemptsOf(sql, questionId));
  }

  answerTo(questionId: number): StoredAnswer | undefined {
    return this.#read((sql) => sql.answerTo.get({ id: questionId }));
  }

  /** A short look at the file by a statement of the caller's own, without a lock. */
  read<T>(look: (db: Database) => T): T {
    return this.#read(() => look(this.#bus.db));
  }

  /**
   * Runs in a transaction of the one writer, which it may share with others; what it throws undoes
   * it alone. Not for anything that takes long: others wait for the lock.
   */
  write<T>(run: (db: Database, nowUs: number) => T): Promise<T> {
    return this.#settle(() => run(this.#bus.db, this.#stamp()));
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#wake?.close();
    this.#listeners.clear();
    this.#writer.close();
    this.#bus.close();
  }

  #createWriter(): Writer {
    return new Writer({
      file: this.file,
      clock: this.#clock,
      db: () => this.#bus.db,
      ensureCurrent: () => this.#bus.ensureCurrent(),
      beforeCommit: () => {
        this.#settleAnswers(this.#bus.sql);
        this.#settlements.beforeCommit(this.#bus.sql);
      },
      afterCommit: () => {
        this.#answers.forget();
        this.#settlements.forget();
        this.#ingest.committed();
        this.#claims.committed();
      },
      afterRollback: () => {
        this.#answers.forget();
        this.#settlements.forget();
        this.#ingest.rolledBack();
        this.#claims.rolledBack();
      },
      reopen: () => this.#bus.reopen(),
      onTrouble: (error, waitedMs) => this.#observer.trouble?.(error, waitedMs),
      onRecovered: (waitedMs) => this.#observer.recovered?.(waitedMs),
    });
  }

  /** Runs after everything submitted before it has had its effect. */
  #settle<T>(run: (sql: Statements) => T): Promise<T> {
    return this.#writer.submit('settle', () => {
      this.#settleAnswers(this.#bus.sql);
      return run(this.#bus.sql);
    });
  }

  #settleAnswers(sql: Statements): void {
    this.#answers.settle(sql);
    this.#answers.putBack(sql);
  }

  /** Whatever comes of it, the caller is done with this lease. */
  #letGo<T>(lease: Lease, run: (sql: Statements) => T): Promise<T> {
    this.#mine.forget(lease.token);
    return this.#settle(run);
  }

  #read<T>(look: (sql: Statements) => T): T {
    try {
      return look(this.#bus.sql);
    } catch (error) {
      if (this.#closed) throw new BusError('bus_closed', 'the bus is closed');
      throw toBusError(error, this.file);
    }
  }

  /** Looks without a lock, so that an idle bus is never written to. */
  #mayClaim(sql: Statements, request: ClaimRequest): boolean {
    const { session } = this;
    const nowUs = this.#clock.wallUs();
    const without = request.withoutModels ? JSON.stringify(request.withoutModels) : null;
    return (
      (this.#mayName(sql, request) &&
        sql.anyReady.get({ session, nowUs, conversations: listOf(request), without }) !==
          undefined) ||
      this.#hasUnsorted(sql, request)
    );
  }

  /** Most questions name no model: where these are left out and no other waits, no lane is looked at. */
  #mayName(sql: Statements, { withoutModels }: ClaimRequest): boolean {
    return withoutModels?.includes('') !== true || sql.anyModel.get() !== undefined;
  }

  /** Whether a claim has more to do than to lease: rows to take in, to ignore or to revive. */
  #hasUnsorted(
    sql: Statements,
    request: Pick<ClaimRequest, 'conversations' | 'includeExpired'>,
  ): boolean {
    const { session } = this;
    const conversations = listOf(request);
    return (
      this.#ingest.hasNew(sql) ||
      sql.ignorable.get({ session, conversations, limit: 1 }) !== undefined ||
      (request.includeExpired === true &&
        sql.anyExpired.get({ session, conversations }) !== undefined)
    );
  }

  #dataVersion(): number {
    try {
      return this.#bus.sql.dataVersion.get() ?? -1;
    } catch {
      return -1;
    }
  }

  #tellListeners(): void {
    for (const listener of this.#listeners) listener();
  }

  #checkFile(): void {
    try {
      this.#bus.ensureCurrent();
    } catch (error) {
      this.#writer.report(error);
    }
  }

  /** Another connection, perhaps to another file: nothing known about the first one holds. */
  #reopened(): void {
    this.#ingest.reset();
    this.#writer.renewed();
    this.#tellListeners();
  }
}
