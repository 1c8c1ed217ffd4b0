/** What other questions depend on, looked up in the bus; inside the transaction of a claim. */

import type { Database } from 'better-sqlite3';
import { REMOVED } from '../answer.js';
import {
  IN_EXPIRED_CONVERSATION,
  judge,
  mayDepend,
  type ParentLookup,
  type ParentState,
  type Verdict,
  whyFailed,
} from '../depends.js';
import { parseTaken } from '../question.js';
import type { Head, ParentRow, Positional } from './rows.js';
import { isOpen } from './sql-time.js';
import type { Statements } from './statements.js';

/**
 * A query id is looked for among so many messages before the question, and so much of their text, in
 * characters: `messages` has no index, and the lock must not be held for a walk through all of it.
 */
const NEAR_ROWS = 2_000;
const NEAR_CHARS = 1_000_000;
const NEAR_ROW_BYTES = 65_536;

/** A question asked again asks one again that was asked again; nobody does that so often. */
const MAX_REDRIVES = 100;

/**
 * Whether the head of a lane may be leased, as far as it depends on others. One that has to wait
 * leaves notes of what for, and is taken up again when that is finished.
 */
export function judgeHead(sql: Statements, head: Head, now: string): Verdict {
  if (!mayDepend(head.message)) return { step: 'ask' };
  const verdict = judge(head.id, parseTaken(head.message, head.metadata), lookup(sql, head, now));
  sql.dropDepends.run(JSON.stringify([head.id]));
  if (verdict.step !== 'wait') return verdict;
  for (const parent of verdict.parents) sql.addDepends.run(head.id, parent);
  return verdict;
}

/**
 * Tells the lanes that wait for questions which have ended. One that was answered is one less to wait
 * for; one that was not ends the wait at once.
 */
export function endParents(
  sql: Statements,
  answered: readonly number[],
  unanswered: readonly number[],
): void {
  if (sql.anyDepends.get() === undefined) return;
  const all = [...answered, ...unanswered];
  sql.dropDepends.run(JSON.stringify(all));
  for (const parents of [answered, unanswered]) {
    if (parents.length === 0) continue;
    const ids = JSON.stringify(parents);
    const children = sql.childrenOf.all(ids).map(([child]) => child);
    if (children.length === 0) continue;
    sql.dropParents.run(ids);
    sql.wakeWaiting.run(JSON.stringify(children), parents === unanswered ? 1 : 0);
  }
}

function lookup(sql: Statements, head: Head, now: string): ParentLookup {
  return {
    idsOf: (names) => idsNear(sql, head.id, names),
    stateOf: (id) => stateOf(sql, redrivenAs(sql, id, head.id), now),
  };
}

/** A question that was asked again counts as the latest of these, if that came before the asker. */
function redrivenAs(sql: Statements, id: number, before: number): number {
  let latest = id;
  for (let count = 0; count < MAX_REDRIVES; count += 1) {
    const again = sql.redrivenAs.get(latest)?.[0];
    if (again === undefined || again >= before) break;
    latest = again;
  }
  return latest;
}

function stateOf(sql: Statements, id: number, now: string): ParentState {
  const [outcome, errorCode, isUnfinished, isExpired] = sql.parent.get(now, id) ?? [];
  if (outcome === 'complete') return { at: 'answered' };
  if (outcome === 'ignored' && errorCode !== REMOVED) return { at: 'unknown' };
  if (outcome != null) return { at: 'failed', why: whyFailed(outcome, errorCode) };
  if (isUnfinished !== 1) return { at: 'unknown' };
  return isExpired === 1
    ? { at: 'failed', why: IN_EXPIRED_CONVERSATION }
    : { at: 'unfinished', id };
}

function idsNear(
  sql: Statements,
  before: number,
  names: readonly string[],
): ReadonlyMap<string, number> {
  const missing = new Set(names);
  const found = new Map<string, number>();
  let chars = 0;
  for (const [id, message] of sql.messagesBefore.iterate(before, before - NEAR_ROWS)) {
    chars += message.length;
    if (missing.size === 0 || chars > NEAR_CHARS) break;
    const queryId = queryIdOf(message);
    if (queryId !== undefined && missing.delete(queryId)) found.set(queryId, id);
  }
  return found;
}

function queryIdOf(message: string): string | undefined {
  if (!message.includes('query')) return undefined;
  const parsed = parseTaken(message, null);
  return parsed.kind === 'ignored' ? undefined : parsed.queryId;
}

export function prepareParents(db: Database) {
  const hot = <P extends unknown[], R = never>(sql: string) =>
    db.prepare(sql) as unknown as Positional<P, R>;
  const tuples = <P extends unknown[], R extends readonly unknown[]>(sql: string) =>
    db.prepare(sql).raw() as unknown as Positional<P, R>;
  return {
    waitLane: hot<[lane: number]>(
      `UPDATE warmline_lanes SET state = 'waiting' WHERE lane_id = ? AND state = 'ready'`,
    ),
    addDepends: hot<[id: number, parent: number]>(
      `INSERT OR IGNORE INTO warmline_depends VALUES (?, ?)`,
    ),
    dropDepends: hot<[ids: string]>(
      `DELETE FROM warmline_depends WHERE question_id IN (SELECT value FROM json_each(?))`,
    ),
    anyDepends: hot<[], unknown>(`SELECT 1 FROM warmline_depends LIMIT 1`),
    /** Children of these, each once. */
    childrenOf: tuples<[ids: string], readonly [child: number]>(
      `SELECT DISTINCT question_id FROM warmline_depends
       WHERE parent_id IN (SELECT value FROM json_each(?))`,
    ),
    dropParents: hot<[ids: string]>(
      `DELETE FROM warmline_depends WHERE parent_id IN (SELECT value FROM json_each(?))`,
    ),
    /** Lanes whose head is one of these look again: when nothing is left to wait for, or even so. */
    wakeWaiting: hot<[children: string, evenSo: 0 | 1]>(
      `UPDATE warmline_lanes SET state = 'ready'
       WHERE state = 'waiting' AND head_id IN (SELECT value FROM json_each(?))
         AND (? OR NOT EXISTS (SELECT 1 FROM warmline_depends d WHERE d.question_id = head_id))`,
    ),
    redrivenAs: tuples<[id: number], readonly [again: number]>(
      `SELECT again_id FROM warmline_redrives WHERE question_id = ?`,
    ),
    parent: tuples<[now: string, id: number], ParentRow>(
      `SELECT d.outcome, d.error_code, w.question_id IS NOT NULL,
              NOT ${isOpen('c.expires_at', '?')}
       FROM (SELECT ? AS id) AS wanted
       LEFT JOIN warmline_done d ON d.question_id = wanted.id
       LEFT JOIN warmline_work w ON w.question_id = wanted.id
       LEFT JOIN messages m ON m.id = wanted.id
       LEFT JOIN conversations c ON c.id = m.conversation_id`,
    ),
    messagesBefore: tuples<[before: number, from: number], readonly [id: number, message: string]>(
      `SELECT id, message FROM messages
       WHERE id < ? AND id >= ? AND typeof(message) = 'text'
         AND octet_length(message) <= ${NEAR_ROW_BYTES}
       ORDER BY id DESC`,
    ),
  };
}
