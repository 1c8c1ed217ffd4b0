/** Shows our side as alive, page by page: a bus may have many conversations. */
import { naiveUtc } from '../stamp.js';
import type { Statements } from './statements.js';

/** Conversations whose heartbeat is written in one transaction. */
const PAGE = 500;

/**
 * @param conversations all that have not expired when undefined
 * @param settle runs a job in a transaction
 */
export async function beat(
  session: string,
  conversations: readonly string[] | undefined,
  settle: <T>(run: (sql: Statements, nowUs: number) => T) => Promise<T>,
): Promise<void> {
  if (conversations?.length === 0) return;
  const among = conversations ? JSON.stringify(conversations) : null;
  for (let after = ''; ; ) {
    const from = after;
    const page = await settle((sql, nowUs) => {
      const now = naiveUtc(nowUs);
      return sql.heartbeats.all({ session, now, after: from, limit: PAGE, conversations: among });
    });
    const last = page.at(-1)?.id;
    if (last === undefined || page.length < PAGE) return;
    after = last;
  }
}
