/** Reads what the checker compares, with statements of its own: it trusts no code that it checks. */
import { readFileSync } from 'node:fs';
import Database from 'better-sqlite3';
import type { Noted } from '../../src/failpoints/index.js';
import type { AttemptFact, BusFacts, DoneFact } from './facts.js';

export function readBus(file: string): BusFacts {
  const db = new Database(file, { readonly: true, fileMustExist: true });
  try {
    // One moment for all of it, whoever writes meanwhile.
    return db.transaction(() => factsOf(db))();
  } finally {
    db.close();
  }
}

interface MessageRow {
  readonly id: number;
  readonly conversation: string;
  readonly message: string;
  readonly metadata: string | null;
  readonly read: number;
}

function factsOf(db: Database.Database): BusFacts {
  const messages = (side: 'to_session' | 'from_session') =>
    db
      .prepare(
        `SELECT id, conversation_id AS conversation, message, metadata, read
         FROM messages WHERE ${side} = 'b' ORDER BY id`,
      )
      .all() as MessageRow[];
  return {
    questions: messages('to_session').map(({ read, ...row }) => ({ ...row, read: read === 1 })),
    answers: messages('from_session').map(({ id, conversation, message, metadata }) => ({
      id,
      conversation,
      question: Number(parse(metadata)?.in_reply_to ?? 0),
      answer: String(parse(message)?.answer ?? ''),
    })),
    done: db
      .prepare(
        `SELECT question_id AS question, outcome, answer_id AS answer, attempts AS attempt
         FROM warmline_done`,
      )
      .all() as DoneFact[],
    attempts: db
      .prepare(
        `SELECT question_id AS question, conversation_id AS conversation, attempts AS attempt,
                outcome, seen_at_us AS seenUs, claimed_at_us AS claimedUs,
                started_at_us AS startedUs, first_byte_at_us AS firstByteUs,
                completed_at_us AS finishedUs
         FROM warmline_done WHERE outcome IN ('complete', 'failed', 'dead')
         UNION ALL
         SELECT question_id, conversation_id, attempt, outcome, seen_at_us, claimed_at_us,
                started_at_us, first_byte_at_us, finished_at_us
         FROM warmline_attempts`,
      )
      .all() as AttemptFact[],
  };
}

/** What SQLite itself finds wrong with the file, or nothing. */
export function findDamage(file: string): string[] {
  const db = new Database(file, { readonly: true, fileMustExist: true });
  try {
    const lines = db.pragma('integrity_check(10)') as { integrity_check: string }[];
    return lines.map((line) => line.integrity_check).filter((line) => line !== 'ok');
  } finally {
    db.close();
  }
}

/**
 * The lines that are written by now; one that is on its way is left out.
 * @throws Error when a line is none of a history
 */
export function readHistory(file: string): Noted[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line, index) => {
      const fact = parse(line);
      if (typeof fact?.what === 'string') return fact as unknown as Noted;
      throw new Error(`${file}:${index + 1} is no line of a history: ${line.slice(0, 80)}`);
    });
}

function parse(text: string | null): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text ?? 'null') ?? undefined;
  } catch {
    return undefined;
  }
}
