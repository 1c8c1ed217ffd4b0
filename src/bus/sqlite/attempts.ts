/** Attempts as rows: the last one stands with its finished question, those before by themselves. */
import type { Attempt, AttemptOutcome, TurnRecord } from '../bus.js';
import { within } from '../turn-record.js';
import type { TurnRow } from './rows.js';
import type { Statements } from './statements.js';

const NO_TURN: TurnRow = [null, null, null, null, null];

export function turnRow(
  turn: TurnRecord | undefined,
  claimedAtUs: number,
  finishedAtUs: number,
): TurnRow {
  if (turn === undefined) return NO_TURN;
  const kept = within(turn, claimedAtUs, finishedAtUs);
  return [
    kept.engine ?? null,
    kept.startedAtUs ?? null,
    kept.firstByteAtUs ?? null,
    kept.inputTokens ?? null,
    kept.outputTokens ?? null,
  ];
}

export function attemptsOf(sql: Statements, questionId: number): Attempt[] {
  return sql.attemptsOf.all({ id: questionId }).map((row) => ({
    questionId,
    attempt: row.attempt,
    outcome: row.outcome,
    errorCode: row.errorCode ?? undefined,
    errorMessage: row.errorMessage ?? undefined,
    engine: row.engine ?? undefined,
    seenAtUs: row.seenAtUs,
    claimedAtUs: row.claimedAtUs,
    startedAtUs: row.startedAtUs ?? undefined,
    firstByteAtUs: row.firstByteAtUs ?? undefined,
    finishedAtUs: row.finishedAtUs,
    inputTokens: row.inputTokens ?? undefined,
    outputTokens: row.outputTokens ?? undefined,
  }));
}

export interface StoredAttempt {
  readonly attempt: number;
  readonly outcome: AttemptOutcome;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  readonly engine: string | null;
  readonly seenAtUs: number;
  readonly claimedAtUs: number;
  readonly startedAtUs: number | null;
  readonly firstByteAtUs: number | null;
  readonly finishedAtUs: number;
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
}
