/** What the statements of the bus take and give: rows, and how their values are bound. */
import type { Lease } from '../bus.js';

export interface HeadsParams {
  session: string;
  now: string;
  nowUs: number;
  limit: number;
  /** JSON list of models; null for none. */
  without: string | null;
}

/** Addressed to our side and unread. */
export type NewRow = readonly [
  id: number,
  conversation: unknown,
  size: 0 | typeof LARGE | typeof OVERSIZED,
  /** Null, as the metadata, where the row is `LARGE`, or `OVERSIZED` and so never read. */
  message: unknown,
  metadata: unknown,
];

/** Read by itself, not with its neighbours. */
export const LARGE = 1;
export const OVERSIZED = 2;

export type WorkRow = readonly [
  id: number,
  nextId: number | null,
  priority: number,
  seenAtUs: number,
  model: string | null,
];

export type ParentRow = readonly [
  outcome: string | null,
  errorCode: string | null,
  isUnfinished: 0 | 1,
  isExpired: 0 | 1,
];

export type LaneRow = readonly [
  lane: number,
  token: string | null,
  head: number,
  /** The question behind the head; null, with all that follows, when there is none. */
  next: number | null,
  priority: number,
  seenAtUs: number,
  /** The next question may be leased without another look. */
  plain: 0 | 1 | null,
  message: unknown,
  metadata: unknown,
  model: string | null,
];

export interface Head {
  readonly lane: number;
  readonly conversation: string;
  readonly id: number;
  readonly unfinished: number;
  readonly attempts: number;
  readonly rankUs: number;
  readonly seenAtUs: number;
  /** As it was taken in. */
  readonly model: string | null;
  /** The question and its conversation still exist. */
  readonly whole: 0 | 1;
  /** Too large to be read; `message` and `metadata` are null then. */
  readonly oversized: 0 | 1;
  readonly message: unknown;
  readonly metadata: unknown;
  readonly expired: 0 | 1;
}

export interface Named<P, R> {
  get(values: P): R | undefined;
  all(values: P): R[];
  iterate(values: P): IterableIterator<R>;
  run(values: P): Ran;
}

export type Addressee = readonly [
  id: number,
  conversation: unknown,
  from: unknown,
  to: unknown,
  conversationExists: 0 | 1,
];

export type AnswerRow = readonly [
  conversation: unknown,
  from: unknown,
  to: unknown,
  message: string,
  metadata: string,
  now: string,
];

export type AuditRow = readonly [
  conversation: string,
  session: string,
  action: string,
  details: string,
  now: string,
];

export type DoneRow = readonly [
  id: number,
  session: string,
  conversation: string,
  outcome: string,
  answerId: number | null,
  attempts: number,
  errorCode: string | null,
  seenAtUs: number,
  claimedAtUs: number | null,
  completedAtUs: number,
  ...turn: TurnRow,
];

/** As `turnRow` makes it: within the times of the attempt it belongs to. */
export type TurnRow = readonly [
  engine: string | null,
  startedAtUs: number | null,
  firstByteAtUs: number | null,
  inputTokens: number | null,
  outputTokens: number | null,
];

export type AttemptRow = readonly [
  id: number,
  attempt: number,
  session: string,
  conversation: string,
  outcome: 'retried' | 'lease_expired' | 'owner_gone',
  errorCode: string | null,
  errorMessage: string | null,
  seenAtUs: number,
  claimedAtUs: number,
  finishedAtUs: number,
  ...turn: TurnRow,
];

export interface Positional<P extends unknown[], R> {
  get(...values: P): R | undefined;
  all(...values: P): R[];
  iterate(...values: P): IterableIterator<R>;
  run(...values: P): Ran;
}

export interface Ran {
  readonly changes: number;
  readonly lastInsertRowid: number | bigint;
}

/** A question as it ends; `claimedAtUs` is that of its last attempt, null when it ends without. */
export type Finishing = Omit<Lease, 'lane' | 'token' | 'claimedAtUs'> & {
  readonly claimedAtUs: number | null;
};

export interface Ignorable {
  readonly id: number;
  readonly conversation: string;
  readonly seenAtUs: number;
}

/** A message, what is kept of it as a question, and the lane of its conversation. */
export interface Withdrawable {
  readonly conversation: unknown;
  readonly hasConversation: 0 | 1;
  readonly isRead: 0 | 1;
  readonly oversized: 0 | 1;
  readonly message: unknown;
  readonly metadata: unknown;
  readonly outcome: string | null;
  readonly errorCode: string | null;
  readonly isHeld: 0 | 1;
  readonly next: number | null;
  readonly seenAtUs: number | null;
  readonly lane: number | null;
  readonly head: number | null;
  readonly token: string | null;
  readonly state: string | null;
  readonly attempts: number | null;
  readonly claimedAtUs: number | null;
}

/** A lease as the reaper finds it, with what an attempt that ends by it leaves. */
export interface LeaseRow {
  readonly lane: number;
  readonly id: number;
  readonly conversation: string;
  readonly attempt: number;
  readonly seenAtUs: number | null;
  readonly claimedAtUs: number;
  readonly token: string;
  readonly owner: string;
  readonly untilUs: number;
}

export interface LaneCount {
  readonly state: 'ready' | 'leased' | 'expired' | 'waiting';
  readonly lanes: number;
  readonly delayed: number;
  readonly unfinished: number;
}
