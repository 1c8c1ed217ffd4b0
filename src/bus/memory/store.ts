/** The bus in memory: the promises of the contract in their plainest form, for tests and trials. */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../../clock.js';
import { systemClock } from '../../clock.js';
import { outcomeOf } from '../answer.js';
import {
  type Answer,
  type Answered,
  type Attempt,
  type Bus,
  BusError,
  type BusObserver,
  type BusStats,
  type ClaimRequest,
  type Completed,
  DEFAULT_LIFETIME_MS,
  type Kept,
  type Lease,
  type NewConversation,
  type NewQuestion,
  type Reaped,
  type RetryRequest,
  type Side,
  type StoredAnswer,
  type Withdrawal,
  type Withdrawn,
} from '../bus.js';
import { OwnLeases } from '../own-leases.js';
import { formatOwner, isGone, type Owner, thisProcess } from '../owner.js';
import { type ParsedQuestion, parseTaken } from '../question.js';
import { monotoneStamps } from '../stamp.js';
import { type Lane, MemoryBusFile, type MessageRow, type Work } from './file.js';
import { judgeHead } from './parents.js';
import { memoryStats } from './stats.js';
import { withdraw } from './withdraw.js';

interface MemoryBusOptions {
  /** Shared by the stores that play several processes on one bus; a new one when absent. */
  readonly file?: MemoryBusFile;
  /** The side we answer as; default `b`. */
  readonly session?: Side;
  readonly clock?: Clock;
  readonly observer?: BusObserver;
  readonly owner?: Owner;
}

export function createMemoryBus(options: MemoryBusOptions = {}): Bus {
  return new MemoryBus(options);
}

type Among = Pick<ClaimRequest, 'conversations' | 'includeExpired' | 'withoutModels'>;

class MemoryBus implements Bus {
  readonly #file: MemoryBusFile;
  readonly #session: Side;
  readonly #clock: Clock;
  readonly #stamp: () => number;
  readonly #observer: BusObserver;
  readonly #owner: Owner;
  readonly #mine: OwnLeases;
  readonly #listeners = new Set<() => void>();
  #closed = false;

  constructor(options: MemoryBusOptions) {
    this.#file = options.file ?? new MemoryBusFile();
    this.#session = options.session ?? 'b';
    this.#clock = options.clock ?? systemClock;
    this.#stamp = monotoneStamps(this.#clock);
    this.#observer = options.observer ?? {};
    this.#owner = options.owner ?? thisProcess();
    this.#mine = new OwnLeases(this.#clock);
  }

  async claim(request: ClaimRequest): Promise<Lease[]> {
    if (request.limit <= 0 || !this.#mayClaim(request)) return [];
    const nowUs = this.#stamp();
    const wallUs = this.#clock.wallUs();
    this.#file.takeIn(this.#session, nowUs);
    this.#ignore(request);
    for (const lane of this.#lanes(request)) {
      if (request.includeExpired && lane.state.at === 'expired') lane.state = { at: 'ready' };
    }
    const leases: Lease[] = [];
    for (let moved = true; moved && leases.length < request.limit; ) {
      const heads = this.#heads(request, wallUs).slice(0, request.limit - leases.length);
      for (const lane of heads) this.#take(lane, request, nowUs, leases);
      moved = heads.length > 0;
    }
    return leases;
  }

  async renew(lease: Lease, leaseMs: number): Promise<Kept> {
    const untilUs = this.#clock.wallUs() + leaseMs * 1000;
    const lane = this.#leased(lease);
    if (lane?.state.at !== 'leased') return 'lost';
    lane.state = { ...lane.state, untilUs };
    this.#mine.extend(lease.token, leaseMs);
    return 'kept';
  }

  completeAll(answered: readonly Answered[]): Promise<readonly Completed[]> {
    return Promise.all(
      answered.map(({ lease, answer }) =>
        this.complete(lease, answer).catch((error: Error) => error),
      ),
    );
  }

  async complete(lease: Lease, answer: Answer): Promise<Kept | 'orphaned'> {
    const nowUs = this.#stamp();
    const lane = this.#letGo(lease);
    if (!lane) return 'lost';
    this.#file.advance(lane, nowUs);
    const answerId = this.#file.insertAnswer(this.#session, lease, answer, nowUs);
    const outcome = answerId ? outcomeOf(answer) : 'orphaned';
    const error = { code: answer.error?.code };
    this.#file.endAttempt(lease, outcome, nowUs, error, answer.turn);
    this.#file.finish(this.#session, lease.questionId, outcome, answerId, answer.error?.code);
    return answerId ? 'kept' : 'orphaned';
  }

  async retry(lease: Lease, request: RetryRequest): Promise<Kept> {
    const { code, message, delayMs, turn } = request;
    const nowUs = this.#clock.wallUs();
    const kept = this.#giveBack(lease, nowUs + delayMs * 1000, 0);
    if (kept === 'kept') this.#file.endAttempt(lease, 'retried', nowUs, { code, message }, turn);
    return kept;
  }

  async release(lease: Lease, delayMs = 0): Promise<Kept> {
    return this.#giveBack(lease, delayMs === 0 ? 0 : this.#clock.wallUs() + delayMs * 1000, 1);
  }

  async withdraw(questionId: number, how: Withdrawal): Promise<Withdrawn> {
    this.#requireOpen();
    return withdraw(this.#file, this.#session, questionId, how, this.#stamp());
  }

  async reap(): Promise<Reaped> {
    this.#requireOpen();
    const nowUs = this.#clock.wallUs();
    const reaped = { expired: 0, gone: 0, failed: 0 };
    this.#file.wakeWaiting((parent) => this.#isHopeless(parent));
    for (const lane of this.#lanes({})) {
      const { state } = lane;
      if (state.at === 'expired' && !this.#isExpired(lane.conversationId))
        lane.state = { at: 'ready' };
      if (state.at !== 'leased') continue;
      const gone = isGone(state.owner, this.#owner);
      if (!gone && !(this.#mine.isOver(state.token) ?? state.untilUs <= nowUs)) continue;
      this.#mine.forget(state.token);
      this.#file.endLease(lane, state, gone ? 'owner_gone' : 'lease_expired', nowUs);
      lane.state = { at: 'ready' };
      lane.readyAtUs = 0;
      reaped[gone ? 'gone' : 'expired'] += 1;
    }
    return reaped;
  }

  stats(): BusStats {
    this.#requireOpen();
    return memoryStats(this.#file, this.#session, this.#clock.wallUs());
  }

  nextReadyMs(): number | undefined {
    this.#requireOpen();
    const nowUs = this.#clock.wallUs();
    const waits = this.#lanes({})
      .filter((lane) => lane.state.at === 'ready' && lane.readyAtUs > nowUs)
      .map((lane) => (lane.readyAtUs - nowUs) / 1000);
    return waits.length === 0 ? undefined : Math.min(...waits);
  }

  hasWork(request: Among): boolean {
    this.#requireOpen();
    return (
      this.#lanes(request).some(({ state }) => state.at === 'ready' || state.at === 'leased') ||
      this.#hasUnsorted(request)
    );
  }

  async heartbeat(conversations?: readonly string[]): Promise<void> {
    this.#requireOpen();
    const nowUs = this.#stamp();
    const busy = new Set(this.#lanes({}).map((lane) => lane.conversationId));
    for (const [id, expiresUs] of this.#file.conversations) {
      if (conversations?.includes(id) === false || isOver(expiresUs, nowUs)) continue;
      this.#file.statuses.set(`${id}/${this.#session}`, busy.has(id) ? 'working' : 'waiting');
    }
  }

  watch(listener: () => void): () => void {
    const call = () => listener();
    this.#listeners.add(call);
    this.#file.listeners.add(call);
    return () => {
      this.#listeners.delete(call);
      this.#file.listeners.delete(call);
    };
  }

  async createConversation(conversation: NewConversation): Promise<string> {
    const id = `conv_${randomBytes(8).toString('hex')}`;
    const lifetimeMs = conversation.lifetimeMs ?? DEFAULT_LIFETIME_MS;
    this.#requireOpen();
    this.#file.conversations.set(id, this.#stamp() + lifetimeMs * 1000);
    return id;
  }

  async put(question: NewQuestion): Promise<number> {
    const { conversationId, from, message, metadata } = question;
    this.#requireOpen();
    const timestampUs = this.#stamp();
    if (!this.#file.conversations.has(conversationId)) {
      throw new BusError('bus_missing', `there is no conversation ${conversationId} on this bus`);
    }
    const to = from === 'a' ? 'b' : 'a';
    return this.#file.insert({
      ...{ conversationId, from, to, message, metadata, timestampUs },
      read: false,
    });
  }

  attemptsOf(questionId: number): Attempt[] {
    this.#requireOpen();
    return [...(this.#file.attempts.get(questionId) ?? [])];
  }

  answerTo(questionId: number): StoredAnswer | undefined {
    this.#requireOpen();
    const id = this.#file.done.get(questionId)?.answerId;
    const row = id && this.#file.messages.get(id);
    return row ? { id, message: String(row.message) } : undefined;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const listener of this.#listeners) this.#file.listeners.delete(listener);
  }

  #requireOpen(): void {
    if (this.#closed) throw new BusError('bus_closed', 'the bus is closed');
  }

  #lanes({ conversations }: Among): Lane[] {
    const lanes = this.#file.lanesOf(this.#session);
    return conversations
      ? lanes.filter((lane) => conversations.includes(lane.conversationId))
      : lanes;
  }

  /** Lanes whose first question may be leased now; who has waited longest comes first. */
  #heads(request: Among, nowUs: number): Lane[] {
    return this.#lanes(request)
      .filter((lane) => lane.state.at === 'ready' && lane.readyAtUs <= nowUs)
      .filter((lane) => !request.withoutModels?.includes(this.#file.modelOf(lane)))
      .sort((one, other) => one.rankUs - other.rankUs || one.number - other.number);
  }

  #mayClaim(request: Among): boolean {
    this.#requireOpen();
    return this.#heads(request, this.#clock.wallUs()).length > 0 || this.#hasUnsorted(request);
  }

  #hasUnsorted(request: Among): boolean {
    return (
      !this.#file.unsorted(this.#session).next().done ||
      this.#ignorable(request).length > 0 ||
      (request.includeExpired === true &&
        this.#lanes(request).some((lane) => lane.state.at === 'expired'))
    );
  }

  #ignorable({ conversations }: Among): number[] {
    return [...this.#file.ignorable]
      .filter(([, row]) => row.session === this.#session)
      .filter(([, row]) => conversations?.includes(row.conversationId) ?? true)
      .map(([id]) => id);
  }

  #ignore(request: Among): void {
    for (const id of this.#ignorable(request)) {
      this.#file.ignorable.delete(id);
      this.#file.finish(this.#session, id, 'ignored', undefined);
    }
  }

  #isExpired(conversationId: unknown): boolean {
    const expiresUs = this.#file.conversations.get(String(conversationId));
    return expiresUs !== undefined && isOver(expiresUs, this.#clock.wallUs());
  }

  /** Nothing comes of waiting for it. */
  #isHopeless(parent: number): boolean {
    const conversation = this.#file.messages.get(parent)?.conversationId;
    return !this.#file.isUnfinished(parent) || this.#isExpired(conversation);
  }

  #take(lane: Lane, request: ClaimRequest, nowUs: number, leases: Lease[]): void {
    const [head] = lane.queue;
    if (!head) return;
    const row = this.#file.messages.get(head.id);
    if (!row || !this.#file.conversations.has(lane.conversationId)) {
      this.#file.advance(lane, nowUs);
      this.#file.finish(this.#session, head.id, 'orphaned', undefined);
    } else if (this.#isExpired(lane.conversationId) && !request.includeExpired) {
      lane.state = { at: 'expired' };
      this.#observer.expired?.(lane.conversationId, lane.queue.length);
    } else {
      this.#judge(lane, head, row, request, nowUs, leases);
    }
  }

  #judge(
    lane: Lane,
    head: Work,
    row: MessageRow,
    request: ClaimRequest,
    nowUs: number,
    leases: Lease[],
  ): void {
    const verdict = judgeHead(this.#file, head.id, row, (id) => this.#isExpired(id));
    if (verdict.step === 'wait') {
      lane.state = { at: 'waiting', parents: verdict.parents };
      return;
    }
    const question =
      verdict.step === 'refuse' ? verdict.question : parseTaken(row.message, row.metadata);
    leases.push(this.#lease(lane, head, question, request.leaseMs, nowUs));
  }

  #lease(lane: Lane, head: Work, question: ParsedQuestion, leaseMs: number, nowUs: number): Lease {
    const token = randomBytes(12).toString('base64url');
    // Another process, by another clock, may have seen it a moment later than now.
    const claimedAtUs = Math.max(nowUs, head.seenAtUs);
    lane.attempts += 1;
    lane.state = {
      at: 'leased',
      token,
      owner: formatOwner(this.#owner),
      untilUs: this.#clock.wallUs() + leaseMs * 1000,
      claimedAtUs,
    };
    this.#mine.extend(token, leaseMs);
    return {
      questionId: head.id,
      conversationId: lane.conversationId,
      lane: lane.number,
      token,
      attempt: lane.attempts,
      question,
      seenAtUs: head.seenAtUs,
      claimedAtUs,
    };
  }

  /** The lane, while the lease is the one on it; counts a stale write otherwise. */
  #leased(lease: Lease): Lane | undefined {
    this.#requireOpen();
    const lane = this.#file.lanes.get(lease.lane);
    if (lane?.state.at === 'leased' && lane.state.token === lease.token) return lane;
    this.#file.count(this.#session, 'stale');
    return undefined;
  }

  #letGo(lease: Lease): Lane | undefined {
    this.#mine.forget(lease.token);
    return this.#leased(lease);
  }

  #giveBack(lease: Lease, readyAtUs: number, attempts: 0 | 1): Kept {
    const lane = this.#letGo(lease);
    if (!lane) return 'lost';
    lane.state = { at: 'ready' };
    lane.attempts -= attempts;
    lane.readyAtUs = readyAtUs;
    return 'kept';
  }
}

/** To the millisecond, as SQLite compares times. */
function isOver(expiresUs: number, nowUs: number): boolean {
  return Math.round(expiresUs / 1000) <= Math.round(nowUs / 1000);
}
