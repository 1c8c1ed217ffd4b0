/** What is found to differ from the truth, with what mends it. */
import type { Database } from 'better-sqlite3';

export type FindingKind = 'lane' | 'lost' | 'unread' | 'watermark' | 'count' | 'leftover';

/** Differences between what is kept and the truth that are mended together. */
export interface Finding {
  readonly kind: FindingKind;
  /** A sentence for each. */
  readonly messages: readonly string[];
  /** Transactions that mend them, in order; none when they have to wait. */
  readonly steps: readonly MendStep[];
}

/** Runs in a transaction. @returns false when things have changed since; then it did nothing */
export type MendStep = (db: Database, nowUs: number) => boolean;

/** Differences of one kind that are told and mended in one round. */
export const MAX_FINDINGS = 10_000;
