/** Takes single questions off the queue, for people and programs. */
import type { Bus } from '../bus.js';

/**
 * Ends an unfinished question with an error answer of code `cancelled`, wherever it stands. Whoever
 * works on it has lost its lease by that, and stops the work as soon as it sees that.
 * @returns `missing` when there is no such question for our side, or its conversation is gone
 * @throws BusError
 */
export async function cancelQuestion(
  bus: Pick<Bus, 'withdraw'>,
  messageId: number,
): Promise<'cancelled' | 'finished' | 'missing'> {
  const withdrawn = await bus.withdraw(messageId, 'cancel');
  return withdrawn === 'finished' || withdrawn === 'missing' ? withdrawn : 'cancelled';
}

/**
 * Takes a question off the queue without an answer: it counts as `ignored`, with the error code
 * `removed`. Not while it is being answered.
 * @throws BusError
 */
export async function removeQuestion(
  bus: Pick<Bus, 'withdraw'>,
  messageId: number,
): Promise<'removed' | 'processing' | 'finished' | 'missing'> {
  const withdrawn = await bus.withdraw(messageId, 'remove');
  return withdrawn === 'withdrawn' ? 'removed' : withdrawn;
}
