import { createMemoryBus, MemoryBusFile } from '../../src/bus/index.js';
import type { BusHarness } from '../contract/bus.harness.js';
import { TestClock } from '../support/temp-bus.js';

export function memoryHarness(): BusHarness {
  const clock = new TestClock();
  const file = new MemoryBusFile();
  return {
    clock,
    join: (options = {}) => createMemoryBus({ file, clock, ...options }),
    insert: ({ conversationId, from = 'a', to = 'b', message, metadata = null, read = 0 }) =>
      file.insert({
        ...{ conversationId, from, to, message, metadata },
        timestampUs: clock.wallUs(),
        read: read !== 0,
      }),
    deleteQuestion: (id) => void file.messages.delete(id),
    deleteConversation: (id) => file.deleteConversation(id),
    setExpiry: (id, atUs) => void (file.conversations.has(id) && file.conversations.set(id, atUs)),
    markRead: (id) => {
      const row = file.messages.get(id);
      if (row) row.read = true;
    },
    rewrite: (id, message, metadata) => {
      const row = file.messages.get(id);
      if (row) file.messages.set(id, { ...row, message, metadata });
    },
    rows: () =>
      [...file.messages].map(([id, row]) => ({
        id,
        conversationId: String(row.conversationId),
        from: String(row.from),
        to: String(row.to),
        message: String(row.message),
        metadata: row.metadata === null ? null : String(row.metadata),
        read: row.read,
      })),
    status: (id, side) => file.statuses.get(`${id}/${side}`),
    outcomes: () => new Map([...file.done].map(([id, { outcome }]) => [id, outcome])),
  };
}
