import { naiveUtc } from '../../src/bus/index.js';
import type { BusHarness } from '../contract/bus.harness.js';
import { TempBus, TestClock } from '../support/temp-bus.js';

export function sqliteHarness(): BusHarness {
  const clock = new TestClock();
  const temp = new TempBus(clock);
  const { peer } = temp;
  return {
    clock,
    join: (options = {}) => temp.open({ clock, ...options }),
    insert: (row) => temp.insert(row),
    deleteQuestion: (id) => void peer.prepare('DELETE FROM messages WHERE id = ?').run(id),
    deleteConversation: (id) => {
      peer.prepare('DELETE FROM messages WHERE conversation_id = ?').run(id);
      peer.prepare('DELETE FROM conversations WHERE id = ?').run(id);
    },
    setExpiry: (id, atUs) =>
      void peer
        .prepare('UPDATE conversations SET expires_at = ? WHERE id = ?')
        .run(naiveUtc(atUs), id),
    markRead: (id) => void peer.prepare('UPDATE messages SET read = 1 WHERE id = ?').run(id),
    rewrite: (id, message, metadata) =>
      void peer
        .prepare('UPDATE messages SET message = ?, metadata = ? WHERE id = ?')
        .run(message, metadata, id),
    rows: () =>
      temp.rows().map((row) => ({
        id: row.id,
        conversationId: row.conversation_id,
        from: row.from_session,
        to: row.to_session,
        message: row.message,
        metadata: row.metadata,
        read: row.read === 1,
      })),
    status: (id, side) =>
      peer
        .prepare('SELECT status FROM session_status WHERE conversation_id = ? AND session_id = ?')
        .pluck()
        .get(id, side) as string | undefined,
    outcomes: () =>
      new Map(
        peer.prepare('SELECT question_id, outcome FROM warmline_done').raw().all() as [
          number,
          string,
        ][],
      ),
  };
}
