/**
 * The one room of decisions between the doors and the pools: which engine, which context, whether a
 * query is new, and what is known about all of it. `contract.ts` says what doors may rely on.
 */
import { type After, type Clock, systemAfter } from '../clock.js';
import type { ContextFile, ContextRoots } from '../context/index.js';
import { fault, type WarmlineError } from '../errors.js';
import { failpoint } from '../failpoints/index.js';
import type { Log } from '../log.js';
import { DEFAULT_LIMITS, Pool } from '../sessions/index.js';
import { admit, lookupsFull } from './admission.js';
import type {
  Bridge,
  BridgeHealth,
  ModelReport,
  Query,
  QueryListener,
  QueryOutcome,
  Ticket,
} from './contract.js';
import {
  type ConfiguredEngine,
  type Desk,
  linkFallbacks,
  requireUniqueNames,
  usualDesk,
} from './desk.js';
import { Flight, type Hangar, tellLater } from './inflight.js';
import { Lookups } from './lookups.js';
import { type QueueReport, Queues } from './queues.js';
import { bridgeHealth, deskStats, modelReport, sessionReport } from './reports.js';
import { DEFAULT_REPLAYS, type ReplayLimits, RequestIds } from './request-ids.js';
import { createClaims, createRouter } from './routing.js';
import { Tally } from './tally.js';

export interface BridgeOptions {
  /** At least one; names are unique. */
  readonly engines: readonly ConfiguredEngine[];
  /** Name of the engine for queries that name none, or one nobody knows; absent: the first. */
  readonly defaultEngine?: string | undefined;
  readonly contexts: ContextRoots;
  readonly clock: Clock;
  readonly log: Log;
  readonly replays?: Partial<ReplayLimits> | undefined;
  /** Time, for tests that own it. */
  readonly after?: After | undefined;
  /** Numbers in [0, 1), for the jitter of back-offs. */
  readonly random?: (() => number) | undefined;
}

/**
 * Starts the warm sessions and takes queries.
 * @throws ConfigError when no engine is given, a name is given twice, or the default or a fall-back
 *   is unknown
 */
export function createBridge(options: BridgeOptions): Bridge {
  return new WarmBridge(options);
}

const NOTHING_KNOWN = { flight: undefined, stored: undefined };

class WarmBridge implements Bridge {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #desks: readonly Desk[];
  readonly #usual: Desk;
  readonly #route: (model: string | undefined) => Desk;
  readonly #claims: (model: string) => Desk | undefined;
  readonly #lookups: Lookups;
  readonly #byRequestId: RequestIds<Flight>;
  readonly #hangar: Hangar;
  readonly #queues: Queues;
  readonly #sinceMs: number;
  /** Queries that have no outcome yet. */
  #open = 0;
  /** Those of them whose context is being looked up. */
  #lookingUp = 0;
  #joined = 0;
  #replayed = 0;
  #stopping = false;
  #drained: (() => void)[] = [];
  readonly #observers: ((engine: string, outcome: QueryOutcome) => void)[] = [];

  constructor(options: BridgeOptions) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#sinceMs = options.clock.monotonicMs();
    this.#desks = openDesks(options);
    this.#usual = usualDesk(this.#desks, options.defaultEngine);
    this.#route = createRouter(this.#desks, this.#usual);
    this.#claims = createClaims(this.#desks, this.#usual);
    this.#lookups = new Lookups(options.contexts, () => this.#clock.monotonicMs());
    this.#byRequestId = new RequestIds({ ...DEFAULT_REPLAYS, ...options.replays }, this.#clock);
    this.#queues = new Queues(options.clock);
    this.#hangar = {
      ready: (flight) => this.#ready(flight),
      unwanted: (flight) => this.#unwanted(flight),
      refused: (flight, error) => this.#refused(flight, error),
      landed: (flight, outcome) => this.#landed(flight, outcome),
      listenerFailed: (error) => this.#log.error({ err: error }, 'a listener of a query threw'),
    };
    this.#warm();
  }

  ask(query: Query, listener: QueryListener): Ticket {
    const { requestId } = query;
    const known = requestId === undefined ? undefined : this.#byRequestId.find(requestId);
    const { flight, stored } = known ?? NOTHING_KNOWN;
    const admission = admit(query, { stopping: this.#stopping, flight, stored });
    switch (admission.kind) {
      case 'run':
        return this.#run(query, listener);
      case 'join':
        this.#joined += 1;
        return admission.flight.join(listener);
      case 'replay':
        this.#replayed += 1;
        return tellLater(listener, admission.stored.outcome, this.#hangar);
      case 'refuse':
        return tellLater(listener, { ok: false, error: admission.error }, this.#hangar);
      default:
        return admission satisfies never;
    }
  }

  follow(requestId: string, follower: QueryListener): (() => void) | undefined {
    const known = this.#byRequestId.find(requestId);
    if (known?.flight !== undefined) return known.flight.follow(follower);
    if (known?.stored === undefined) return undefined;
    return tellLater(follower, known.stored.outcome, this.#hangar).detach;
  }

  observe(ended: (engine: string, outcome: QueryOutcome) => void): void {
    this.#observers.push(ended);
  }

  models(): readonly ModelReport[] {
    const others = this.#desks.filter((desk) => desk !== this.#usual);
    return [this.#usual, ...others].map((desk) => modelReport(desk, desk === this.#usual));
  }

  claims(model: string): ModelReport | undefined {
    const desk = this.#claims(model);
    return desk && modelReport(desk, desk === this.#usual);
  }

  health(): BridgeHealth {
    const nowMs = this.#clock.monotonicMs();
    const now = { monotonicMs: nowMs, wallMs: this.#clock.wallUs() / 1_000 };
    const { ready, status, ...health } = bridgeHealth(this.#desks, this.#usual, now);
    const troubled = status === 'ok' && this.#queues.troubled;
    return {
      ...health,
      status: troubled ? 'degraded' : status,
      ready: ready && !this.#stopping,
      queues: this.#queues.list(),
    };
  }

  stats(): Record<string, unknown> {
    const engines = this.#desks.map((desk) => [desk.name, deskStats(desk)] as const);
    return {
      uptime_ms: Math.round(this.#clock.monotonicMs() - this.#sinceMs),
      in_flight: this.#open,
      joined: this.#joined,
      replayed: this.#replayed,
      stored_replies: this.#byRequestId.stored,
      engines: Object.fromEntries(engines),
      queues: this.#queues.list(),
    };
  }

  sessions(): Record<string, unknown>[] {
    const nowMs = this.#clock.monotonicMs();
    return this.#desks.flatMap((desk) =>
      desk.pool.sessions.map((session) => sessionReport(desk, session, nowMs)),
    );
  }

  reportQueue(from: object, queue: QueueReport): void {
    this.#queues.report(from, queue);
  }

  forgetQueue(from: object): void {
    this.#queues.forget(from);
  }

  drain(): Promise<void> {
    this.#stopping = true;
    if (this.#open === 0) return Promise.resolve();
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  async close(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#desks.map(({ pool }) => pool.close()));
    const closed = await Promise.allSettled(this.#desks.map(({ engine }) => engine.close()));
    for (const end of closed) {
      if (end.status === 'rejected') this.#log.warn({ err: end.reason }, 'an engine did not close');
    }
  }

  #run(query: Query, listener: QueryListener): Ticket {
    const nowMs = this.#clock.monotonicMs();
    failpoint('srv.enqueue');
    const desk = this.#route(query.model);
    const flight = new Flight(query, listener, desk, nowMs, this.#hangar);
    this.#open += 1;
    if (query.requestId !== undefined) this.#byRequestId.began(query.requestId, flight);
    if (!this.#lookups.needs(flight, nowMs)) this.#submit(flight, nowMs);
    else this.#lookUp(flight, nowMs);
    flight.returned = true;
    return flight.ticket;
  }

  #submit(flight: Flight, nowMs: number): void {
    const { desk } = flight;
    const job = desk.pool.submit(flight, nowMs);
    // Refused at once, it is with a fall-back already, and under way as another job.
    if (flight.desk === desk) flight.job = job;
  }

  #refused(flight: Flight, error: WarmlineError): boolean {
    const { desk } = flight;
    const { fallback } = desk;
    if (fallback === undefined || this.#stopping || !flight.moveTo(fallback, error)) return false;
    desk.tally.fellBack += 1;
    this.#submit(flight, this.#clock.monotonicMs());
    return true;
  }

  #lookUp(flight: Flight, nowMs: number): void {
    const refusal = lookupsFull(this.#lookingUp);
    if (refusal !== undefined) {
      flight.failed(refusal);
      return;
    }
    flight.lookingUp = true;
    this.#lookingUp += 1;
    this.#lookups.start(flight, nowMs);
  }

  #ready(flight: Flight): void {
    this.#lookingUp -= 1;
    flight.lookingUp = false;
    this.#submit(flight, this.#clock.monotonicMs());
  }

  #unwanted(flight: Flight): void {
    // Whoever asks with its request id from now on asks anew: this one ends as cancelled.
    const { requestId } = flight.query;
    if (requestId !== undefined) this.#byRequestId.forget(requestId, flight);
    if (flight.job !== undefined) flight.desk.pool.cancel(flight.job);
    else flight.failed(fault('cancelled', 'the query was cancelled'));
  }

  #landed(flight: Flight, outcome: QueryOutcome): void {
    if (flight.lookingUp) this.#lookingUp -= 1;
    const { requestId } = flight.query;
    if (requestId !== undefined) this.#byRequestId.ended(requestId, flight, outcome);
    flight.desk.tally.add(outcome);
    for (const ended of this.#observers) ended(flight.desk.name, outcome);
    this.#open -= 1;
    if (this.#open > 0 || this.#drained.length === 0) return;
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  /** Opens the spares; those of engines that bind to a context, for the default one. */
  #warm(): void {
    const bound: Desk[] = [];
    for (const desk of this.#desks) {
      if (desk.engine.binds === 'context') bound.push(desk);
      else desk.pool.warm(undefined);
    }
    // Also without such an engine: queries that come at once need not find out about a default.
    const found = (context: ContextFile | undefined) => {
      for (const { pool } of bound) pool.warm(context);
    };
    const notFound = () => found(undefined);
    const query = { contextName: undefined, key: undefined, found, notFound };
    this.#lookups.start(query, this.#sinceMs);
  }
}

function openDesks(options: BridgeOptions): Desk[] {
  const { clock, log, after = systemAfter, random = Math.random } = options;
  requireUniqueNames(options.engines);
  const desks = options.engines.map(({ engine, kind, limits, aliases }) => ({
    name: engine.name,
    kind: kind ?? engine.name,
    model: engine.model,
    aliases: aliases ?? [],
    engine,
    pool: new Pool({ engine, limits: { ...DEFAULT_LIMITS, ...limits }, clock, after, log, random }),
    tally: new Tally(),
    fallback: undefined,
  }));
  linkFallbacks(desks, options.engines);
  return desks;
}
