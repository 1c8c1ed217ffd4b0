/** Taking a question off the queue of a bus in memory. */
import { CANCELLED, cancelledAnswer, REMOVED } from '../answer.js';
import type { Side, Withdrawal, Withdrawn } from '../bus.js';
import { parseQuestion, parseTaken } from '../question.js';
import type { Lane, MemoryBusFile, MessageRow } from './file.js';

export function withdraw(
  file: MemoryBusFile,
  session: Side,
  id: number,
  how: Withdrawal,
  nowUs: number,
): Withdrawn {
  const row = file.messages.get(id);
  const lane = file.lanesOf(session).find(({ queue }) => queue.some((work) => work.id === id));
  const end = endOf(file, session, id, row, lane);
  if (end !== undefined || row === undefined) return end ?? 'missing';
  const isHead = lane?.queue[0]?.id === id;
  const attempt = (isHead && lane.attempts) || 0;
  const lease = isHead && lane.state.at === 'leased' ? lane.state : undefined;
  if (lease && how === 'remove') return 'processing';
  const seenAtUs = lane?.queue.find((work) => work.id === id)?.seenAtUs ?? nowUs;
  const wasExpired = lane?.state.at === 'expired';
  if (lane && isHead) file.advance(lane, nowUs);
  else if (lane)
    lane.queue.splice(
      lane.queue.findIndex((work) => work.id === id),
      1,
    );
  if (lane && wasExpired) lane.state = { at: 'expired' };
  if (how === 'remove') {
    file.finish(session, id, 'ignored', undefined, REMOVED);
    return 'withdrawn';
  }
  const question = parseTaken(row.message, row.metadata);
  const asked = { questionId: id, conversationId: String(row.conversationId), question };
  const answer = cancelledAnswer(attempt, lease ? (nowUs - lease.claimedAtUs) / 1000 : 0);
  const answerId = file.insertAnswer(session, asked, answer, nowUs);
  if (lease) {
    const { claimedAtUs } = lease;
    const ended = { questionId: id, attempt, seenAtUs, claimedAtUs };
    file.endAttempt(ended, 'failed', nowUs, { code: CANCELLED }, undefined);
  }
  file.finish(session, id, 'failed', answerId, CANCELLED);
  return 'withdrawn';
}

function endOf(
  file: MemoryBusFile,
  session: Side,
  id: number,
  row: MessageRow | undefined,
  lane: Lane | undefined,
): 'finished' | 'missing' | undefined {
  const done = file.done.get(id);
  if (done)
    return done.outcome === 'ignored' && done.errorCode === undefined ? 'missing' : 'finished';
  if (row?.to !== session || !file.conversations.has(String(row.conversationId))) return 'missing';
  if (lane) return undefined;
  if (parseQuestion(row.message, row.metadata).kind === 'ignored') return 'missing';
  return row.read ? 'finished' : undefined;
}
