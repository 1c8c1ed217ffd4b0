/** Makes a lane anew: links, ends, count and state, in transactions that stay short. */
import type { Database } from 'better-sqlite3';
import { isGone } from '../../owner.js';
import type { MendStep } from './finding.js';
import { isTooFar, type Lane, type Look } from './lane-state.js';
import type { Owed } from './lanes.js';

/** Rows written in one transaction. */
const PAGE = 500;

/**
 * @param kept the lane as it is, undefined when there is none
 * @returns transactions in order; each does nothing when the lane has changed since
 */
export function rebuild(owed: Owed, kept: Lane | undefined, look: Look): MendStep[] {
  const changes = changedRows(owed);
  const steps: MendStep[] = [];
  for (let at = 0; at < changes.length; at += PAGE) {
    const page = changes.slice(at, at + PAGE);
    steps.push((db, nowUs) => {
      if (!isUnchanged(db, owed, kept)) return false;
      for (const change of page) change(db, nowUs);
      return true;
    });
  }
  steps.push((db, nowUs) => {
    if (!isUnchanged(db, owed, kept)) return false;
    writeLane(db, owed, kept, look, nowUs);
    return true;
  });
  return steps;
}

type Change = (db: Database, nowUs: number) => void;

/** The rows that are not as they ought to be, and no others. */
function changedRows({ questions, finished }: Owed): Change[] {
  const changes: Change[] = finished.map((id) => (db) => {
    db.prepare('DELETE FROM warmline_work WHERE question_id = ?').run(id);
  });
  for (const [at, { id, next, priority, model }] of questions.entries()) {
    const right = questions[at + 1]?.id ?? null;
    if (next === undefined) {
      changes.push((db, nowUs) => {
        db.prepare(
          `INSERT OR IGNORE INTO warmline_work (question_id, next_id, priority, seen_at_us, model)
           VALUES (?, ?, ?, ?, ?)`,
        ).run(id, right, priority, nowUs, model ?? null);
      });
    } else if (next !== right) {
      changes.push((db) => {
        db.prepare('UPDATE warmline_work SET next_id = ? WHERE question_id = ?').run(right, id);
      });
    }
  }
  return changes;
}

/** Whatever happens to a question of a lane, a claim, an answer or a new one behind it, shows here. */
function isUnchanged(db: Database, { session, conversation }: Owed, kept: Lane | undefined) {
  const now = db
    .prepare(
      `SELECT head_id, tail_id, unfinished, state, lease_token, lease_until_us, attempts
       FROM warmline_lanes WHERE session = ? AND conversation_id = ?`,
    )
    .raw()
    .get(session, conversation);
  const then = kept && [
    kept.head,
    kept.tail,
    kept.unfinished,
    kept.state,
    kept.token,
    kept.untilUs,
    kept.attempts,
  ];
  return JSON.stringify(now) === JSON.stringify(then);
}

function writeLane(
  db: Database,
  { session, conversation, questions }: Owed,
  kept: Lane | undefined,
  look: Look,
  nowUs: number,
): void {
  const [head] = questions;
  const tail = questions.at(-1);
  if (kept?.state === 'leased') endLease(db, kept, look, nowUs);
  if (head === undefined || tail === undefined) {
    db.prepare('DELETE FROM warmline_lanes WHERE session = ? AND conversation_id = ?').run(
      session,
      conversation,
    );
    return;
  }
  const state = stateOf(head.id, kept, look);
  db.prepare(
    `INSERT INTO warmline_lanes
       (session, conversation_id, head_id, tail_id, unfinished, state, ready_at_us, rank_us, attempts)
     VALUES (:session, :conversation, :head, :tail, :unfinished, :state, :readyAtUs, :rankUs,
             coalesce((SELECT max(attempt) FROM warmline_attempts WHERE question_id = :head),
                      :attempts))
     ON CONFLICT (session, conversation_id) DO UPDATE
       SET head_id = excluded.head_id, tail_id = excluded.tail_id,
           unfinished = excluded.unfinished, state = excluded.state,
           ready_at_us = excluded.ready_at_us, attempts = excluded.attempts,
           claimed_at_us = NULL, lease_token = NULL, lease_owner = NULL, lease_until_us = NULL`,
  ).run({
    session,
    conversation,
    head: head.id,
    tail: tail.id,
    unfinished: questions.length,
    rankUs: nowUs - head.priority * 1_000_000,
    ...state,
  });
}

/** What the lane keeps, where it makes sense: another head begins from the start. */
function stateOf(head: number, kept: Lane | undefined, look: Look) {
  if (kept === undefined || kept.head !== head) {
    return { state: 'ready', readyAtUs: 0, attempts: 0 };
  }
  const isWaiting = kept.state === 'waiting' && kept.depends === 1;
  const isKept = kept.isOpen === 1 && (isWaiting || kept.state === 'expired');
  return {
    state: isKept ? kept.state : 'ready',
    readyAtUs: kept.isOpen === 0 || isTooFar(kept.readyAtUs, look) ? 0 : kept.readyAtUs,
    attempts: Math.max(0, kept.attempts),
  };
}

/** The attempt has been made, even when nobody is left to tell how it went. */
function endLease(db: Database, lane: Lane, { here }: Look, nowUs: number): void {
  const { session, conversation, head, claimedAtUs, owner } = lane;
  if (claimedAtUs === null || lane.attempts < 1) return;
  db.prepare(
    `INSERT OR IGNORE INTO warmline_attempts
       (question_id, attempt, session, conversation_id, outcome, seen_at_us, claimed_at_us,
        finished_at_us)
     SELECT question_id, :attempt, :session, :conversation, :outcome, seen_at_us, :claimedAtUs,
            max(:nowUs, :claimedAtUs)
     FROM warmline_work WHERE question_id = :head`,
  ).run({
    head,
    attempt: lane.recorded + 1,
    session,
    conversation,
    outcome: owner !== null && isGone(owner, here) ? 'owner_gone' : 'lease_expired',
    claimedAtUs,
    nowUs,
  });
}
