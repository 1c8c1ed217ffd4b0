/** What is found to differ from the truth, with what mends it. */
import type { Database } from 'better-sqlite3';

export type FindingKind = 'lane' | 'lost' | 'unread' | 'watermark' | 'count' | 'leftover';

/** A difference between what is kept and the truth. */
export interface Finding {
  readonly kind: FindingKind;
  /** A sentence for people. */
  readonly message: string;
  /** Transactions that mend it, in order; none when it has to wait. */
  readonly steps: readonly MendStep[];
}

/** Runs in a transaction. @returns false when things have changed since; then it did nothing */
export type MendStep = (db: Database, nowUs: number) => boolean;

/** Differences of one kind that are told and mended in one round. */
export const MAX_FINDINGS = 10_000;
