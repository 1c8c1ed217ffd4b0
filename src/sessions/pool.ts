/**
 * The pool of one engine: which query runs in which session, and which waits.
 *
 * Always true:
 *  - a session is given to one turn at a time, by exclusive check-out: only a `ready` session is
 *    given away, and giving it away makes it `busy`;
 *  - a session is offered to a fresh query only after it forgot the turn before;
 *  - every query submitted ends in exactly one `answered` or `failed`.
 *
 * One alarm carries every deadline, so that a turn that goes well sets no timer.
 */

import type { After } from '../clock.js';
import type { ContextFile } from '../context/index.js';
import type { Engine } from '../engines/index.js';
import { fault, type WarmlineError } from '../errors.js';
import { choose, suits } from './affinity.js';
import { Alarm } from './alarm.js';
import type { EngineHealth } from './backoff.js';
import { runsOutMs, waitedTooLong } from './clocks.js';
import { Fleet, type FleetCounts, type FleetDeps, type FleetTotals } from './fleet.js';
import { growth, isOverdue, isResting, isRestless, type Room } from './growth.js';
import { Job, type Work } from './job.js';
import type { PoolLimits } from './limits.js';
import { Line, roomInMs } from './line.js';
import { lineFull, shuttingDown } from './refusals.js';
import type { Session } from './session.js';

/**
 * An asker who waits is told so after this, in milliseconds, and then every so often. Of the short
 * waits of a busy pool nobody hears: the note would cost as much as the answer.
 */
const FIRST_NOTE_MS = 50;
const NOTE_EVERY_MS = 5_000;

export interface PoolDeps extends FleetDeps {
  readonly after: After;
}

export class Pool {
  readonly engine: Engine;
  readonly limits: PoolLimits;

  readonly #clock: PoolDeps['clock'];
  readonly #alarm: Alarm;
  readonly #line = new Line();
  readonly #fleet: Fleet;
  #jobs = 0;
  /** Decaying mean, for the guess when a full line has room again. */
  #meanTurnMs = 0;
  #pumping = false;
  #closed: { readonly done: Promise<void>; readonly emptied: () => void } | undefined;

  constructor(deps: PoolDeps) {
    this.engine = deps.engine;
    this.limits = deps.limits;
    this.#clock = deps.clock;
    this.#alarm = new Alarm(deps.clock, deps.after, (nowMs) => this.#look(nowMs));
    this.#fleet = new Fleet(deps, this.#alarm, {
      rested: (_, nowMs) => this.#rested(nowMs),
      turnOver: (session, job) => this.#turnOver(session, job),
      contextFailed: (contextId, why, nowMs) =>
        this.#fail((job) => job.contextId === contextId, why, nowMs),
      gone: (_, nowMs) => this.#gone(nowMs),
    });
  }

  get sessions(): readonly Session[] {
    return this.#fleet.sessions;
  }

  get health(): EngineHealth {
    return this.#fleet.health;
  }

  get lastFault(): { readonly why: WarmlineError; readonly atMs: number } | undefined {
    return this.#fleet.lastFault;
  }

  get totals(): FleetTotals {
    return this.#fleet.totals;
  }

  get counts(): FleetCounts & { readonly queued: number } {
    return { ...this.#fleet.counts, queued: this.#line.size };
  }

  /** Opens the spares, for this context when the engine binds to one, and keeps them warm. */
  warm(context: ContextFile | undefined): void {
    this.#fleet.keepSpares(context);
    this.#grow(this.#clock.monotonicMs());
  }

  /** Runs the query now or as soon as it can; `work` hears the rest, possibly before this returns. */
  submit(work: Work, nowMs: number): Job {
    const { timeoutMs = this.limits.scheduleToCloseMs } = work;
    const job = new Job(work, this.#jobs++, work.askedMs + timeoutMs);
    if (this.#line.isOpenTo(job.key) && this.#isOpen(nowMs) && nowMs < job.expiresMs) {
      const session = choose(this.sessions, job, this.engine);
      if (session !== undefined) {
        this.#line.pass(job.key);
        this.#start(session, job, nowMs);
        this.#grow(nowMs);
        return job;
      }
    }
    const refusal = this.#refusal(nowMs);
    if (refusal === undefined) this.#wait(job, nowMs);
    else this.#giveUp(job, refusal, nowMs);
    return job;
  }

  /** Stops the query, whether it waits or runs; `failed` with `cancelled` follows. */
  cancel(job: Job): void {
    const nowMs = this.#clock.monotonicMs();
    const why = fault('cancelled', 'the query was cancelled');
    if (this.#line.remove(job)) {
      this.#giveUp(job, why, nowMs);
      this.#pump(nowMs);
    } else if (!job.over) {
      job.session?.stop(why);
      this.#alarm.by(nowMs + this.limits.graceMs / 2);
    }
  }

  /** Ends every session now; waiting and running queries fail with `shutting_down`. */
  close(): Promise<void> {
    if (this.#closed !== undefined) return this.#closed.done;
    let emptied = () => {};
    const done = new Promise<void>((resolve) => {
      emptied = resolve;
    });
    this.#closed = { done, emptied };
    const nowMs = this.#clock.monotonicMs();
    this.#fail(() => true, shuttingDown(), nowMs);
    this.#alarm.by(nowMs + this.limits.closeMs);
    this.#fleet.end(shuttingDown());
    this.#finishClose();
    return done;
  }

  #isOpen(nowMs: number): boolean {
    return this.#closed === undefined && !this.#fleet.isParked(nowMs);
  }

  /** Why a query that finds no session may not wait for one. */
  #refusal(nowMs: number): WarmlineError | undefined {
    if (this.#closed !== undefined) return shuttingDown();
    const unavailable = this.#fleet.unavailable(nowMs);
    if (unavailable !== undefined) return unavailable;
    const waiting = this.#line.size;
    if (waiting < this.limits.queueLimit) return undefined;
    const retryAfterMs = roomInMs(waiting, this.limits.size, this.#meanTurnMs);
    return lineFull(this.engine.name, waiting, retryAfterMs);
  }

  #wait(job: Job, nowMs: number): void {
    this.#line.add(job);
    this.#pump(nowMs);
    this.#grow(nowMs);
    if (job.session !== undefined || job.over) return;
    job.noteMs = nowMs + FIRST_NOTE_MS;
    this.#alarm.by(Math.min(job.expiresMs, job.noteMs));
  }

  /** Gives waiting queries to ready sessions, as long as there are both. */
  #pump(nowMs: number): void {
    // A callback may submit while we are here: the loop below sees what it added.
    if (this.#pumping || this.#closed !== undefined) return;
    this.#pumping = true;
    while (this.#line.size > 0 && this.sessions.some(isResting)) {
      let session: Session | undefined;
      const job = this.#line.find((candidate) => {
        session = choose(this.sessions, candidate, this.engine);
        return session !== undefined;
      });
      if (job === undefined || session === undefined) break;
      if (nowMs >= job.expiresMs) {
        this.#line.remove(job);
        this.#giveUp(job, waitedTooLong(nowMs - job.work.askedMs), nowMs);
      } else {
        this.#line.take(job);
        this.#start(session, job, nowMs);
      }
    }
    this.#pumping = false;
  }

  #start(session: Session, job: Job, nowMs: number): void {
    const { work } = job;
    session.key ??= job.key;
    job.session = session;
    job.endsByMs = job.expiresMs;
    const { turnTimeoutMs } = work;
    if (turnTimeoutMs !== undefined || work.timeoutMs === undefined) {
      job.endsByMs = Math.min(job.expiresMs, nowMs + (turnTimeoutMs ?? this.limits.totalMs));
    }
    work.started(session.id, nowMs);
    session.run(job, nowMs);
    this.#fleet.turnBegan(work.context);
    this.#alarm.by(runsOutMs(job, this.limits));
  }

  /** Opens, rebinds or closes sessions for those who wait, and keeps the spares. */
  #grow(nowMs: number): void {
    if (this.#closed !== undefined) return;
    if (this.#line.size > 0 && !this.#fleet.isFull) {
      this.#makeRoom(this.#inOrderOfNeed(nowMs), this.#fleet.room(nowMs), nowMs);
    }
    this.#fleet.fillUp(nowMs, this.#line.size > 0);
  }

  /**
   * The first in need gets a session although others could use those there are: without this a
   * busy key or a busy context would keep everybody else out for ever.
   */
  #yieldToFirst(nowMs: number): void {
    const first = this.#inOrderOfNeed(nowMs)[0];
    if (first === undefined || !isRestless(nowMs - first.work.askedMs)) return;
    if (choose(this.sessions, first, this.engine) !== undefined) return;
    this.#makeRoom([first], { ...this.#fleet.room(nowMs), slots: 0 }, nowMs);
  }

  /** Whoever is overdue comes first here, so that what opens for it is not taken from it again. */
  #inOrderOfNeed(nowMs: number): readonly Job[] {
    const { oldest, candidates } = this.#line;
    if (oldest === undefined || oldest === candidates[0]) return candidates;
    if (!isOverdue(nowMs - oldest.work.askedMs)) return candidates;
    return [oldest, ...candidates.filter((job) => job !== oldest)];
  }

  #makeRoom(jobs: readonly Job[], room: Room, nowMs: number): void {
    const isAwaited = (session: Session, by: Job) =>
      session.key !== undefined &&
      !isOverdue(nowMs - by.work.askedMs) &&
      this.#line.candidates.some(
        (job) => job.key === session.key && suits(session, job, this.engine) > 0,
      );
    this.#fleet.take(growth(jobs, this.sessions, room, this.engine, isAwaited));
  }

  #rested(nowMs: number): void {
    if (this.#line.size === 0) return;
    this.#yieldToFirst(nowMs);
    this.#pump(nowMs);
    this.#grow(nowMs);
  }

  #turnOver(session: Session, job: Job): void {
    this.#meanTurnMs += (session.usedMs - job.startedMs - this.#meanTurnMs) / 16;
    if (job.key !== undefined) this.#line.finished(job.key);
    this.#turnAway(session.usedMs);
  }

  /** Tells those who wait when the engine takes no work: they are not kept for it. */
  #turnAway(nowMs: number): void {
    const refusal = this.#line.size > 0 ? this.#fleet.unavailable(nowMs) : undefined;
    if (refusal !== undefined) this.#fail(() => true, refusal, nowMs);
  }

  #gone(nowMs: number): void {
    this.#turnAway(nowMs);
    this.#pump(nowMs);
    this.#grow(nowMs);
    this.#finishClose();
  }

  #finishClose(): void {
    if (this.#closed === undefined || this.sessions.length > 0) return;
    this.#alarm.off();
    this.#closed.emptied();
  }

  /** The alarm rang: whatever is overdue is acted on, and the alarm set for what is due next. */
  #look(nowMs: number): void {
    let nextMs = this.#fleet.holdToTime(nowMs);
    const { length: candidates } = this.#line.candidates;
    let ahead = 0;
    for (const [at, job] of this.#line.all().entries()) {
      const place = at < candidates ? ahead + 1 : this.#line.size;
      nextMs = Math.min(nextMs, this.#lookAtWaiting(job, place, nowMs));
      if (!job.over && job.session === undefined) ahead += 1;
    }
    if (this.#closed === undefined) {
      this.#fleet.lookOver(nowMs);
      this.#pump(nowMs);
      this.#grow(nowMs);
    }
    if (this.#closed === undefined || this.sessions.length > 0) this.#alarm.by(nextMs);
  }

  /**
   * @param place its own in the line, from 1; behind all candidates while its key is being served
   * @returns when it is to be looked at again
   */
  #lookAtWaiting(job: Job, place: number, nowMs: number): number {
    // Another asker's callback may have ended or started it since the round began.
    if (job.over || job.session !== undefined) return Number.POSITIVE_INFINITY;
    if (nowMs >= job.expiresMs) {
      this.#line.remove(job);
      this.#giveUp(job, waitedTooLong(nowMs - job.work.askedMs), nowMs);
      return Number.POSITIVE_INFINITY;
    }
    if (nowMs >= job.noteMs) {
      job.noteMs = nowMs + NOTE_EVERY_MS;
      job.work.waiting(place);
    }
    return Math.min(job.expiresMs, job.noteMs);
  }

  #fail(concerns: (job: Job) => boolean, why: WarmlineError, nowMs: number): void {
    for (const job of this.#line.all()) {
      if (concerns(job) && this.#line.remove(job)) this.#giveUp(job, why, nowMs);
    }
  }

  #giveUp(job: Job, why: WarmlineError, nowMs: number): void {
    job.over = true;
    job.work.failed(why, nowMs);
  }
}
