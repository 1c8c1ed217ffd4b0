/** Hurries a single question on, for people and programs. */
import { type Clock, systemClock } from '../../clock.js';
import type { SqliteBus } from '../sqlite/store.js';
import { damaged } from '../sqlite/withdrawals.js';
import { type QuestionDetails, questionDetails } from './details.js';
import { redriveQuestions } from './redrive.js';

interface RetriedQuestion {
  /** `ready`: only a free worker is waited for. `waiting`: something else is, and `why` says what. */
  readonly outcome: 'ready' | 'redriven' | 'waiting' | 'processing' | 'finished' | 'missing';
  /** The question that asks it again, when it was `redriven`. */
  readonly againId?: number;
  /** A sentence, when it is `waiting` or `finished`. */
  readonly why?: string;
}

/**
 * Lets a question that waits for its next attempt be tried at once; one that failed or is dead is
 * asked anew, under a new message id, unless that goes on already.
 * @throws BusError `bus_corrupt` when its lane does not lead to the question
 */
export async function retryQuestion(
  bus: SqliteBus,
  messageId: number,
  clock: Clock = systemClock,
): Promise<RetriedQuestion> {
  for (;;) {
    const found = questionDetails(bus, messageId, clock);
    if (found === undefined || isNoQuestion(found)) return { outcome: 'missing' };
    switch (found.status) {
      case 'unseen':
        return { outcome: 'ready' };
      case 'processing':
        return { outcome: 'processing' };
      case 'expired':
        return {
          outcome: 'waiting',
          why: `conversation ${found.conversationId} has expired, only "warmline autopoll --include-expired" answers there`,
        };
      case 'failed':
      case 'dead':
        return await askAgain(bus, messageId, clock);
      case 'complete':
      case 'ignored':
      case 'orphaned':
        return { outcome: 'finished', why: `question ${messageId} ended as "${found.status}"` };
    }
    const { waits } = found;
    if (waits === undefined) throw damaged(messageId);
    if (waits.for === 'turn') {
      const why = `question ${waits.behindId} of its conversation comes before it`;
      return { outcome: 'waiting', why };
    }
    if (waits.for === 'parents') {
      return { outcome: 'waiting', why: `it depends on ${waits.ids.join(', ')}, not answered yet` };
    }
    // There is nothing to hurry when it has moved on by now: then it is looked at again.
    if (waits.for !== 'worker' && !(await hurry(bus, messageId))) continue;
    return waits.for === 'engine'
      ? { outcome: 'waiting', why: `its engine takes no work: ${waits.code}, ${waits.message}` }
      : { outcome: 'ready' };
  }
}

/** It never was one, or nobody could read an answer any more. */
function isNoQuestion({ status, errorCode, finishedAtUs, conversation }: QuestionDetails): boolean {
  if (status === 'other' || (status === 'ignored' && errorCode === undefined)) return true;
  return finishedAtUs === undefined && conversation === 'gone';
}

/** @returns whether it stood at the head of its lane, and nobody had it */
function hurry(bus: SqliteBus, id: number): Promise<boolean> {
  return bus.write(
    (db) =>
      db
        .prepare(
          `UPDATE warmline_lanes SET ready_at_us = 0
           WHERE session = ? AND state = 'ready' AND head_id = ?
             AND conversation_id = (SELECT conversation_id FROM messages WHERE id = ?)`,
        )
        .run(bus.session, id, id).changes === 1,
  );
}

async function askAgain(bus: SqliteBus, id: number, clock: Clock): Promise<RetriedQuestion> {
  const [asked] = await redriveQuestions(bus, [id], { includeFailed: true, again: true, clock });
  if (asked?.did === 'redriven') return { outcome: 'redriven', againId: asked.againId };
  return { outcome: 'finished', why: asked?.why ?? '' };
}
