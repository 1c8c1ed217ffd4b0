/**
 * One warm session and the only owner of its state: every change goes through `next`, and the pool
 * hears of it through `SessionOwner`. Whatever an engine does (throws, hangs, speaks after its
 * turn, dies) ends here as one outcome for the turn and one state for the session.
 */
import type { Clock } from '../clock.js';
import type { ContextFile } from '../context/index.js';
import type { Engine, EngineSession, TurnEvent, TurnResult } from '../engines/index.js';
import { fault, toFault, WarmlineError } from '../errors.js';
import { failpoint } from '../failpoints/index.js';
import type { SessionFacts } from './affinity.js';
import { tooLate } from './clocks.js';
import type { Job } from './job.js';
import { next, type SessionEvent, type SessionState } from './states.js';

export interface SessionOwner {
  /** It rests, ready for a turn: after opening, after a reset, after a sticky turn. */
  rested(session: Session, nowMs: number): void;
  /** A turn is over, answered unless there is a `why`; the session has not rested yet. */
  turnOver(session: Session, job: Job, why: WarmlineError | undefined): void;
  /** The session could not open, died, or could not forget: its engine is in doubt. */
  faulted(session: Session, why: WarmlineError): void;
  /** It is closed and everything it started is gone. */
  gone(session: Session, nowMs: number): void;
}

export interface SessionPlan {
  readonly id: string;
  readonly key: string | undefined;
  readonly context: ContextFile | undefined;
  /** The worn session it takes over from. */
  readonly replaces: Session | undefined;
}

export class Session implements SessionFacts {
  readonly id: string;
  readonly openedMs: number;
  /** The worn session it takes over from, until it has. */
  replaces: Session | undefined;
  key: string | undefined;
  context: ContextFile | undefined;
  contextId: string | undefined;
  leaving = false;
  usedMs: number;
  turns = 0;
  faults = 0;
  /** The cancel of a stopping turn was asked for a second time. */
  reminded = false;

  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #owner: SessionOwner;
  readonly #maxAnswerChars: number;
  readonly #opening = new AbortController();
  #state: SessionState<Job>;
  #session: EngineSession | undefined;

  constructor(
    plan: SessionPlan,
    engine: Engine,
    clock: Clock,
    owner: SessionOwner,
    limits: { readonly maxAnswerChars: number },
  ) {
    this.id = plan.id;
    this.key = plan.key;
    this.context = plan.context;
    this.contextId = plan.context?.identity;
    this.replaces = plan.replaces;
    this.openedMs = clock.monotonicMs();
    this.usedMs = this.openedMs;
    this.#engine = engine;
    this.#clock = clock;
    this.#owner = owner;
    this.#maxAnswerChars = limits.maxAnswerChars;
    this.#state = { at: 'opening', sinceMs: this.openedMs };
  }

  get state(): SessionState<Job> {
    return this.#state;
  }

  get pids(): readonly number[] {
    return this.#session?.pids ?? [];
  }

  memoryBytes(): number | undefined {
    const session = this.#session;
    if (session?.memoryBytes === undefined) return undefined;
    try {
      return session.memoryBytes();
    } catch {
      return undefined;
    }
  }

  open(): void {
    failpoint('eng.open');
    const { key: sticky, context } = this;
    const options = { context, sticky, signal: this.#opening.signal };
    attempt(() => this.#engine.open(options)).then(
      (session) => this.#opened(session),
      (thrown) => this.#openFailed(thrown),
    );
  }

  run(job: Job, nowMs: number): void {
    const session = this.#session as EngineSession;
    this.#step({ type: 'started', turn: job });
    const { question, context } = job.work;
    this.turns += 1;
    this.context = context;
    this.contextId = context?.identity;
    job.startedMs = nowMs;
    let answer: Promise<TurnResult>;
    try {
      failpoint('eng.turn');
      answer = session.turn({ question, context }, (event) => this.#heard(job, event));
    } catch (thrown) {
      answer = Promise.reject(thrown);
    }
    answer.then(
      (result) => this.#answered(job, result),
      (thrown) => this.#failed(job, thrown),
    );
  }

  /** Asks the running turn to stop; its asker reads `why`, once it has really stopped. */
  stop(why: WarmlineError): void {
    if (!this.#step({ type: 'stop', why, nowMs: this.#clock.monotonicMs() })) return;
    this.reminded = false;
    this.#cancel();
  }

  /** Asks again: a cancel that comes too early in a turn is lost on some engines. */
  remind(): void {
    this.reminded = true;
    this.#cancel();
  }

  /** Gives up a sticky conversation, to serve others. */
  forget(): void {
    if (!this.#step({ type: 'forget', nowMs: this.#clock.monotonicMs() })) return;
    this.key = undefined;
    this.#reset(this.#clock.monotonicMs());
  }

  /** It takes no further turn and closes as soon as it rests. */
  leave(): void {
    this.leaving = true;
    if (this.#state.at === 'ready') this.end(REPLACED);
  }

  /** It took too long to open or to forget: its engine is in doubt, the session is closed. */
  giveUp(why: WarmlineError): void {
    this.#owner.faulted(this, why);
    this.end(why);
  }

  /** Closes it now; a turn that still runs gets `why` as soon as everything is really gone. */
  end(why: WarmlineError): void {
    if (!this.#step({ type: 'end', why, nowMs: this.#clock.monotonicMs() })) return;
    const session = this.#session;
    if (session === undefined) {
      // The pending open settles it: it rejects, or delivers what is closed at once.
      this.#opening.abort(why);
      return;
    }
    attempt(() => session.close()).then(
      () => this.ended(),
      () => this.ended(),
    );
  }

  /** Its close is over, or took so long that nobody waits for it any more. */
  ended(): void {
    const state = this.#state;
    if (state.at !== 'closing' || !this.#step({ type: 'ended' })) return;
    const nowMs = this.#clock.monotonicMs();
    if (state.owed !== undefined) this.#over(state.owed.turn, state.owed.why);
    this.#owner.gone(this, nowMs);
    if (state.owed !== undefined) this.#tell(state.owed.turn, undefined, state.owed.why, nowMs);
  }

  #opened(session: EngineSession): void {
    this.#session = session;
    if (!this.#step({ type: 'opened', nowMs: this.#clock.monotonicMs() })) {
      const ended = () => this.ended();
      attempt(() => session.close()).then(ended, ended);
      return;
    }
    session.closed.then(
      (end) => this.#died(end.how === 'died' ? end.reason : 'it closed by itself'),
      () => this.#died('it failed to say how'),
    );
    this.usedMs = this.#clock.monotonicMs();
    this.#owner.rested(this, this.usedMs);
  }

  #openFailed(thrown: unknown): void {
    if (this.#state.at === 'opening') {
      const why = startFailure(this.#engine.name, thrown);
      this.#step({ type: 'end', why, nowMs: this.#clock.monotonicMs() });
      this.#owner.faulted(this, why);
    }
    this.ended();
  }

  #died(reason: string): void {
    const { at } = this.#state;
    if (at === 'closing' || at === 'closed') return;
    const why = fault(
      'engine_error',
      `a ${this.#engine.name} session died (${reason}) and is replaced; ask again`,
    );
    // What the dead session leaves behind, children of its process for one, is ended as well.
    this.giveUp(why);
  }

  #heard(job: Job, event: TurnEvent): void {
    if (job.over) {
      // It spoke after its turn: what it says next may not belong to the next turn either.
      this.leave();
      return;
    }
    failpoint('eng.firstbyte');
    if (this.#state.at !== 'busy') return;
    const nowMs = this.#clock.monotonicMs();
    job.heardMs = nowMs;
    if (event.type === 'delta') {
      job.chars += event.text.length;
      if (job.chars > this.#maxAnswerChars) {
        this.end(tooLong(this.#maxAnswerChars));
        return;
      }
    }
    job.work.event(event, nowMs);
  }

  #answered(job: Job, result: TurnResult): void {
    failpoint('eng.result');
    if (typeof result?.answer !== 'string' || !Array.isArray(result.sources)) {
      this.#failed(job, fault('engine_error', `${this.#engine.name} gave no answer; ask again`));
    } else if (result.answer.length > this.#maxAnswerChars) {
      this.#failed(job, tooLong(this.#maxAnswerChars));
    } else {
      this.#settle(job, result, undefined);
    }
  }

  #failed(job: Job, thrown: unknown): void {
    const known = thrown instanceof WarmlineError ? thrown : undefined;
    const why =
      known ?? fault('engine_error', `${this.#engine.name} failed; ask again`, { cause: thrown });
    // An error an adapter did not expect leaves its session in a state nobody thought of.
    if (known === undefined || (isMalady(why) && !this.#holdsConversation)) this.leaving = true;
    this.#settle(job, undefined, why);
  }

  #settle(job: Job, result: TurnResult | undefined, error: WarmlineError | undefined): void {
    const state = this.#state;
    if (state.at !== 'busy' && state.at !== 'stopping') return;
    const nowMs = this.#clock.monotonicMs();
    // An asker that gave up, or whose time is up, reads just that, whatever came at the last moment.
    const late = nowMs >= job.endsByMs ? tooLate(nowMs - job.startedMs) : undefined;
    const why = state.at === 'stopping' ? state.why : (late ?? error);
    const keepsContext = this.key !== undefined;
    this.usedMs = nowMs;
    this.faults = why !== undefined && isSessionsFault(why) ? this.faults + 1 : 0;
    this.#step({ type: 'settled', keepsContext, nowMs });
    this.#over(job, why);
    if (this.leaving) this.end(REPLACED);
    else if (keepsContext) this.#owner.rested(this, nowMs);
    else this.#reset(nowMs);
    this.#tell(job, why === undefined ? result : undefined, why, nowMs);
  }

  /** What a replacement could not know. */
  get #holdsConversation(): boolean {
    return this.key !== undefined && this.#engine.resumes !== true;
  }

  #over(job: Job, why: WarmlineError | undefined): void {
    job.over = true;
    this.#owner.turnOver(this, job, why);
  }

  #tell(
    { work }: Job,
    result: TurnResult | undefined,
    why: WarmlineError | undefined,
    nowMs: number,
  ): void {
    if (result !== undefined) work.answered(result, nowMs);
    else work.failed(why ?? toFault(undefined), nowMs);
  }

  #reset(nowMs: number): void {
    const session = this.#session as EngineSession;
    let pending: undefined | Promise<void>;
    try {
      pending = session.reset() as undefined | Promise<void>;
    } catch (thrown) {
      this.#resetFailed(thrown);
      return;
    }
    if (pending === undefined) this.#wasReset(nowMs);
    else {
      pending.then(
        () => this.#wasReset(this.#clock.monotonicMs()),
        (thrown) => this.#resetFailed(thrown),
      );
    }
  }

  #wasReset(nowMs: number): void {
    if (!this.#step({ type: 'reset', nowMs })) return;
    if (this.leaving) this.end(REPLACED);
    else this.#owner.rested(this, nowMs);
  }

  #resetFailed(cause: unknown): void {
    if (this.#state.at !== 'resetting') return;
    this.giveUp(fault('engine_error', 'a session could not forget its last turn', { cause }));
  }

  #cancel(): void {
    try {
      this.#session?.cancel();
    } catch {
      // The end of the grace closes a session that cannot be cancelled.
    }
  }

  #step(event: SessionEvent<Job>): boolean {
    const before = this.#state;
    this.#state = next(before, event);
    return this.#state !== before;
  }
}

/** A promise of an engine, also where it throws instead. */
function attempt<T>(act: () => Promise<T>): Promise<T> {
  try {
    return act();
  } catch (thrown) {
    return Promise.reject(thrown);
  }
}

function startFailure(engine: string, thrown: unknown): WarmlineError {
  if (thrown instanceof WarmlineError) return thrown;
  const said = thrown instanceof Error ? thrown.message : String(thrown);
  return fault('engine_unavailable', `${engine} cannot start: ${said}`, { cause: thrown });
}

/**
 * Failures that the same session may well repeat: half an answer or none, a login it has read when
 * it was opened. The next try is to meet another session.
 */
function isMalady({ code }: WarmlineError): boolean {
  return code === 'engine_error' || code === 'engine_auth';
}

/** Failures that say something about the session rather than about the question or the account. */
function isSessionsFault({ code }: WarmlineError): boolean {
  return code === 'engine_error' || code === 'timeout' || code === 'internal';
}

/** Why a session without a turn ends. Nobody reads it, and an error made for each costs a turn. */
const REPLACED = fault('engine_error', 'the session is replaced; ask again');

function tooLong(maxChars: number): WarmlineError {
  return fault(
    'engine_error',
    `the answer is longer than ${maxChars} characters; ask for less, or raise answer_max_chars`,
  );
}
