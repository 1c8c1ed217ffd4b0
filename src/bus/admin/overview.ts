/**
 * The bus at a glance, for whoever looks again and again: however much is on it, each part looks at
 * no more than the unfinished conversations and a bounded number of rows, and nothing is written.
 */
import type { Database } from 'better-sqlite3';
import type { BusStats } from '../bus.js';
import type { SqliteBus } from '../sqlite/store.js';
import { type Quantiles, quantiles } from './quantiles.js';
import { type Park, parksIn, type Worker, workersIn } from './workers.js';

/** Times are microseconds since the epoch. */
export interface BusOverview {
  readonly takenAtUs: number;
  readonly stats: BusStats;
  /** Engines that take no work. */
  readonly parks: readonly Park[];
  /** The autopolls that work on the bus or did lately, the one heard of last first. */
  readonly workers: readonly Worker[];
  /** Those with unfinished questions, the one whose oldest question came first first. */
  readonly conversations: readonly ConversationStanding[];
  readonly recent: RecentEnds;
}

interface ConversationStanding {
  readonly conversationId: string;
  /** Of its oldest unfinished question. `delayed`: it is tried again later. */
  readonly state: 'pending' | 'processing' | 'delayed' | 'waiting' | 'expired';
  readonly unfinished: number;
  readonly oldestId: number;
  readonly oldestSeenAtUs: number;
}

/** How the latest questions ended, up to a thousand of them. */
interface RecentEnds {
  /** Questions that ended within the last minute; more than a thousand are reckoned from their pace. */
  readonly perMinute: number;
  /** From when an answered question was seen until it was answered, in milliseconds. */
  readonly totalMs: Quantiles | undefined;
}

const RECENT = 1000;
const MINUTE_US = 60_000_000;

/**
 * @param conversations at most so many are told
 * @throws BusError
 */
export function overviewOf(bus: SqliteBus, conversations: number, nowUs: number): BusOverview {
  return bus.read((db) =>
    db
      .transaction(() => ({
        takenAtUs: nowUs,
        stats: bus.stats(),
        parks: parksIn(db, bus.session),
        workers: workersIn(db, bus.session),
        conversations: standings(db, bus.session, conversations, nowUs),
        recent: recentEnds(db, bus.session, nowUs),
      }))
      .deferred(),
  );
}

function standings(
  db: Database,
  session: string,
  limit: number,
  nowUs: number,
): ConversationStanding[] {
  // Ids are given out in the order of asking.
  return db
    .prepare(
      `SELECT l.conversation_id AS conversationId, l.unfinished, l.head_id AS oldestId,
              w.seen_at_us AS oldestSeenAtUs,
              CASE WHEN l.state = 'leased' THEN 'processing'
                   WHEN l.state = 'ready' AND l.ready_at_us > :nowUs THEN 'delayed'
                   WHEN l.state = 'ready' THEN 'pending'
                   ELSE l.state END AS state
       FROM (SELECT * FROM warmline_lanes WHERE session = :session
             ORDER BY head_id LIMIT :limit) l
       JOIN warmline_work w ON w.question_id = l.head_id
       ORDER BY l.head_id`,
    )
    .all({ session, limit, nowUs }) as ConversationStanding[];
}

interface EndRow {
  readonly isAnswered: 0 | 1;
  readonly totalUs: number;
  readonly endedAtUs: number;
}

function recentEnds(db: Database, session: string, nowUs: number): RecentEnds {
  const rows = db
    .prepare(
      `SELECT outcome = 'complete' AS isAnswered, completed_at_us - seen_at_us AS totalUs,
              completed_at_us AS endedAtUs
       FROM (SELECT * FROM warmline_done ORDER BY question_id DESC LIMIT ${RECENT})
       WHERE session = ? AND outcome IN ('complete', 'failed', 'dead')`,
    )
    .all(session) as EndRow[];
  const answered = rows.filter(({ isAnswered }) => isAnswered === 1);
  return {
    perMinute: perMinute(
      rows.map(({ endedAtUs }) => endedAtUs),
      nowUs,
    ),
    totalMs: quantiles(answered.map(({ totalUs }) => totalUs / 1000)),
  };
}

function perMinute(endsUs: readonly number[], nowUs: number): number {
  const within = endsUs.filter((atUs) => atUs > nowUs - MINUTE_US);
  if (within.length < RECENT) return within.length;
  const sinceUs = Math.max(1, nowUs - within.reduce((first, atUs) => Math.min(first, atUs)));
  return Math.round((within.length * MINUTE_US) / sinceUs);
}
