/**
 * A query on its way, and everybody who waits for it.
 *
 * Always true: each asker hears `done` exactly once, last, and never before its `ask` returned;
 * the work goes on while one asker has not cancelled, detached ones included.
 */
import type { ContextFile } from '../context/index.js';
import type { TurnEvent, TurnResult, TurnStage } from '../engines/index.js';
import { fault, type WarmlineError } from '../errors.js';
import type { Job, Work } from '../sessions/index.js';
import type { FailedTurn, Query, QueryListener, QueryOutcome, Ticket } from './contract.js';
import type { Desk } from './desk.js';
import type { LookedUp } from './lookups.js';
import { firstToPass, mayFallBack } from './routing.js';

/** What the bridge does for its queries. */
export interface Hangar {
  /** The context is known, or there is none. */
  ready(flight: Flight): void;
  /** Nobody wants it any more: `failed` follows, at once or when its turn has really stopped. */
  unwanted(flight: Flight): void;
  /** The engine did not work on it. @returns whether another one does now */
  refused(flight: Flight, error: WarmlineError): boolean;
  landed(flight: Flight, outcome: QueryOutcome): void;
  /** A listener threw; its trouble stays its own. */
  listenerFailed(thrown: unknown): void;
}

/** Least time between two progress notes of a query, in milliseconds. */
const PROGRESS_EVERY_MS = 1_000;

export class Flight implements Work, LookedUp {
  readonly query: Query;
  /** Where it is being answered: a fall-back may take it over as long as nothing was streamed. */
  desk: Desk;
  readonly askedMs: number;
  context: ContextFile | undefined = undefined;
  job: Job | undefined = undefined;
  over = false;
  lookingUp = false;
  /** The `ask` that began it has returned, so askers may hear the end. */
  returned = false;

  readonly #hangar: Hangar;
  readonly #askers: Asker[];
  /** Some of them only look on. */
  #followed = false;
  #sessionId = '';
  #startedMs: number | undefined = undefined;
  #heardMs: number | undefined = undefined;
  #waited = false;
  #position = 0;
  #progressMs = Number.NEGATIVE_INFINITY;
  #stage: TurnStage = 'running';
  #streamed = false;
  /** Engines that did not work on it, each with its reason. */
  #refusals: { readonly desk: Desk; readonly why: WarmlineError }[] | undefined = undefined;
  /** Everything streamed so far, for those who join later; kept only where somebody can join. */
  #text = '';

  constructor(query: Query, listener: QueryListener, desk: Desk, askedMs: number, hangar: Hangar) {
    this.query = query;
    this.desk = desk;
    this.askedMs = askedMs;
    this.#hangar = hangar;
    this.#askers = [new Asker(this, listener, 'asks')];
  }

  /** Of the one who asked first. */
  get ticket(): Ticket {
    return this.#askers[0] as Asker;
  }

  get question(): string {
    return this.query.question;
  }

  get contextName(): string | undefined {
    return this.query.contextFile;
  }

  get key(): string | undefined {
    return this.query.session;
  }

  get priority(): number {
    return this.query.priority ?? 0;
  }

  get timeoutMs(): number | undefined {
    return this.query.timeoutMs;
  }

  get turnTimeoutMs(): number | undefined {
    return this.query.turnTimeoutMs;
  }

  join(listener: QueryListener): Ticket {
    const asker = new Asker(this, listener, 'asks');
    this.#askers.push(asker);
    if (this.#text !== '') this.#call(asker, (to) => to.delta?.(this.#text));
    else if (this.#waited && this.#startedMs === undefined) {
      this.#call(asker, (to) => to.accepted?.(this.#position));
    }
    return asker;
  }

  /** Lets somebody look on, who is told first what there was. @returns what ends it */
  follow(follower: QueryListener): () => void {
    this.#followed = true;
    const asker = new Asker(this, follower, 'follows');
    this.#askers.push(asker);
    if (this.#startedMs !== undefined) this.#call(asker, (to) => to.started?.());
    else if (this.#waited) this.#call(asker, (to) => to.accepted?.(this.#position));
    if (this.#heardMs !== undefined) {
      this.#call(asker, (to) => to.progress?.({ stage: this.#stage }));
    }
    if (this.#text !== '') this.#call(asker, (to) => to.delta?.(this.#text));
    return () => {
      const at = this.#askers.indexOf(asker);
      if (at >= 0) this.#askers.splice(at, 1);
      asker.detach();
    };
  }

  found(context: ContextFile | undefined): void {
    if (this.over) return;
    this.context = context;
    this.#hangar.ready(this);
  }

  notFound(error: WarmlineError): void {
    this.failed(error);
  }

  waiting(position: number): void {
    this.#position = position;
    if (this.#waited) {
      this.#each((to) => to.progress?.({ stage: 'queued', message: `position ${position}` }));
    } else {
      this.#waited = true;
      this.#each((to) => to.accepted?.(position));
    }
  }

  started(sessionId: string, nowMs: number): void {
    this.#sessionId = sessionId;
    this.#startedMs = nowMs;
    if (this.#followed) this.#each((to) => to.started?.());
  }

  event(event: TurnEvent, nowMs: number): void {
    this.#heardMs ??= nowMs;
    let message: string | undefined;
    if (event.type === 'progress') {
      this.#stage = event.stage;
      message = event.message;
    } else if (event.type === 'delta') {
      this.#stage = 'generating_response';
      this.#delta(event.text);
    }
    if (nowMs - this.#progressMs < PROGRESS_EVERY_MS) return;
    this.#progressMs = nowMs;
    const stage = this.#stage;
    this.#each((to) => to.progress?.({ stage, message }));
  }

  answered(result: TurnResult, nowMs: number): void {
    const { answer, sources, model, usage, stopReason } = result;
    // Deltas joined equal the answer, also from an engine that does not stream.
    if (!this.#streamed && answer !== '') this.#eachDelta(answer);
    const reply = {
      answer,
      sources,
      model,
      usage,
      stopReason,
      engine: this.desk.name,
      session: this.#sessionId,
      elapsedMs: nowMs - this.askedMs,
      queuedMs: (this.#startedMs ?? nowMs) - this.askedMs,
      firstByteMs: this.#heardMs === undefined ? undefined : this.#heardMs - this.askedMs,
      requestId: this.query.requestId,
    };
    this.#land({ ok: true, reply });
  }

  failed(error: WarmlineError, nowMs = this.askedMs): void {
    if (this.over) return;
    if (mayFallBack(error) && !this.#streamed && this.#hangar.refused(this, error)) return;
    const earlier = this.#refusals?.map(({ why }) => why);
    const told = earlier === undefined ? error : firstToPass(earlier, error);
    this.#land({ ok: false, error: told, turn: this.#failedTurn(nowMs) });
  }

  /** Leaves an engine for its fall-back. Each is asked once, so that two may stand in for each other. */
  moveTo(desk: Desk, why: WarmlineError): boolean {
    const refusals = this.#refusals ?? [];
    if (refusals.some((refusal) => refusal.desk === desk)) return false;
    this.#refusals = [...refusals, { desk: this.desk, why }];
    this.desk = desk;
    this.job = undefined;
    this.#startedMs = undefined;
    this.#heardMs = undefined;
    return true;
  }

  /** An asker wants no more of it. */
  leave(asker: Asker): void {
    const others = this.#askers.some(
      (other) => other !== asker && !other.over && other.role === 'asks',
    );
    if (others) {
      const error = fault('cancelled', 'the query was cancelled');
      queueMicrotask(() => this.#finish(asker, { ok: false, error }));
    } else {
      this.#hangar.unwanted(this);
    }
  }

  #failedTurn(nowMs: number): FailedTurn | undefined {
    if (this.#startedMs === undefined) return undefined;
    return {
      engine: this.desk.name,
      elapsedMs: nowMs - this.askedMs,
      queuedMs: this.#startedMs - this.askedMs,
      firstByteMs: this.#heardMs === undefined ? undefined : this.#heardMs - this.askedMs,
    };
  }

  #delta(text: string): void {
    if (text === '') return;
    this.#streamed = true;
    if (this.query.requestId !== undefined) this.#text += text;
    this.#eachDelta(text);
  }

  #eachDelta(text: string): void {
    for (const asker of this.#askers) if (!asker.over) this.#call(asker, (to) => to.delta?.(text));
  }

  #land(outcome: QueryOutcome): void {
    if (this.over) return;
    this.over = true;
    this.#hangar.landed(this, outcome);
    if (this.returned) this.#finishAll(outcome);
    else queueMicrotask(() => this.#finishAll(outcome));
  }

  #finishAll(outcome: QueryOutcome): void {
    for (const asker of this.#askers) this.#finish(asker, outcome);
  }

  #finish(asker: Asker, outcome: QueryOutcome): void {
    if (asker.finished) return;
    asker.finished = true;
    asker.over = true;
    const { listener } = asker;
    asker.listener = undefined;
    try {
      listener?.done(outcome);
    } catch (thrown) {
      this.#hangar.listenerFailed(thrown);
    }
  }

  #each(call: (to: QueryListener) => void): void {
    for (const asker of this.#askers) if (!asker.over) this.#call(asker, call);
  }

  #call({ listener }: Asker, call: (to: QueryListener) => void): void {
    if (listener === undefined) return;
    try {
      call(listener);
    } catch (thrown) {
      this.#hangar.listenerFailed(thrown);
    }
  }
}

/** An outcome that is known already, told once `ask` has returned. */
export function tellLater(
  listener: QueryListener,
  outcome: QueryOutcome,
  hangar: Pick<Hangar, 'listenerFailed'>,
): Ticket {
  let detached = false;
  queueMicrotask(() => {
    if (detached) return;
    try {
      if (outcome.ok && outcome.reply.answer !== '') listener.delta?.(outcome.reply.answer);
      listener.done(outcome);
    } catch (thrown) {
      hangar.listenerFailed(thrown);
    }
  });
  return {
    cancel() {},
    detach() {
      detached = true;
    },
  };
}

/** One who asked, or who looks on. */
class Asker implements Ticket {
  listener: QueryListener | undefined;
  readonly role: 'asks' | 'follows';
  /** It has cancelled, or has had its outcome. */
  over = false;
  finished = false;
  readonly #flight: Flight;

  constructor(flight: Flight, listener: QueryListener, role: Asker['role']) {
    this.#flight = flight;
    this.listener = listener;
    this.role = role;
  }

  cancel(): void {
    if (this.over) return;
    this.over = true;
    this.#flight.leave(this);
  }

  detach(): void {
    this.listener = undefined;
  }
}
