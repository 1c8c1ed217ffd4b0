/**
 * The memory bus as a queue of questions: what it promises, whichever adapter holds it.
 *
 *     put ──► pending ──claim──► leased ──complete──► answered (terminal, immutable)
 *                ▲                  │
 *                └── retry, release, reap (lease ran out, or its owner is gone)
 *
 * What is always true:
 *  - A lease carries a fresh token. `renew`, `complete`, `retry` and `release` change something
 *    only while that token is the question's; otherwise they answer `lost` and change nothing.
 *  - An answer, its audit entry, the read mark and the terminal state become visible together.
 *  - Questions of one conversation are leased one at a time, oldest first; conversations do not
 *    wait for each other, and the one that has waited longest goes first.
 *  - Attempts grow at `claim`, so that a worker that dies silently still uses one up.
 *
 * Calls made in the same turn of the event loop share one transaction (group commit); each keeps
 * its own fence inside it.
 */
import type { ParsedQuestion } from './question.js';

/** The two sides of a conversation. */
export type Side = 'a' | 'b';

export interface Lease {
  readonly questionId: number;
  readonly conversationId: string;
  /** The adapter's own number for the conversation's queue. */
  readonly lane: number;
  readonly token: string;
  /** Counts from 1; above the limit the worker answers with an error instead of trying again. */
  readonly attempt: number;
  readonly question: ParsedQuestion;
  /** When the question was first seen and when it was claimed, microseconds since the epoch. */
  readonly seenAtUs: number;
  readonly claimedAtUs: number;
}

export interface ClaimRequest {
  /** At most this many leases. */
  readonly limit: number;
  readonly leaseMs: number;
  /** Only these conversations; all when absent. */
  readonly conversations?: readonly string[] | undefined;
  /** Also questions whose conversation has expired. */
  readonly includeExpired?: boolean | undefined;
  /** No questions that name one of these models now; the empty text stands for naming none. */
  readonly withoutModels?: readonly string[] | undefined;
}

export type Kept = 'kept' | 'lost';

/**
 * How a question that is unfinished is taken off the queue. `cancel`: it gets an error answer of code
 * `cancelled`, and who works on it has lost its lease. `remove`: it gets none and counts as
 * `ignored`; not while somebody works on it.
 */
export type Withdrawal = 'cancel' | 'remove';

/** `missing`: there is no such question for our side, or its conversation is gone. */
export type Withdrawn = 'withdrawn' | 'processing' | 'finished' | 'missing';

/** What is known of a turn, for the figures. Times are microseconds since the epoch. */
export interface TurnRecord {
  readonly engine?: string | undefined;
  /** When a session took the question up, and when the first of the answer came. */
  readonly startedAtUs?: number | undefined;
  readonly firstByteAtUs?: number | undefined;
  readonly inputTokens?: number | undefined;
  readonly outputTokens?: number | undefined;
}

export interface Answer {
  readonly answer: string;
  readonly sources: readonly string[];
  /** Which shard and which kind of model answered, as the asker reads them. */
  readonly shardId: string;
  readonly llmType: string;
  readonly responseTimeSec: number;
  /** Present when this is an error answer. `dead`: attempts are used up. */
  readonly error?: AnswerError | undefined;
  /** Kept beside the answer, not part of what the asker reads. */
  readonly turn?: TurnRecord | undefined;
}

/** A question and its answer. */
export interface Answered {
  readonly lease: Lease;
  readonly answer: Answer;
}

/** What became of an answer: see `complete`, or why it could not be written. */
export type Completed = Kept | 'orphaned' | Error;

export interface AnswerError {
  readonly code: string;
  readonly message: string;
  readonly attempts: number;
  readonly dead: boolean;
}

export interface RetryRequest {
  readonly delayMs: number;
  readonly code: string;
  readonly message: string;
  readonly turn?: TurnRecord | undefined;
}

/** How an attempt ended: the last one as its question did, those before as stated. */
export type AttemptOutcome =
  | 'retried'
  | 'lease_expired'
  | 'owner_gone'
  | 'complete'
  | 'failed'
  | 'dead'
  | 'orphaned';

/** An attempt that has ended. Times are microseconds since the epoch. */
export interface Attempt extends TurnRecord {
  readonly questionId: number;
  /** Counts from 1. */
  readonly attempt: number;
  readonly outcome: AttemptOutcome;
  readonly errorCode?: string | undefined;
  readonly errorMessage?: string | undefined;
  readonly seenAtUs: number;
  readonly claimedAtUs: number;
  readonly finishedAtUs: number;
}

/** What was found and handed out again. */
export interface Reaped {
  /** The lease ran out. */
  readonly expired: number;
  /** The process that held the lease is provably gone. */
  readonly gone: number;
  /** Leases that ought to have been freed and could not be: each is tried again by the next pass. */
  readonly failed: number;
}

export interface BusStats {
  /** Unread rows that have not been looked at yet count as questions. */
  readonly pending: number;
  readonly leased: number;
  /** Waiting for a retry. Part of `pending`. */
  readonly delayed: number;
  /** Questions behind one that waits for others to be answered, that one included. Part of `pending`. */
  readonly waiting: number;
  /** Questions of expired conversations, left alone. Part of `pending`. */
  readonly expired: number;
  readonly complete: number;
  readonly failed: number;
  readonly dead: number;
  readonly ignored: number;
  /** Answers dropped because the question or its conversation had been deleted. */
  readonly orphaned: number;
  /** Writes refused because their lease was no longer held. */
  readonly stale: number;
  /** Age of the oldest pending question that may be answered, in milliseconds; 0 when none. */
  readonly oldestPendingMs: number;
}

export interface NewQuestion {
  readonly conversationId: string;
  readonly from: Side;
  /** The `message` and `metadata` columns, as they are to be stored. */
  readonly message: string;
  readonly metadata: string | null;
}

export const DEFAULT_LIFETIME_MS = 3 * 3600_000;

export interface NewConversation {
  readonly roleA: string;
  readonly roleB: string;
  /** Default three hours, as the programs that share the bus use. */
  readonly lifetimeMs?: number;
}

export interface StoredAnswer {
  readonly id: number;
  /** The JSON text of the answer row. */
  readonly message: string;
}

export interface Bus {
  /** Leases up to `limit` questions for this process; fewer, or none, when there are fewer. */
  claim(request: ClaimRequest): Promise<Lease[]>;
  renew(lease: Lease, leaseMs: number): Promise<Kept>;
  /** Writes the answer. `orphaned`: the question vanished, nothing was written for the asker. */
  complete(lease: Lease, answer: Answer): Promise<Kept | 'orphaned'>;
  /**
   * The same for many, which costs less each. Never rejects: the result of an answer that could not
   * be written is the error, and the others are written all the same.
   */
  completeAll(answered: readonly Answered[]): Promise<readonly Completed[]>;
  /** Gives the question back after a failed attempt, to be claimed again after a delay. */
  retry(lease: Lease, request: RetryRequest): Promise<Kept>;
  /** Gives the question back, to be claimed again after `delayMs`: the attempt does not count. */
  release(lease: Lease, delayMs?: number): Promise<Kept>;
  /** Takes an unfinished question off the queue, wherever it stands. */
  withdraw(questionId: number, how: Withdrawal): Promise<Withdrawn>;
  /**
   * Frees questions whose lease ran out or whose owner is gone. Our own leases end by the monotonic
   * clock, those of others by the wall clock.
   */
  reap(): Promise<Reaped>;
  stats(): BusStats;
  /** When the next delayed question may be claimed: milliseconds from now, or undefined. */
  nextReadyMs(): number | undefined;
  /** Whether any question may be claimed or is leased by anybody, expired conversations aside. */
  hasWork(request: Pick<ClaimRequest, 'conversations' | 'includeExpired'>): boolean;
  /**
   * Shows our side as alive in `session_status`: in the named conversations, or in every
   * conversation that has not expired. A partner takes us for dead after 120 s of silence.
   */
  heartbeat(conversations?: readonly string[]): Promise<void>;
  /** Calls back soon after another program changed the bus, and at times for nothing. */
  watch(listener: () => void): () => void;
  createConversation(conversation: NewConversation): Promise<string>;
  /** Puts a message on the bus, to the other side; returns its id. */
  put(question: NewQuestion): Promise<number>;
  /** The attempts at a question that have ended, oldest first. */
  attemptsOf(questionId: number): Attempt[];
  /** The answer row to a question, when there is one. */
  answerTo(questionId: number): StoredAnswer | undefined;
  close(): Promise<void>;
}

/** What an adapter tells its owner beside the results of calls; for the log. */
export interface BusObserver {
  /** A conversation was found to have expired with this many questions unanswered. */
  expired?(conversationId: string, questions: number): void;
  /** Writes cannot go through at the moment; they wait and are tried again. */
  trouble?(error: BusError, waitedMs: number): void;
  recovered?(waitedMs: number): void;
}

export type BusErrorCode =
  | 'bus_missing'
  | 'bus_schema'
  | 'bus_read_only'
  | 'bus_corrupt'
  | 'bus_busy'
  | 'bus_full'
  | 'bus_io'
  | 'bus_version'
  | 'bus_closed';

/** The bus cannot be used as it is: a code and a sentence with the next step. */
export class BusError extends Error {
  override readonly name = 'BusError';
  readonly code: BusErrorCode;

  constructor(code: BusErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}
