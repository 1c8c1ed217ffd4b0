/**
 * The pool of one engine: which query runs in which session, when sessions open and when they leave.
 *
 * Always true:
 *  - a session is given to one turn at a time, by exclusive check-out: only a `ready` session is
 *    given away, and giving it away makes it `busy`;
 *  - a session is offered to a fresh query only after it forgot the turn before;
 *  - every query submitted ends in exactly one `answered` or `failed`;
 *  - at most `size` sessions are open, and one more while it takes over from a worn one.
 *
 * One alarm carries every deadline, so that a turn that goes well sets no timer.
 */
import type { Clock } from '../clock.js';
import type { ContextFile } from '../context/context.js';
import type { Engine } from '../engines/index.js';
import { fault, type WarmlineError } from '../errors.js';
import type { Log } from '../log.js';
import { choose, suits, type Wanted } from './affinity.js';
import { type After, Alarm } from './alarm.js';
import { afterFault, type EngineHealth, opensAtMs, WELL } from './backoff.js';
import { runsOutMs, waitedTooLong } from './clocks.js';
import { holdToTime } from './deadlines.js';
import { canStay, floor, isLive, wear, whoLeaves } from './eviction.js';
import { growth } from './growth.js';
import { Job, type Work } from './job.js';
import type { PoolLimits } from './limits.js';
import { Line, roomInMs } from './line.js';
import { Session, type SessionOwner } from './session.js';

/** A waiting asker is told so again after this, in milliseconds. */
const NOTE_EVERY_MS = 5_000;
/** Sessions are looked over this often for rest, age and memory, in milliseconds. */
const LOOK_OVER_MS = 15_000;

const CONTEXT_CODES = new Set(['context_denied', 'context_missing', 'context_too_large']);

export interface PoolDeps {
  readonly engine: Engine;
  readonly limits: PoolLimits;
  readonly clock: Clock;
  readonly after: After;
  readonly log: Log;
  /** Numbers in [0, 1), for jitter. */
  readonly random: () => number;
}

export interface PoolCounts {
  readonly warm: number;
  readonly busy: number;
  readonly starting: number;
  readonly queued: number;
}

export interface PoolTotals {
  readonly turns: number;
  readonly opened: number;
  readonly replaced: number;
  readonly retired: number;
  readonly faults: number;
}

export class Pool {
  readonly engine: Engine;
  readonly limits: PoolLimits;

  readonly #clock: Clock;
  readonly #log: Log;
  readonly #random: () => number;
  readonly #alarm: Alarm;
  readonly #line = new Line();
  readonly #owner: SessionOwner;
  readonly #totals = { turns: 0, opened: 0, replaced: 0, retired: 0, faults: 0 };
  #sessions: Session[] = [];
  #health: EngineHealth = WELL;
  #lastFault: { readonly why: WarmlineError; readonly atMs: number } | undefined;
  #jobs = 0;
  #meanTurnMs = 0;
  /** Most turns at once, in this stretch of `idleMs` and in the one before. */
  readonly #peak = { sinceMs: 0, now: 0, before: 0 };
  #keepsWarm = false;
  /** The context spares are kept for: the one asked for last. */
  #warmFor: ContextFile | undefined;
  #pumping = false;
  #closed: { readonly done: Promise<void>; readonly emptied: () => void } | undefined;

  constructor(deps: PoolDeps) {
    this.engine = deps.engine;
    this.limits = deps.limits;
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#random = deps.random;
    this.#alarm = new Alarm(deps.clock, deps.after, (nowMs) => this.#look(nowMs));
    this.#owner = {
      rested: (session, nowMs) => this.#rested(session, nowMs),
      turnOver: (session, job, answered) => this.#turnOver(session, job, answered),
      faulted: (session, why) => this.#faulted(session, why),
      gone: (session, nowMs) => this.#gone(session, nowMs),
    };
  }

  get sessions(): readonly Session[] {
    return this.#sessions;
  }

  get health(): EngineHealth {
    return this.#health;
  }

  get lastFault(): { readonly why: WarmlineError; readonly atMs: number } | undefined {
    return this.#lastFault;
  }

  get totals(): PoolTotals {
    return this.#totals;
  }

  get counts(): PoolCounts {
    const at = (...states: string[]) =>
      this.#sessions.filter(({ state }) => states.includes(state.at)).length;
    return {
      warm: at('ready', 'resetting'),
      busy: at('busy', 'stopping'),
      starting: at('opening'),
      queued: this.#line.size,
    };
  }

  /** Opens the spares, for this context when the engine binds to one, and keeps them warm. */
  warm(context: ContextFile | undefined): void {
    this.#keepsWarm = true;
    this.#warmFor ??= context;
    this.#grow(this.#clock.monotonicMs());
  }

  /** Whether a query would be refused now, with what its asker reads. */
  refusal(nowMs: number): WarmlineError | undefined {
    if (this.#closed !== undefined) return shuttingDown();
    const unavailable = this.#unavailable(nowMs);
    if (unavailable !== undefined) return unavailable;
    if (this.#line.size < this.limits.queueLimit) return undefined;
    const { size } = this.limits;
    return fault(
      'busy',
      `${this.#line.size} queries wait for ${this.engine.name}; ask again later`,
      {
        retryAfterMs: roomInMs(this.#line.size, size, this.#meanTurnMs),
      },
    );
  }

  /** Runs the query now or as soon as it can; `work` hears the rest, possibly before this returns. */
  submit(work: Work, nowMs: number): Job {
    const { timeoutMs = this.limits.scheduleToCloseMs } = work;
    const job = new Job(work, this.#jobs++, work.askedMs + timeoutMs);
    if (this.#line.isOpenTo(job.key) && this.#closed === undefined && nowMs < job.expiresMs) {
      const session = choose(this.#sessions, job, this.engine);
      if (session !== undefined) {
        this.#line.pass(job.key);
        this.#start(session, job, nowMs);
        this.#grow(nowMs);
        return job;
      }
    }
    const refusal = this.refusal(nowMs);
    if (refusal !== undefined) {
      job.over = true;
      work.failed(refusal, nowMs);
    } else {
      this.#wait(job, nowMs);
    }
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
    this.#failLine(shuttingDown(), nowMs);
    for (const session of [...this.#sessions]) session.end(shuttingDown());
    this.#alarm.by(nowMs + this.limits.closeMs);
    this.#finishClose();
    return done;
  }

  #wait(job: Job, nowMs: number): void {
    this.#line.add(job);
    this.#pump(nowMs);
    this.#grow(nowMs);
    if (job.session !== undefined || job.over) return;
    job.noteMs = nowMs + NOTE_EVERY_MS;
    this.#alarm.by(Math.min(job.expiresMs, job.noteMs));
    job.work.waiting(this.#line.positionOf(job));
  }

  /** Gives waiting queries to ready sessions, as long as there are both. */
  #pump(nowMs: number): void {
    // A callback may submit while we are here: the loop below sees what it added.
    if (this.#pumping || this.#closed !== undefined) return;
    this.#pumping = true;
    while (this.#line.size > 0 && this.#sessions.some(isReady)) {
      let session: Session | undefined;
      const job = this.#line.find((candidate) => {
        session = choose(this.#sessions, candidate, this.engine);
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
    if (work.timeoutMs === undefined) {
      job.endsByMs = Math.min(job.expiresMs, nowMs + this.limits.totalMs);
    }
    this.#warmFor = work.context;
    this.#totals.turns += 1;
    work.started(session.id, nowMs);
    session.run(job, nowMs);
    this.#alarm.by(runsOutMs(job, this.limits));
    this.#notePeak();
  }

  /** Opens, rebinds or closes sessions for those who wait, and keeps the spares. */
  #grow(nowMs: number): void {
    if (this.#closed !== undefined) return;
    const opensAt = opensAtMs(this.#health);
    const mayOpen = nowMs >= opensAt;
    if (this.#line.size > 0) {
      const room = { slots: this.limits.size - this.#sessions.length, mayOpen };
      const awaited = (key: string) => this.#line.awaits(key);
      const steps = growth(this.#line.candidates, this.#sessions, room, this.engine, awaited);
      for (const step of steps) {
        if (step.do === 'open') this.#open(step.wanted.work.context, step.wanted.key);
        else if (step.do === 'rebind') step.session.forget();
        else this.#retire(step.session);
      }
    }
    if (mayOpen) while (this.#lacksSpare()) this.#open(this.#warmFor, undefined);
    else if (this.#line.size > 0 || this.#lacksSpare()) this.#alarm.by(opensAt);
  }

  #lacksSpare(): boolean {
    const { size, spares } = this.limits;
    if (!this.#keepsWarm || this.#sessions.length >= size) return false;
    const wanted: Wanted = { key: undefined, contextId: this.#warmFor?.identity };
    let ready = 0;
    for (const session of this.#sessions) {
      if (canStay(session) && suits(session, wanted, this.engine) > 0) ready += 1;
    }
    return ready < spares;
  }

  #open(context: ContextFile | undefined, key: string | undefined, replaces?: Session): void {
    this.#totals.opened += 1;
    const plan = {
      id: `${this.engine.name}-${this.#totals.opened}`,
      context: this.engine.binds === 'context' ? context : undefined,
      // A key is bound when the session is given to it, unless the engine resumes by key.
      key: this.engine.resumes === true ? key : undefined,
      replaces,
    };
    const session = new Session(plan, this.engine, this.#clock, this.#owner, this.limits);
    this.#sessions.push(session);
    const nowMs = this.#clock.monotonicMs();
    this.#alarm.by(nowMs + Math.min(this.limits.openMs, LOOK_OVER_MS));
    session.open();
  }

  #rested(session: Session, nowMs: number): void {
    const worn = session.replaces;
    if (worn !== undefined) {
      session.replaces = undefined;
      this.#totals.replaced += 1;
      this.#retire(worn);
    }
    this.#replaceIfWorn(session, nowMs);
    if (this.#line.size === 0) return;
    this.#pump(nowMs);
    this.#grow(nowMs);
  }

  /** Replaces before it drains: the worn session serves on until its replacement is ready. */
  #replaceIfWorn(session: Session, nowMs: number): void {
    if (!isLive(session)) return;
    const reason = wear(session, nowMs, this.limits);
    if (reason === undefined) return;
    if (session.key !== undefined) {
      this.#log.info({ session: session.id, reason }, 'sticky session retired');
      this.#retire(session);
      return;
    }
    if (nowMs < opensAtMs(this.#health)) return;
    if (this.#sessions.some(({ replaces }) => replaces !== undefined)) return;
    this.#log.debug({ session: session.id, reason }, 'session is being replaced');
    this.#open(session.context, undefined, session);
  }

  /** It takes no further turn and leaves as soon as it rests. */
  #retire(session: Session): void {
    if (!isLive(session)) return;
    this.#totals.retired += 1;
    session.leave();
  }

  #turnOver(session: Session, job: Job, answered: boolean): void {
    if (answered) this.#health = WELL;
    this.#meanTurnMs += (session.usedMs - job.startedMs - this.#meanTurnMs) / 16;
    if (job.key !== undefined) this.#line.finished(job.key);
  }

  #faulted(session: Session, why: WarmlineError): void {
    const nowMs = this.#clock.monotonicMs();
    this.#totals.faults += 1;
    this.#lastFault = { why, atMs: nowMs };
    const facts = { session: session.id, engine: this.engine.name, code: why.code };
    if (CONTEXT_CODES.has(why.code)) {
      this.#log.info(facts, why.message);
      this.#contextFailed(session.contextId, why, nowMs);
      return;
    }
    const health = afterFault(this.#health, why, nowMs, this.limits.backoff, this.#random());
    this.#health = health;
    const retryInMs = Math.round(health.untilMs - nowMs);
    this.#log.warn({ ...facts, engine_state: health.at, retry_in_ms: retryInMs }, why.message);
  }

  /** A session could not open for its context: that is told to those who ask about it, no others. */
  #contextFailed(contextId: string | undefined, why: WarmlineError, nowMs: number): void {
    if (this.#warmFor?.identity === contextId) this.#warmFor = undefined;
    for (const job of this.#line.all()) {
      if (job.contextId === contextId && this.#line.remove(job)) this.#giveUp(job, why, nowMs);
    }
  }

  #gone(session: Session, nowMs: number): void {
    this.#sessions = this.#sessions.filter((other) => other !== session);
    const refusal = this.#line.size > 0 ? this.#unavailable(nowMs) : undefined;
    if (refusal !== undefined) this.#failLine(refusal, nowMs);
    this.#pump(nowMs);
    this.#grow(nowMs);
    this.#finishClose();
  }

  #finishClose(): void {
    if (this.#closed === undefined || this.#sessions.length > 0) return;
    this.#alarm.off();
    this.#closed.emptied();
  }

  /** The alarm rang: whatever is overdue is acted on, and the alarm set for what is due next. */
  #look(nowMs: number): void {
    let nextMs = this.#sessions.length > 0 ? nowMs + LOOK_OVER_MS : Number.POSITIVE_INFINITY;
    for (const session of this.#sessions) {
      nextMs = Math.min(nextMs, holdToTime(session, this.limits, nowMs));
    }
    for (const job of this.#line.all()) nextMs = Math.min(nextMs, this.#lookAtWaiting(job, nowMs));
    if (this.#closed === undefined) {
      this.#retireIdle(nowMs);
      for (const session of this.#sessions) this.#replaceIfWorn(session, nowMs);
      this.#pump(nowMs);
      this.#grow(nowMs);
    }
    this.#alarm.by(nextMs);
  }

  #lookAtWaiting(job: Job, nowMs: number): number {
    if (nowMs >= job.expiresMs) {
      if (this.#line.remove(job)) {
        this.#giveUp(job, waitedTooLong(nowMs - job.work.askedMs), nowMs);
      }
      return Number.POSITIVE_INFINITY;
    }
    if (nowMs >= job.noteMs) {
      job.noteMs = nowMs + NOTE_EVERY_MS;
      job.work.waiting(this.#line.positionOf(job));
    }
    return Math.min(job.expiresMs, job.noteMs);
  }

  #retireIdle(nowMs: number): void {
    const { idleMs, spares } = this.limits;
    const peak = this.#peak;
    if (nowMs - peak.sinceMs >= idleMs) {
      Object.assign(peak, { sinceMs: nowMs, before: peak.now, now: 0 });
      this.#notePeak();
    }
    const keep = floor(spares, Math.max(peak.now, peak.before), this.#totals.turns > 0);
    for (const session of whoLeaves(this.#sessions, nowMs, idleMs, keep)) this.#retire(session);
  }

  #notePeak(): void {
    let busy = 0;
    for (const { state, key } of this.#sessions) {
      if (key === undefined && (state.at === 'busy' || state.at === 'stopping')) busy += 1;
    }
    if (busy > this.#peak.now) this.#peak.now = busy;
  }

  /** The engine cannot start, no session is left, and the wait is long enough to say so. */
  #unavailable(nowMs: number): WarmlineError | undefined {
    const health = this.#health;
    if (health.at !== 'quarantined' || nowMs >= health.untilMs) return undefined;
    if (this.#sessions.some(isLive)) return undefined;
    const { why } = health;
    const code = why.code === 'engine_auth' || why.code === 'engine_limit' ? why.code : undefined;
    const retryAfterMs = Math.ceil(health.untilMs - nowMs);
    return fault(
      code ?? 'engine_unavailable',
      `${this.engine.name} cannot serve: ${why.message}; it is tried again in ${retryAfterMs} ms`,
      { retryAfterMs, cause: why },
    );
  }

  #failLine(why: WarmlineError, nowMs: number): void {
    for (const job of this.#line.all()) if (this.#line.remove(job)) this.#giveUp(job, why, nowMs);
  }

  #giveUp(job: Job, why: WarmlineError, nowMs: number): void {
    job.over = true;
    job.work.failed(why, nowMs);
  }
}

function isReady({ state, leaving }: Session): boolean {
  return state.at === 'ready' && !leaving;
}

function shuttingDown(): WarmlineError {
  return fault('shutting_down', 'warmline is stopping; ask again in a moment');
}
