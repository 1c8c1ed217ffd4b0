/** All that is known of one message: where it stands, what it waits for, how its attempts went. */
import type { Database } from 'better-sqlite3';
import { type Clock, systemClock } from '../../clock.js';
import type { Attempt, Side } from '../bus.js';
import { MAX_QUESTION_BYTES, OVERSIZED, type ParsedQuestion, parseQuestion } from '../question.js';
import { isOpen, usOf } from '../sqlite/sql-time.js';
import type { SqliteBus } from '../sqlite/store.js';
import { naiveUtc } from '../stamp.js';
import type { ChangeStatus } from './changes.js';

/**
 * `unseen`: no warmline has looked at it yet. `pending` and `processing`: unfinished. `expired`:
 * unfinished, and nobody can open its conversation any more. `other`: not a question to our side, or
 * read by somebody before it was looked at. The rest are ends.
 */
export type QuestionStatus = ChangeStatus | 'unseen' | 'other';

/** Why a pending question is not being answered at this moment. Times are microseconds since the epoch. */
export type WaitReason =
  /** Questions of a conversation are answered in order. */
  | { readonly for: 'turn'; readonly behindId: number }
  | { readonly for: 'parents'; readonly ids: readonly number[] }
  /** `error`: what the last attempt failed with. */
  | { readonly for: 'delay'; readonly untilUs: number; readonly error: string | undefined }
  | {
      readonly for: 'engine';
      /** Empty for the default one. */
      readonly engine: string;
      /** Undefined when nobody knows. */
      readonly untilUs: number | undefined;
      readonly code: string;
      readonly message: string;
    }
  /** Nothing stands in its way. */
  | { readonly for: 'worker' };

interface Processing {
  readonly attempt: number;
  readonly owner: string;
  readonly sinceUs: number;
  readonly leaseUntilUs: number;
}

export interface QuestionDetails {
  readonly messageId: number;
  readonly conversationId: string;
  readonly from: string;
  readonly to: string;
  readonly status: QuestionStatus;
  /** As its row reads now: its writer can change it. Absent when the row is gone. */
  readonly question: ParsedQuestion | undefined;
  /** As the row has it: naive UTC. */
  readonly askedAt: string | undefined;
  readonly seenAtUs: number | undefined;
  readonly finishedAtUs: number | undefined;
  /** Since it was asked: until it was finished, or until now. Undefined for what is no question. */
  readonly ageMs: number | undefined;
  readonly conversation: 'open' | 'expired' | 'gone';
  readonly waits: WaitReason | undefined;
  readonly processing: Processing | undefined;
  /** Those that have ended, oldest first. */
  readonly attempts: readonly Attempt[];
  readonly errorCode: string | undefined;
  /** The answer row, if it is still there: its id and its JSON text. */
  readonly answer: { readonly id: number; readonly message: string } | undefined;
  /** The question that asks this one again, and the one this one asks again. */
  readonly redrivenAs: number | undefined;
  readonly redriveOf: number | undefined;
}

/**
 * @returns undefined when there is no such message, and nothing is known of one
 * @throws BusError
 */
export function questionDetails(
  bus: SqliteBus,
  messageId: number,
  clock: Clock = systemClock,
): QuestionDetails | undefined {
  const nowUs = clock.wallUs();
  return bus.read((db) => db.transaction(() => details(db, bus, messageId, nowUs)).deferred());
}

function details(
  db: Database,
  bus: SqliteBus,
  messageId: number,
  nowUs: number,
): QuestionDetails | undefined {
  const row = messageRow(db, messageId);
  const done = doneRow(db, messageId);
  if (row === undefined && done === undefined) return undefined;
  const conversationId = String(row?.conversation ?? done?.conversation);
  const question = row && parse(row);
  const work = workRow(db, messageId);
  const lane = work && laneRow(db, bus.session, conversationId);
  const head = lane?.head === messageId ? lane : undefined;
  const status =
    done?.outcome ??
    (work === undefined
      ? unheldStatus(bus.session, row, question)
      : unfinishedStatus(lane, head !== undefined));
  const seenAtUs = done?.seenAtUs ?? work?.seenAtUs;
  const sinceUs = status === 'other' ? undefined : (row?.askedUs ?? seenAtUs);
  const endUs = done?.finishedAtUs ?? nowUs;
  return {
    messageId,
    conversationId,
    from: String(row?.from ?? ''),
    to: String(row?.to ?? done?.session),
    status,
    question,
    askedAt: row?.timestamp,
    seenAtUs,
    finishedAtUs: done?.finishedAtUs,
    ageMs: sinceUs === undefined ? undefined : Math.max(0, (endUs - sinceUs) / 1000),
    conversation: conversationState(db, conversationId, nowUs),
    waits:
      status === 'pending' && lane
        ? waitReason(db, bus.session, messageId, lane, question, nowUs)
        : undefined,
    processing: head?.state === 'leased' ? processing(head) : undefined,
    attempts: bus.attemptsOf(messageId),
    errorCode: done?.errorCode ?? undefined,
    answer: bus.answerTo(messageId),
    redrivenAs: pluck(
      db,
      'SELECT again_id FROM warmline_redrives WHERE question_id = ?',
      messageId,
    ),
    redriveOf: pluck(db, 'SELECT question_id FROM warmline_redrives WHERE again_id = ?', messageId),
  };
}

interface MessageRow {
  readonly conversation: unknown;
  readonly from: unknown;
  readonly to: unknown;
  readonly timestamp: string;
  /** Null when the time cannot be read. */
  readonly askedUs: number | null;
  readonly isRead: 0 | 1;
  readonly oversized: 0 | 1;
  readonly message: unknown;
  readonly metadata: unknown;
}

function messageRow(db: Database, id: number): MessageRow | undefined {
  return db
    .prepare(
      `SELECT conversation_id AS conversation, from_session AS "from", to_session AS "to", timestamp,
              ${usOf('timestamp')} AS askedUs,
              coalesce(read, 0) != 0 AS isRead, bytes > :most AS oversized,
              CASE WHEN bytes <= :most THEN message END AS message,
              CASE WHEN bytes <= :most THEN metadata END AS metadata
       FROM (SELECT *, coalesce(octet_length(message), 0) + coalesce(octet_length(metadata), 0)
                         AS bytes
             FROM messages WHERE id = :id)`,
    )
    .get({ id, most: MAX_QUESTION_BYTES }) as MessageRow | undefined;
}

function parse({ oversized, message, metadata }: MessageRow): ParsedQuestion {
  return oversized === 1 ? OVERSIZED : parseQuestion(message, metadata);
}

interface DoneRow {
  readonly session: Side;
  readonly conversation: string;
  readonly outcome: 'complete' | 'failed' | 'dead' | 'ignored' | 'orphaned';
  readonly errorCode: string | null;
  readonly seenAtUs: number;
  readonly finishedAtUs: number;
}

function doneRow(db: Database, id: number): DoneRow | undefined {
  return db
    .prepare(
      `SELECT session, conversation_id AS conversation, outcome, error_code AS errorCode,
              seen_at_us AS seenAtUs, completed_at_us AS finishedAtUs
       FROM warmline_done WHERE question_id = ?`,
    )
    .get(id) as DoneRow | undefined;
}

function workRow(db: Database, id: number): { readonly seenAtUs: number } | undefined {
  return db
    .prepare('SELECT seen_at_us AS seenAtUs FROM warmline_work WHERE question_id = ?')
    .get(id) as { readonly seenAtUs: number } | undefined;
}

interface LaneRow {
  readonly head: number;
  readonly state: 'ready' | 'leased' | 'expired' | 'waiting';
  readonly readyAtUs: number;
  readonly attempts: number;
  readonly owner: string | null;
  readonly claimedAtUs: number | null;
  readonly untilUs: number | null;
  readonly lastError: string | null;
}

function laneRow(db: Database, session: Side, conversation: string): LaneRow | undefined {
  return db
    .prepare(
      `SELECT head_id AS head, state, ready_at_us AS readyAtUs, attempts, lease_owner AS owner,
              claimed_at_us AS claimedAtUs, lease_until_us AS untilUs, last_error AS lastError
       FROM warmline_lanes WHERE session = ? AND conversation_id = ?`,
    )
    .get(session, conversation) as LaneRow | undefined;
}

function unheldStatus(
  session: Side,
  row: MessageRow | undefined,
  question: ParsedQuestion | undefined,
): QuestionStatus {
  const isOurs = row?.to === session && row.isRead === 0 && question?.kind !== 'ignored';
  return isOurs ? 'unseen' : 'other';
}

function unfinishedStatus(lane: LaneRow | undefined, isHead: boolean): QuestionStatus {
  if (lane?.state === 'expired') return 'expired';
  return lane?.state === 'leased' && isHead ? 'processing' : 'pending';
}

function processing({ attempts, owner, claimedAtUs, untilUs }: LaneRow): Processing {
  return {
    attempt: attempts,
    owner: owner ?? '',
    sinceUs: claimedAtUs ?? 0,
    leaseUntilUs: untilUs ?? 0,
  };
}

function waitReason(
  db: Database,
  session: Side,
  id: number,
  lane: LaneRow,
  question: ParsedQuestion | undefined,
  nowUs: number,
): WaitReason {
  if (lane.head !== id) return { for: 'turn', behindId: lane.head };
  if (lane.state === 'waiting') return { for: 'parents', ids: parentsOf(db, id) };
  const engine = question?.kind === 'question' ? (question.model ?? '') : '';
  const park = parkOf(db, session, engine, nowUs);
  if (park) return { for: 'engine', engine, ...park };
  const { readyAtUs, lastError } = lane;
  if (readyAtUs <= nowUs) return { for: 'worker' };
  return { for: 'delay', untilUs: readyAtUs, error: lastError ?? undefined };
}

function parentsOf(db: Database, id: number): number[] {
  return db
    .prepare('SELECT parent_id FROM warmline_depends WHERE question_id = ? ORDER BY parent_id')
    .pluck()
    .all(id) as number[];
}

interface Park {
  readonly untilUs: number | undefined;
  readonly code: string;
  readonly message: string;
}

/** An end that nobody knows is stored as 0. */
function parkOf(db: Database, session: Side, engine: string, nowUs: number): Park | undefined {
  const park = db
    .prepare(
      `SELECT until_us AS untilUs, code, message FROM warmline_parks
       WHERE session = ? AND engine = ? AND (until_us = 0 OR until_us > ?)`,
    )
    .get(session, engine, nowUs) as Park | undefined;
  return park && { ...park, untilUs: park.untilUs || undefined };
}

function conversationState(db: Database, id: string, nowUs: number): 'open' | 'expired' | 'gone' {
  const expired = db
    .prepare(`SELECT NOT ${isOpen('expires_at', '?')} FROM conversations WHERE id = ?`)
    .pluck()
    .get(naiveUtc(nowUs), id);
  if (expired === undefined) return 'gone';
  return expired === 1 ? 'expired' : 'open';
}

function pluck(db: Database, sql: string, id: number): number | undefined {
  return db.prepare(sql).pluck().get(id) as number | undefined;
}
