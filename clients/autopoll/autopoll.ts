/**
 * Drains the bus: claims questions, asks them over the socket, writes the answers back.
 *
 * What is always true:
 *  - Nothing is claimed that cannot be asked now: no bridge, no free slot, or a stop under way.
 *  - A turn ends in exactly one of: an answer, a hand-back, or the loss of its lease; whichever
 *    it is, the bus decides by the token, so a late turn writes nothing.
 *  - Answers that arrive in one chunk, and the claims that follow them, share one transaction:
 *    both are submitted before the event loop turns.
 */
import { EventEmitter, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import PQueue from 'p-queue';
import type { Answer, Bus, BusStats, ClaimRequest, Lease } from '../../src/bus/index.js';
import type { Clock } from '../../src/clock.js';
import { failpoint, note } from '../../src/failpoints/index.js';
import type { Log } from '../../src/log.js';
import type { Outcome, Pending, Answer as Reply } from '../socket/index.js';
import { type KeptTurn, LeaseKeeper } from './lease-keeper.js';
import type { Links } from './links.js';
import { Outage } from './outage.js';
import { mayHoldSecret, withoutSecrets } from './secrets.js';
import {
  answerWithoutAsking,
  queryFor,
  type Settlement,
  settleFailure,
  settleReply,
  type TurnSettings,
} from './turn.js';

export interface AutopollSettings extends TurnSettings {
  /** Questions in flight at once. */
  readonly concurrency: number;
  readonly conversations: readonly string[] | undefined;
  readonly includeExpired: boolean;
  readonly leaseMs: number;
  readonly renewEveryMs: number;
  readonly idleGapMs: number;
  readonly reapEveryMs: number;
  /** How often partners are told that we live; they take us for dead after 120 s. */
  readonly heartbeatEveryMs: number;
}

export interface AutopollParts {
  readonly bus: Bus;
  readonly links: Links;
  readonly clock: Clock;
  readonly log: Log;
  readonly settings: AutopollSettings;
}

/** Looking earlier than needed is harmless; a timer of more than 24 days rings at once. */
const LONGEST_WAIT_MS = 3_600_000;
/** A bus that cannot be written to does not hold up a stop for longer. */
const LAST_WRITES_MS = 2_000;

/** One turn under way: a lease and the request that answers it. */
interface Turn extends KeptTurn {
  readonly startedMs: number;
  pending: Pending | undefined;
  over: boolean;
}

export class Autopoll {
  readonly #parts: AutopollParts;
  readonly #queue: PQueue;
  readonly #keeper: LeaseKeeper;
  readonly #outage: Outage;
  readonly #moved = new EventEmitter<{ moved: [] }>();
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #settling = new Set<Promise<void>>();
  readonly #served = new Set<string>();
  #delayed: NodeJS.Timeout | undefined;
  #unwatch: () => void = () => {};
  #pumpScheduled = false;
  #claiming: Promise<void> | undefined;
  #pumpAgain = false;
  #stopping = false;

  constructor(parts: AutopollParts) {
    this.#parts = parts;
    const { bus, clock, settings } = parts;
    this.#queue = new PQueue({ concurrency: settings.concurrency });
    this.#keeper = new LeaseKeeper({ bus, clock, ...settings });
    this.#outage = new Outage(clock);
  }

  /** Turns under way. */
  get active(): number {
    return this.#keeper.size;
  }

  /** Starts draining and goes on until `stop`. */
  async start(): Promise<void> {
    const { settings } = this.#parts;
    await this.#begin();
    await this.#heartbeat();
    this.#timers.push(setInterval(() => void this.#heartbeat(), settings.heartbeatEveryMs));
    this.#pump();
  }

  /**
   * Drains what is there and returns. Waits for retries that are due later and for leases of
   * others to end; a bus with nothing to do is not written to.
   */
  async drainOnce(signal: AbortSignal): Promise<void> {
    await this.#begin();
    const { bus, settings } = this.#parts;
    while (!signal.aborted) {
      this.#pump();
      await this.#claiming;
      if (!this.#busy() && !bus.hasWork(settings)) break;
      await once(this.#moved, 'moved', { signal }).catch(() => undefined);
    }
    await bus.heartbeat([...this.#served]);
    this.#served.clear();
  }

  /**
   * Claims nothing more and waits for the turns under way, up to `drainMs`; those that are left
   * are handed back untouched.
   */
  async stop(drainMs: number): Promise<void> {
    this.#stopping = true;
    for (const timer of this.#timers) clearInterval(timer);
    clearTimeout(this.#delayed);
    this.#unwatch();
    failpoint('drain.mid');
    const deadline = AbortSignal.timeout(drainMs);
    await within(drainMs, this.#claiming);
    while (this.#busy() && !deadline.aborted) {
      await once(this.#moved, 'moved', { signal: deadline }).catch(() => undefined);
    }
    for (const turn of [...this.#keeper.turns]) this.#handBack(turn as Turn);
    await within(LAST_WRITES_MS, Promise.allSettled(this.#settling));
    this.#keeper.close();
  }

  async #begin(): Promise<void> {
    const { bus, links, settings } = this.#parts;
    await this.#reap();
    this.#logStart(bus.stats());
    this.#unwatch = bus.watch(() => this.#look());
    links.onConnected(() => this.#look());
    this.#timers.push(setInterval(() => void this.#tick(), settings.reapEveryMs));
  }

  #logStart(found: BusStats): void {
    const { pending, leased, delayed, expired } = found;
    this.#parts.log.info({ pending, leased, delayed, expired }, 'bus opened');
  }

  #busy(): boolean {
    return this.#keeper.size > 0 || this.#settling.size > 0;
  }

  async #tick(): Promise<void> {
    await this.#reap();
    this.#look();
  }

  /** Something outside may have changed. */
  #look(): void {
    this.#pump();
    this.#moved.emit('moved');
  }

  async #reap(): Promise<void> {
    const { bus, log } = this.#parts;
    try {
      const { expired, gone } = await bus.reap();
      if (expired + gone > 0) note({ what: 'reaped', expired, gone });
      if (expired + gone > 0) log.info({ expired, gone }, 'leases taken back');
    } catch (error) {
      log.error({ err: error }, 'reaper pass failed; the next one tries again');
    }
  }

  async #heartbeat(): Promise<void> {
    const { bus, log, settings } = this.#parts;
    await bus
      .heartbeat(settings.conversations)
      .catch((error) => log.warn({ err: error }, 'heartbeat not written'));
  }

  /** Claims as much as may be asked now. Called whenever that may have changed; never waits. */
  #pump(): void {
    if (this.#claiming) {
      this.#pumpAgain = true;
      return;
    }
    const limit = this.#mayClaim();
    if (limit <= 0) return;
    this.#claiming = this.#claim(limit).finally(() => {
      this.#claiming = undefined;
      if (!this.#pumpAgain) return;
      this.#pumpAgain = false;
      this.#pump();
    });
  }

  #mayClaim(): number {
    const { links, settings } = this.#parts;
    if (this.#stopping || !links.connected) return 0;
    const pauseMs = this.#outage.pauseMs();
    if (pauseMs > 0) {
      this.#pumpIn(pauseMs);
      return 0;
    }
    return settings.concurrency - this.#keeper.size;
  }

  async #claim(limit: number): Promise<void> {
    const { bus, log, settings } = this.#parts;
    const { leaseMs, conversations, includeExpired } = settings;
    const request: ClaimRequest = { limit, leaseMs, conversations, includeExpired };
    try {
      const leases = await bus.claim(request);
      for (const lease of leases) this.#take(lease);
      const nextMs = leases.length < limit ? bus.nextReadyMs() : undefined;
      if (nextMs !== undefined) this.#pumpIn(nextMs);
    } catch (error) {
      log.error({ err: error }, 'claim failed; trying again');
      this.#pumpIn(this.#parts.settings.reapEveryMs);
    }
  }

  #pumpIn(delayMs: number): void {
    clearTimeout(this.#delayed);
    this.#delayed = setTimeout(() => this.#look(), Math.min(Math.ceil(delayMs), LONGEST_WAIT_MS));
  }

  #take(lease: Lease): void {
    const { settings, clock } = this.#parts;
    const { questionId: question, attempt, conversationId: conversation } = lease;
    note({ what: 'claimed', question, attempt, conversation });
    this.#served.add(conversation);
    const turn: Turn = {
      lease,
      startedMs: clock.monotonicMs(),
      pending: undefined,
      over: false,
      giveUp: (why) => this.#giveUp(turn, why),
    };
    this.#keeper.add(turn);
    const ready = answerWithoutAsking(lease, settings);
    if (ready) this.#end(turn, { step: 'complete', answer: ready });
    else void this.#queue.add(() => this.#ask(turn));
  }

  /** Resolves when the question's slot is free again: at its outcome, before that is committed. */
  #ask(turn: Turn): Promise<void> {
    const { links, settings } = this.#parts;
    const { question } = turn.lease;
    if (question.kind !== 'question' || turn.over) return Promise.resolve();
    return new Promise((resolve) => {
      const options = queryFor(turn.lease, question, settings);
      failpoint('send.pre');
      const asked = { question: turn.lease.questionId, attempt: turn.lease.attempt };
      note({ what: 'asked_bridge', ...asked });
      turn.pending = links.submit(question.question, options, {
        progress: () => this.#keeper.progress(turn),
        done: (outcome) => {
          note({ what: 'answered', ...asked, result: outcome.ok ? 'ok' : outcome.error.code });
          resolve();
          if (!turn.over) this.#end(turn, this.#settlement(turn, outcome));
        },
      });
    });
  }

  #settlement(turn: Turn, outcome: Outcome<Reply>): Settlement {
    const { settings, clock } = this.#parts;
    const { question } = turn.lease;
    const ended = { atUs: clock.wallUs(), afterMs: clock.monotonicMs() - turn.startedMs };
    if (outcome.ok) {
      this.#outage.over();
      if (question.kind === 'question') {
        settings.clocks?.answeredBy(question.model, outcome.value.engine);
      }
      return settleReply(outcome.value, ended, settings);
    }
    const settlement = settleFailure(turn.lease, outcome.error, ended, Math.random(), settings);
    if (refusesEverything(outcome.error.code)) this.#outage.seen();
    return settlement;
  }

  #giveUp(turn: Turn, why: 'lost' | 'idle'): void {
    const { log, settings, clock } = this.#parts;
    const { questionId: question, attempt } = turn.lease;
    log.warn({ question, attempt, why }, 'turn given up');
    turn.pending?.cancel();
    if (turn.over) return;
    if (why === 'lost') {
      this.#close(turn);
      return;
    }
    const failure = { code: 'timeout', message: 'the turn made no progress for too long' };
    const ended = { atUs: clock.wallUs(), afterMs: settings.idleGapMs };
    this.#end(turn, settleFailure(turn.lease, failure, ended, Math.random(), settings));
  }

  #handBack(turn: Turn): void {
    this.#end(turn, { step: 'release', delayMs: 0 });
    turn.pending?.cancel();
  }

  #end(turn: Turn, settlement: Settlement): void {
    this.#close(turn);
    this.#pumpSoon();
    const settled = this.#settle(turn.lease, settlement).finally(() => {
      this.#settling.delete(settled);
      // Once more when it is written: an answer that had to be looked at for secrets was submitted
      // after the claim that went out for its slot.
      this.#pumpSoon();
      this.#moved.emit('moved');
    });
    this.#settling.add(settled);
  }

  /**
   * Once for all answers that have arrived, on whichever connection: their slots are claimed for
   * together. Scheduled before the answers are submitted, the claim shares their transaction.
   */
  #pumpSoon(): void {
    if (this.#pumpScheduled) return;
    this.#pumpScheduled = true;
    setImmediate(() => {
      this.#pumpScheduled = false;
      this.#pump();
    });
  }

  #close(turn: Turn): void {
    turn.over = true;
    this.#keeper.remove(turn);
  }

  async #settle(lease: Lease, settlement: Settlement): Promise<void> {
    const { log } = this.#parts;
    const about = { question: lease.questionId, attempt: lease.attempt };
    try {
      const kept = await this.#write(lease, settlement);
      note({ what: 'settled', ...about, step: settlement.step, result: kept });
      if (kept !== 'kept')
        log.warn({ ...about, kept }, 'result dropped: the question was no longer ours');
      else tellSettled(log, about, settlement);
    } catch (error) {
      // The lease runs out and the question is handed out again.
      log.error({ ...about, err: error }, 'result could not be written');
    }
  }

  #write(lease: Lease, settlement: Settlement) {
    const { bus } = this.#parts;
    switch (settlement.step) {
      case 'complete':
        return this.#complete(lease, settlement.answer);
      case 'retry':
        return bus.retry(lease, settlement);
      case 'release':
        return bus.release(lease, settlement.delayMs);
    }
  }

  /** Submitted at once unless a secret may be inside, so that answers of one chunk stay together. */
  #complete(lease: Lease, answer: Answer) {
    if (!mayHoldSecret(answer)) return this.#parts.bus.complete(lease, answer);
    return withoutSecrets(answer).then((safe) => this.#parts.bus.complete(lease, safe));
  }
}

function tellSettled(log: Log, about: object, settlement: Settlement): void {
  if (settlement.step === 'retry') {
    const { code, message, delayMs } = settlement;
    log.warn({ ...about, code, message, delayMs }, 'attempt failed, will be tried again');
  } else if (settlement.step === 'complete' && settlement.answer.error) {
    const { code } = settlement.answer.error;
    log.warn({ ...about, code }, 'question answered with an error');
  } else log.debug({ ...about, step: settlement.step }, 'turn settled');
}

/** The bridge as a whole takes no work, whatever the question. */
function refusesEverything(code: string): boolean {
  return ['busy', 'shutting_down', 'unauthorized', 'unreachable', 'closed'].includes(code);
}

async function within(ms: number, work: Promise<unknown> | undefined): Promise<void> {
  const given = new AbortController();
  const timer = sleep(ms, undefined, { signal: given.signal }).catch(() => undefined);
  await Promise.race([work, timer]);
  given.abort();
}
