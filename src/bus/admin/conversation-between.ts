/** A conversation of two named partners: the one there is, or a new one. */
import { DEFAULT_LIFETIME_MS, type Side } from '../bus.js';
import { conversationRow, INSERT_CONVERSATION } from '../sqlite/conversation.js';
import type { SqliteBus } from '../sqlite/store.js';
import { naiveUtc } from '../stamp.js';

interface Partners {
  readonly asker: string;
  readonly answerer: string;
  /** The side that answers. */
  readonly side: Side;
  /** It has to last at least so long from now, in milliseconds. */
  readonly lastsMs: number;
}

/**
 * The conversation with these two roles that ends last, if it lasts long enough, else a new one.
 * Two programs that look at the same moment get the same one.
 * @returns its id
 */
export function conversationBetween(
  bus: Pick<SqliteBus, 'write'>,
  { asker, answerer, side, lastsMs }: Partners,
): Promise<string> {
  const [a, b] = side === 'b' ? [asker, answerer] : [answerer, asker];
  return bus.write((db, nowUs) => {
    const until = naiveUtc(nowUs + lastsMs * 1000);
    const found = db
      .prepare(
        `SELECT id FROM conversations
         WHERE session_a_role = ? AND session_b_role = ? AND julianday(expires_at) > julianday(?)
         ORDER BY julianday(expires_at) DESC LIMIT 1`,
      )
      .pluck()
      .get(a, b, until) as string | undefined;
    if (found !== undefined) return found;
    // Twice as long as is asked for, so that the next question finds it as well.
    const lifetimeMs = Math.max(DEFAULT_LIFETIME_MS, 2 * lastsMs);
    const row = conversationRow({ roleA: a, roleB: b, lifetimeMs }, nowUs);
    db.prepare(INSERT_CONVERSATION).run(row);
    return row.id;
  });
}
