/**
 * What a door (TCP, HTTP) may ask of the bridge. Doors translate; the bridge decides.
 *
 * The listener is plain callbacks rather than promises or iterators: a query must cost a few
 * microseconds, and every promise on the path of a query is a tenth of that.
 */

import type { TurnResult, TurnStage } from '../engines/index.js';
import type { WarmlineError } from '../errors.js';
import type { QueueReport } from './queues.js';

export interface Query {
  readonly question: string;
  readonly contextFile?: string | undefined;
  /** Key of a sticky session; absent means `fresh`. */
  readonly session?: string | undefined;
  readonly model?: string | undefined;
  /** Total time the asker gives, queueing included, in milliseconds. */
  readonly timeoutMs?: number | undefined;
  /** Time for the turn itself, from when a session takes it up, in milliseconds. */
  readonly turnTimeoutMs?: number | undefined;
  /** Higher goes first among waiting queries; default 0. */
  readonly priority?: number | undefined;
  readonly requestId?: string | undefined;
}

/** A turn that a session took up; times in milliseconds since the query was asked. */
export interface FailedTurn {
  readonly engine: string;
  readonly elapsedMs: number;
  readonly queuedMs: number;
  /** The first sign of life of the engine, if there was any. */
  readonly firstByteMs?: number | undefined;
}

export interface QueryReply extends TurnResult, FailedTurn {
  /** Id of the warm session that answered, or the sticky key's session id. */
  readonly session: string;
  readonly requestId?: string | undefined;
}

export interface QueryListener {
  /** Called at most once, when the query has to wait for more than a moment; `position` counts from 1. */
  accepted?(position: number): void;
  /** A session took the query up; once somebody follows the query. */
  started?(): void;
  /** Something happened that a lease may be renewed for; at most once a second per query. */
  progress?(progress: { stage: 'queued' | TurnStage; message?: string | undefined }): void;
  delta?(text: string): void;
  /** Called exactly once, last, never before `ask` returned. */
  done(outcome: QueryOutcome): void;
}

/** What a client may name as its `model`. */
export interface ModelReport {
  /** The engine that answers. */
  readonly engine: string;
  /** What the engine is made of, `claude`. */
  readonly kind: string;
  /** The model as replies report it. */
  readonly model: string;
  readonly aliases: readonly string[];
  /** Answers queries that name no model, or one that nobody claims. */
  readonly isDefault: boolean;
}

export type QueryOutcome =
  | { readonly ok: true; readonly reply: QueryReply }
  | {
      readonly ok: false;
      readonly error: WarmlineError;
      readonly turn?: FailedTurn | undefined;
    };

export interface Ticket {
  /** Stops the work unless someone else joined it by `requestId`; `done` follows with `cancelled`. */
  cancel(): void;
  /** The asker is gone and nobody needs `done`: the work goes on, for `requestId` to find. */
  detach(): void;
}

export interface Bridge {
  ask(query: Query, listener: QueryListener): Ticket;
  /**
   * Looks on at the query with this request id, or at its stored reply, without being one who asks:
   * whoever asked decides whether the work
   * goes on. What was told before is told first.
   * @returns what ends it, or undefined when nothing is known of such a query
   */
  follow(requestId: string, follower: QueryListener): (() => void) | undefined;
  /** Tells of the end of every query: which engine it was for, and how it ended. */
  observe(ended: (engine: string, outcome: QueryOutcome) => void): void;
  /** Every engine, the default one first. */
  models(): readonly ModelReport[];
  /** The engine that claims this `model`; undefined: the default one answers, for nobody does. */
  claims(model: string): ModelReport | undefined;
  /** Wire-shaped reports; see `docs/protocol.md`. */
  health(): BridgeHealth;
  stats(): Record<string, unknown>;
  sessions(): Record<string, unknown>[];
  /**
   * Shows what an autopoll says of its queue, until `from` says something new, is forgotten, or too
   * many others have reported since.
   */
  reportQueue(from: object, queue: QueueReport): void;
  forgetQueue(from: object): void;
  /** Refuses new queries with `shutting_down`; resolves when no query runs. */
  drain(): Promise<void>;
  /** Ends every session at once; running queries fail with `shutting_down`. */
  close(): Promise<void>;
}

export interface BridgeHealth {
  readonly status: 'ok' | 'degraded' | 'down';
  readonly ready: boolean;
  /** One entry per engine: state, sessions warm/busy/starting, queued, last failure, auth, limit. */
  readonly engines: Record<string, unknown>[];
  /** One entry for each autopoll that reports; see `docs/protocol.md`. */
  readonly queues: Record<string, unknown>[];
  /** Process ids of engine children, for the zombie count. */
  readonly childPids: readonly number[];
}
