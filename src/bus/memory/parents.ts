/** What other questions depend on, looked up in a bus in memory. */
import { REMOVED } from '../answer.js';
import {
  IN_EXPIRED_CONVERSATION,
  judge,
  mayDepend,
  type ParentState,
  type Verdict,
  whyFailed,
} from '../depends.js';
import { parseTaken } from '../question.js';
import type { MemoryBusFile, MessageRow } from './file.js';

/** @param isExpired of a conversation */
export function judgeHead(
  file: MemoryBusFile,
  id: number,
  row: MessageRow,
  isExpired: (conversationId: unknown) => boolean,
): Verdict {
  if (!mayDepend(row.message)) return { step: 'ask' };
  return judge(id, parseTaken(row.message, row.metadata), {
    idsOf: (names) => idsBefore(file, id, names),
    stateOf: (parent) => stateOf(file, parent, isExpired),
  });
}

function stateOf(
  file: MemoryBusFile,
  id: number,
  isExpired: (conversationId: unknown) => boolean,
): ParentState {
  const done = file.done.get(id);
  if (done?.outcome === 'complete') return { at: 'answered' };
  if (done?.outcome === 'ignored' && done.errorCode !== REMOVED) return { at: 'unknown' };
  if (done) return { at: 'failed', why: whyFailed(done.outcome, done.errorCode) };
  if (!file.isUnfinished(id)) return { at: 'unknown' };
  return isExpired(file.messages.get(id)?.conversationId)
    ? { at: 'failed', why: IN_EXPIRED_CONVERSATION }
    : { at: 'unfinished', id };
}

function idsBefore(
  file: MemoryBusFile,
  before: number,
  names: readonly string[],
): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const [id, row] of file.messages) {
    if (id >= before) continue;
    const parsed = parseTaken(row.message, row.metadata);
    const queryId = parsed.kind === 'ignored' ? undefined : parsed.queryId;
    if (queryId !== undefined && names.includes(queryId)) found.set(queryId, id);
  }
  return found;
}
