/**
 * The sessions of one engine: which are open, when one more is, when one leaves. It knows nothing
 * of the queries that wait; the pool tells it what they need.
 *
 * Always true: at most `size` sessions are open, and one more while it takes over from a worn one;
 * a worn session leaves only when its replacement is ready.
 */
import type { Clock } from '../clock.js';
import type { ContextFile } from '../context/index.js';
import type { Engine } from '../engines/index.js';
import type { WarmlineError } from '../errors.js';
import { failpoint } from '../failpoints/index.js';
import type { Log } from '../log.js';
import { suits, type Wanted } from './affinity.js';
import type { Alarm } from './alarm.js';
import {
  afterFault,
  type EngineHealth,
  type FaultOf,
  opensAtMs,
  refusesTurns,
  WELL,
} from './backoff.js';
import { holdToTime } from './deadlines.js';
import { canStay, floor, isLive, wear, whoLeaves } from './eviction.js';
import { isResting, type Room, type Step } from './growth.js';
import type { Job } from './job.js';
import type { PoolLimits } from './limits.js';
import { Peak } from './peak.js';
import { unavailable, withoutQuestion } from './refusals.js';
import { Session, type SessionOwner } from './session.js';

/** Sessions are looked over this often for rest, age and memory, in milliseconds. */
const LOOK_OVER_MS = 15_000;

/** Failures of a turn that put its engine in doubt. */
const ENGINE_CODES = new Set(['engine_error', 'engine_auth', 'engine_limit', 'engine_unavailable']);

const CONTEXT_CODES = new Set(['context_denied', 'context_missing', 'context_too_large']);

export interface FleetDeps {
  readonly engine: Engine;
  readonly limits: PoolLimits;
  readonly clock: Clock;
  readonly log: Log;
  /** Numbers in [0, 1), for jitter. */
  readonly random: () => number;
}

export interface FleetOwner extends Omit<SessionOwner, 'faulted'> {
  /** A session could not open for its context: that concerns those who ask about it, no others. */
  contextFailed(contextId: string | undefined, why: WarmlineError, nowMs: number): void;
}

export interface FleetCounts {
  readonly warm: number;
  readonly busy: number;
  readonly starting: number;
}

export interface FleetTotals {
  readonly turns: number;
  readonly opened: number;
  readonly replaced: number;
  readonly retired: number;
  readonly faults: number;
}

export class Fleet {
  readonly #engine: Engine;
  readonly #limits: PoolLimits;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #random: () => number;
  readonly #alarm: Alarm;
  readonly #sessionOwner: SessionOwner;
  readonly #owner: FleetOwner;
  readonly #totals = { turns: 0, opened: 0, replaced: 0, retired: 0, faults: 0 };
  readonly #peak = new Peak();
  #sessions: Session[] = [];
  #health: EngineHealth = WELL;
  #lastFault: { readonly why: WarmlineError; readonly atMs: number } | undefined;
  #keepsSpares = false;
  /** The context spares are kept for: the one asked for last. */
  #warmFor: ContextFile | undefined;

  constructor(deps: FleetDeps, alarm: Alarm, owner: FleetOwner) {
    this.#engine = deps.engine;
    this.#limits = deps.limits;
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#random = deps.random;
    this.#alarm = alarm;
    this.#owner = owner;
    this.#sessionOwner = {
      rested: (session, nowMs) => this.#rested(session, nowMs),
      turnOver: (session, job, why) => this.#turnOver(session, job, why),
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

  get totals(): FleetTotals {
    return this.#totals;
  }

  get counts(): FleetCounts {
    const at = (...states: string[]) =>
      this.#sessions.filter(({ state }) => states.includes(state.at)).length;
    return {
      warm: at('ready', 'resetting'),
      busy: at('busy', 'stopping'),
      starting: at('opening'),
    };
  }

  /** Nothing can be opened and nobody moved: the usual state of a busy pool. */
  get isFull(): boolean {
    return this.#sessions.length >= this.#limits.size && !this.#sessions.some(isResting);
  }

  room(nowMs: number): Room {
    return {
      slots: this.#limits.size - this.#sessions.length,
      mayOpen: nowMs >= opensAtMs(this.#health),
    };
  }

  /** No turn may start, even where a session is ready. */
  isParked(nowMs: number): boolean {
    return this.#health !== WELL && refusesTurns(this.#health, nowMs);
  }

  /**
   * The engine takes no work, or cannot start and has no session left, and the wait is long enough
   * to say so.
   */
  unavailable(nowMs: number): WarmlineError | undefined {
    const health = this.#health;
    if (health.at === 'well' || health.at === 'backing_off' || nowMs >= health.untilMs) {
      return undefined;
    }
    if (health.at === 'quarantined' && this.#sessions.some(isLive)) return undefined;
    return unavailable(this.#engine.name, health, nowMs);
  }

  /** From now on spares are kept, first for this context where the engine binds to one. */
  keepSpares(context: ContextFile | undefined): void {
    this.#keepsSpares = true;
    this.#warmFor ??= context;
  }

  /** A turn begins in one of the sessions. */
  turnBegan(context: ContextFile | undefined): void {
    this.#warmFor = context;
    this.#totals.turns += 1;
    this.#peak.note(this.#freshTurns());
  }

  take(steps: readonly Step<Session, Job>[]): void {
    for (const step of steps) {
      if (step.do === 'open') this.#open(step.wanted.work.context, step.wanted.key);
      else if (step.do === 'rebind') step.session.forget();
      else this.#retire(step.session);
    }
  }

  /** Opens what is missing of the spares, or has the alarm ring when that may be tried again. */
  fillUp(nowMs: number, isAwaited: boolean): void {
    const opensAt = opensAtMs(this.#health);
    if (nowMs >= opensAt) while (this.#lacksSpare()) this.#open(this.#warmFor, undefined);
    else if (isAwaited || this.#lacksSpare()) this.#alarm.by(opensAt);
  }

  /**
   * Acts on whatever is overdue.
   * @returns when to look again, in monotonic milliseconds
   */
  holdToTime(nowMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const session of this.#sessions) {
      nextMs = Math.min(nextMs, holdToTime(session, this.#limits, nowMs));
    }
    return this.#sessions.length === 0 ? nextMs : Math.min(nextMs, nowMs + LOOK_OVER_MS);
  }

  /** Retires who has idled too long and replaces who is worn. */
  lookOver(nowMs: number): void {
    const { idleMs, spares } = this.#limits;
    this.#peak.turn(nowMs, idleMs, this.#freshTurns());
    const keep = floor(spares, this.#peak.value, this.#totals.turns > 0);
    for (const session of whoLeaves(this.#sessions, nowMs, idleMs, keep)) this.#retire(session);
    for (const session of this.#sessions) this.#replaceIfWorn(session, nowMs);
  }

  /** Ends every session; turns that run get `why` when theirs is gone. */
  end(why: WarmlineError): void {
    for (const session of [...this.#sessions]) session.end(why);
  }

  #open(context: ContextFile | undefined, key: string | undefined, replaces?: Session): void {
    this.#totals.opened += 1;
    const plan = {
      id: `${this.#engine.name}-${this.#totals.opened}`,
      context: this.#engine.binds === 'context' ? context : undefined,
      // A key is bound when the session is given to it, unless the engine resumes by key.
      key: this.#engine.resumes === true ? key : undefined,
      replaces,
    };
    const session = new Session(plan, this.#engine, this.#clock, this.#sessionOwner, this.#limits);
    this.#sessions.push(session);
    const nowMs = this.#clock.monotonicMs();
    this.#alarm.by(nowMs + Math.min(this.#limits.openMs, LOOK_OVER_MS));
    session.open();
  }

  #lacksSpare(): boolean {
    const { size, spares } = this.#limits;
    if (!this.#keepsSpares || this.#sessions.length >= size) return false;
    const wanted: Wanted = { key: undefined, contextId: this.#warmFor?.identity };
    let ready = 0;
    for (const session of this.#sessions) {
      if (canStay(session) && suits(session, wanted, this.#engine) > 0) ready += 1;
    }
    return ready < spares;
  }

  #rested(session: Session, nowMs: number): void {
    const worn = session.replaces;
    if (worn !== undefined) {
      failpoint('recycle.swap');
      session.replaces = undefined;
      this.#totals.replaced += 1;
      this.#retire(worn);
    }
    this.#replaceIfWorn(session, nowMs);
    this.#owner.rested(session, nowMs);
  }

  #replaceIfWorn(session: Session, nowMs: number): void {
    if (!isLive(session)) return;
    const reason = wear(session, nowMs, this.#limits);
    if (reason === undefined) return;
    if (session.key !== undefined) {
      this.#log.info({ session: session.id, reason }, 'sticky session retired');
      this.#retire(session);
      return;
    }
    if (nowMs < opensAtMs(this.#health)) return;
    // One at a time, and only when the last that was replaced has really gone.
    if (this.#sessions.length > this.#limits.size) return;
    if (this.#sessions.some(({ replaces }) => replaces !== undefined)) return;
    this.#log.debug({ session: session.id, reason }, 'session is being replaced');
    this.#open(session.context, undefined, session);
  }

  #retire(session: Session): void {
    if (!isLive(session)) return;
    this.#totals.retired += 1;
    session.leave();
  }

  #turnOver(session: Session, job: Job, why: WarmlineError | undefined): void {
    if (why === undefined) this.#proven(job);
    else if (why.code === 'timeout') this.#lastFault = { why, atMs: this.#clock.monotonicMs() };
    // A session that was closed has told of its fault already.
    else if (session.state.at !== 'closed' && ENGINE_CODES.has(why.code)) {
      this.#doubt(session, withoutQuestion(why), 'turn');
    }
    this.#owner.turnOver(session, job, why);
  }

  /** An answer ends every doubt that is older than its question. */
  #proven({ startedMs }: Job): void {
    const health = this.#health;
    if (health.at === 'well' || startedMs <= health.faultMs) return;
    this.#health = WELL;
  }

  #faulted(session: Session, why: WarmlineError): void {
    if (!CONTEXT_CODES.has(why.code)) {
      this.#doubt(session, why, 'session');
      return;
    }
    const nowMs = this.#clock.monotonicMs();
    this.#totals.faults += 1;
    this.#lastFault = { why, atMs: nowMs };
    this.#log.info(this.#facts(session, why), why.message);
    if (this.#warmFor?.identity === session.contextId) this.#warmFor = undefined;
    this.#owner.contextFailed(session.contextId, why, nowMs);
  }

  #doubt(session: Session, why: WarmlineError, of: FaultOf): void {
    const nowMs = this.#clock.monotonicMs();
    this.#totals.faults += 1;
    this.#lastFault = { why, atMs: nowMs };
    const { backoff } = this.#limits;
    const health = afterFault(this.#health, why, nowMs, backoff, this.#random(), of);
    this.#health = health;
    const doubt = { engine_state: health.at, retry_in_ms: Math.round(health.untilMs - nowMs) };
    this.#log.warn({ ...this.#facts(session, why), ...doubt }, why.message);
    if (why.code === 'engine_auth') this.#retireLoggedOut();
  }

  /** Sessions know the login they were opened with: a new one is noticed by new sessions only. */
  #retireLoggedOut(): void {
    for (const session of this.#sessions) {
      if (session.key === undefined || this.#engine.resumes === true) this.#retire(session);
    }
  }

  #facts(session: Session, why: WarmlineError): Record<string, unknown> {
    return { session: session.id, engine: this.#engine.name, code: why.code };
  }

  #gone(session: Session, nowMs: number): void {
    this.#sessions = this.#sessions.filter((other) => other !== session);
    this.#owner.gone(session, nowMs);
  }

  #freshTurns(): number {
    let busy = 0;
    for (const { state, key } of this.#sessions) {
      if (key === undefined && (state.at === 'busy' || state.at === 'stopping')) busy += 1;
    }
    return busy;
  }
}
