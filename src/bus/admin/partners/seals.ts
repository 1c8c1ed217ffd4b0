/**
 * A question, for whoever can show a seal that only the holder of its asker's token could be given:
 * so it is found again by a name that tells nothing of the token and that nobody can guess.
 */
import { createHmac } from 'node:crypto';
import { isOpen } from '../../sqlite/sql-time.js';
import type { SqliteBus } from '../../sqlite/store.js';
import { naiveUtc } from '../../stamp.js';

interface SealedQuestion {
  readonly seal: string;
  /** Naive UTC. */
  readonly askedAt: string;
  /** How long its token lasts from when it was asked, in milliseconds; null when that is unknown. */
  readonly lifetimeMs: number | null;
}

/** @returns undefined when there is no such message, or its conversation has expired */
export function sealedQuestion(
  bus: Pick<SqliteBus, 'read'>,
  messageId: number,
  nowUs: number,
): SealedQuestion | undefined {
  const row = bus.read((db) =>
    db
      .prepare(
        `SELECT m.timestamp AS askedAt,
                CASE m.from_session WHEN 'a' THEN session_a_token ELSE session_b_token END AS token,
                (julianday(expires_at) - julianday(m.timestamp)) * 86400000 AS lifetime
         FROM messages m JOIN conversations c ON c.id = m.conversation_id
         WHERE m.id = ? AND ${isOpen('expires_at', '?')}`,
      )
      .get(messageId, naiveUtc(nowUs)),
  ) as { askedAt: unknown; token: unknown; lifetime: number | null } | undefined;
  if (typeof row?.token !== 'string' || row.token === '') return undefined;
  return {
    seal: createHmac('sha256', row.token)
      .update(`question ${messageId}`)
      .digest('hex')
      .slice(0, 32),
    askedAt: String(row.askedAt),
    lifetimeMs: row.lifetime === null ? null : Math.max(0, Math.round(row.lifetime)),
  };
}
