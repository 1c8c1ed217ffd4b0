/** Buses to drain, and the bare loop a drain is compared with. */
import { rmSync } from 'node:fs';
import Database from 'better-sqlite3';
import { openSqliteBus } from '../src/bus/index.js';

export const STAMP = '2026-01-01T00:00:00.000000';
/** When old questions were answered, microseconds since the epoch. */
const LONG_AGO_US = 1_600_000_000_000_000;
const FOREVER = '2099-01-01T00:00:00';

export interface Backlog {
  readonly questions: number;
  readonly conversations: number;
  /** Questions that were finished long ago, in `messages` and in our audit. */
  readonly oldRows: number;
}

export async function makeBus(file: string, backlog: Backlog): Promise<void> {
  for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true });
  await openSqliteBus({ file, create: true }).close();
  const db = new Database(file);
  db.pragma('synchronous = OFF');
  const conversation = db.prepare('INSERT INTO conversations VALUES (?, ?, ?, ?, ?, ?, ?)');
  const message = db.prepare(
    `INSERT INTO messages (conversation_id, from_session, to_session, message, metadata, timestamp, read)
     VALUES (?, 'a', 'b', ?, '{"action_type": "question"}', '${STAMP}', ?)`,
  );
  db.transaction(() => {
    for (let number = 0; number < backlog.conversations; number += 1) {
      conversation.run(idOf(number), 'asker', 'shard', 'x', 'y', STAMP, FOREVER);
    }
    const total = backlog.oldRows + backlog.questions;
    for (let number = 0; number < total; number += 1) {
      const text = JSON.stringify({
        type: 'query',
        query_id: `q_${number}`,
        question: `What is the answer to question ${number}?`,
      });
      message.run(idOf(number % backlog.conversations), text, number < backlog.oldRows ? 1 : 0);
    }
  })();
  db.exec(`
    INSERT INTO warmline_done (question_id, session, conversation_id, outcome, attempts, seen_at_us,
                               claimed_at_us, started_at_us, completed_at_us, engine)
    SELECT id, 'b', conversation_id, 'complete', 1, 0, ${LONG_AGO_US}, ${LONG_AGO_US},
           ${LONG_AGO_US} + id % 1000 * 1000, 'fake' FROM messages WHERE read = 1;
    INSERT INTO warmline_cursor SELECT 'b', coalesce(max(id), 0) FROM messages WHERE read = 1;
    INSERT INTO warmline_counters VALUES ('b', 'complete', ${backlog.oldRows});
  `);
  db.pragma('wal_checkpoint(TRUNCATE)');
  db.close();
}

/**
 * What one answer has to leave on the bus in one transaction (the answer row, the audit row, the read
 * mark and a terminal state), over and over, each committed by itself. @returns answers a second
 */
export function bareLoop(file: string, limit: number): number {
  const db = new Database(file);
  db.pragma('synchronous = FULL');
  const rows = db
    .prepare('SELECT id, conversation_id AS conversation FROM messages WHERE read = 0 LIMIT ?')
    .all(limit) as { id: number; conversation: string }[];
  const answer = db.prepare(
    `INSERT INTO messages (conversation_id, from_session, to_session, message, metadata, timestamp, read)
     VALUES (?, 'b', 'a', ?, ?, '${STAMP}', 0)`,
  );
  const audit = db.prepare(
    `INSERT INTO audit_log (conversation_id, session_id, action, details, timestamp)
     VALUES (?, 'b', 'send_message', ?, '${STAMP}')`,
  );
  const read = db.prepare('UPDATE messages SET read = 1 WHERE id = ?');
  const done = db.prepare(
    `INSERT INTO warmline_done (question_id, session, conversation_id, outcome, answer_id, attempts,
                                seen_at_us, claimed_at_us, completed_at_us)
     VALUES (?, 'b', ?, 'complete', ?, 1, 0, 0, 1)`,
  );
  const started = performance.now();
  for (const { id, conversation } of rows) {
    const text = JSON.stringify({
      type: 'response',
      query_id: `q_${id}`,
      answer: `fake: What is the answer to question ${id}?`,
      sources: [],
      shard_id: 'warmline',
      llm_type: 'fake',
      response_time_sec: 0.001,
    });
    db.exec('BEGIN IMMEDIATE');
    const { lastInsertRowid } = answer.run(
      conversation,
      text,
      `{"action_type":"response","in_reply_to":${id}}`,
    );
    audit.run(conversation, `{"in_reply_to": ${id}, "message_length": ${text.length}}`);
    read.run(id);
    done.run(id, conversation, lastInsertRowid);
    db.exec('COMMIT');
  }
  const seconds = (performance.now() - started) / 1000;
  db.close();
  return rows.length / seconds;
}

/** Answers a second between the first claim and the last answer, as the bus itself recorded them. */
export function recordedRate(file: string): { answers: number; rate: number } {
  const db = new Database(file, { readonly: true });
  const { answers, from, to } = db
    .prepare(
      `SELECT count(*) AS answers, min(claimed_at_us) AS "from", max(completed_at_us) AS "to"
       FROM warmline_done WHERE outcome = 'complete' AND claimed_at_us > ${LONG_AGO_US}`,
    )
    .get() as { answers: number; from: number; to: number };
  db.close();
  return { answers, rate: answers / ((to - from) / 1e6) };
}

function idOf(number: number): string {
  return `conv_${number.toString(16).padStart(16, '0')}`;
}
