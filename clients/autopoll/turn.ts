/** What to ask for a lease, and what to write for what came of it. Pure. */
import {
  type Answer,
  errorAnswer,
  type Failure,
  type Lease,
  type ParsedQuestion,
  planRetry,
  type RetryPolicy,
  requestIdOf,
  sessionKey,
  type TurnRecord,
} from '../../src/bus/index.js';
import type { FailedTurn, QueryOptions, Answer as Reply } from '../socket/index.js';
import type { TurnClocks } from './clocks.js';

export interface TurnSettings {
  /** The conversation is the session: its questions share a context. */
  readonly sticky: boolean;
  /** Time for a turn where neither its question nor `clocks` name one, in milliseconds. */
  readonly turnTimeoutMs: number;
  readonly clocks?: TurnClocks | undefined;
  /** How answers name who wrote them. */
  readonly shardId: string;
  readonly retry: RetryPolicy;
}

export type Settlement =
  | { readonly step: 'complete'; readonly answer: Answer }
  | {
      readonly step: 'retry';
      readonly delayMs: number;
      readonly code: string;
      readonly message: string;
      readonly turn: TurnRecord | undefined;
    }
  /** Not tried: the attempt is given back. */
  | { readonly step: 'release'; readonly delayMs: number };

export interface TurnFailure extends Failure {
  readonly message: string;
  readonly turn?: FailedTurn | undefined;
}

/** When a turn came to its end. */
export interface Ended {
  /** Microseconds since the epoch. */
  readonly atUs: number;
  /** Milliseconds since the question was claimed. */
  readonly afterMs: number;
}

/** A question waits this long for a session before that counts as a failed attempt. */
const LONGEST_QUEUE_MS = 3_600_000;

type Question = Extract<ParsedQuestion, { kind: 'question' }>;

/** An answer that needs no engine: the question cannot be understood, or its attempts are used up. */
export function answerWithoutAsking(lease: Lease, settings: TurnSettings): Answer | undefined {
  const { question, attempt } = lease;
  if (question.kind === 'invalid') {
    const { code = 'bad_request', message } = question;
    return errorAnswer({ code, message, attempts: attempt, dead: false }, settings.shardId, 0);
  }
  const { maxAttempts } = settings.retry;
  if (attempt <= maxAttempts) return undefined;
  const message = `gave up after ${maxAttempts} attempts that never came to an end; ask again, or ask something smaller`;
  const error = { code: 'internal', message, attempts: maxAttempts, dead: true };
  return errorAnswer(error, settings.shardId, 0);
}

/**
 * A question's own `session` belongs to its conversation, so that no conversation can enter another's
 * context. The request id makes a second attempt join the first one if that still runs, or take its
 * stored answer: asking again costs no second model call then. The time of a question is that of its
 * turn: waiting in the queue of a busy bridge uses up none of it.
 */
export function queryFor(lease: Lease, question: Question, settings: TurnSettings): QueryOptions {
  const { conversationId } = lease;
  const isSticky = question.session !== undefined || settings.sticky;
  const turnTimeoutMs =
    question.timeoutMs ??
    settings.clocks?.timeoutMs(conversationId, question.model) ??
    settings.turnTimeoutMs;
  return {
    contextFile: question.contextFile,
    session: isSticky ? sessionKey(conversationId, question.session) : undefined,
    model: question.model,
    priority: question.priority === 0 ? undefined : question.priority,
    turnTimeoutMs,
    timeoutMs: LONGEST_QUEUE_MS + turnTimeoutMs,
    requestId: requestIdOf(conversationId, lease.questionId, lease.seenAtUs),
  };
}

export function settleReply(reply: Reply, ended: Ended, settings: TurnSettings): Settlement {
  return {
    step: 'complete',
    answer: {
      answer: reply.answer,
      sources: reply.sources,
      shardId: settings.shardId,
      llmType: reply.engine,
      responseTimeSec: ended.afterMs / 1000,
      turn: recordOf(reply, ended.atUs, reply.usage),
    },
  };
}

/** @param random in [0, 1), spreads retries */
export function settleFailure(
  lease: Lease,
  failure: TurnFailure,
  ended: Ended,
  random: number,
  settings: TurnSettings,
): Settlement {
  const { code, message } = failure;
  const turn = failure.turn && recordOf(failure.turn, ended.atUs);
  const plan = planRetry(failure, lease.attempt, random, settings.retry);
  switch (plan.step) {
    case 'retry':
      return { step: 'retry', delayMs: plan.delayMs, code, message, turn };
    case 'park':
      return { step: 'release', delayMs: plan.delayMs };
    case 'answer_error': {
      const error = { code, message, attempts: lease.attempt, dead: plan.dead };
      const answer = errorAnswer(error, settings.shardId, ended.afterMs);
      return { step: 'complete', answer: { ...answer, turn } };
    }
  }
}

/** The times of the bridge count from when it took the question; its last one is now. */
function recordOf(turn: FailedTurn, endedAtUs: number, usage?: Reply['usage']): TurnRecord {
  const takenAtUs = endedAtUs - turn.elapsedMs * 1000;
  return {
    engine: turn.engine,
    startedAtUs: takenAtUs + turn.queuedMs * 1000,
    firstByteAtUs: turn.firstByteMs === undefined ? undefined : takenAtUs + turn.firstByteMs * 1000,
    inputTokens: usage?.input_tokens,
    outputTokens: usage?.output_tokens,
  };
}
