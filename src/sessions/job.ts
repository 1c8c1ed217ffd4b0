import type { ContextFile } from '../context/index.js';
import type { TurnEvent, TurnResult } from '../engines/index.js';
import type { WarmlineError } from '../errors.js';
import type { Wanted } from './affinity.js';
import type { TurnTimes } from './clocks.js';
import type { Session } from './session.js';

/** A query as the pool needs it, called back by the pool. Exactly one of the last two, once. */
export interface Work {
  readonly question: string;
  readonly context: ContextFile | undefined;
  /** Key of a sticky session; undefined asks for a fresh one. */
  readonly key: string | undefined;
  /** Higher goes first among waiting queries. */
  readonly priority: number;
  /** When it was asked, in monotonic milliseconds; its time runs from here. */
  readonly askedMs: number;
  /** Time for waiting and answering together, in milliseconds; undefined leaves it to the pool. */
  readonly timeoutMs: number | undefined;
  /** Time for the turn alone, in milliseconds; undefined leaves it to the pool. */
  readonly turnTimeoutMs?: number | undefined;
  /** It has waited for a moment; called then and every few seconds. `position` counts from 1. */
  waiting(position: number): void;
  started(sessionId: string, nowMs: number): void;
  event(event: TurnEvent, nowMs: number): void;
  answered(result: TurnResult, nowMs: number): void;
  failed(error: WarmlineError, nowMs: number): void;
}

/** A query inside a pool: first where it stands in the line, then the clocks of its turn. */
export class Job implements TurnTimes, Wanted {
  readonly work: Work;
  readonly key: string | undefined;
  readonly contextId: string | undefined;
  /** Order of arrival. */
  readonly seq: number;
  /** When waiting and answering must be over, in monotonic milliseconds. */
  readonly expiresMs: number;
  /** When its asker is next told that it still waits. */
  noteMs = 0;
  /** The session it was given to. */
  session: Session | undefined = undefined;
  startedMs = 0;
  heardMs: number | undefined = undefined;
  endsByMs = 0;
  /** Characters emitted so far. */
  chars = 0;
  /** Nothing more may come from the engine for this turn. */
  over = false;

  constructor(work: Work, seq: number, expiresMs: number) {
    this.work = work;
    this.key = work.key;
    this.contextId = work.context?.identity;
    this.seq = seq;
    this.expiresMs = expiresMs;
  }
}
