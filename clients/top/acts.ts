/** What is done to a question from the view, and the sentence about what came of it. */
import { cancelQuestion, retryQuestion, type SqliteBus } from '../../src/bus/index.js';
import type { Act } from './model.js';

/** @throws BusError */
export function perform(bus: SqliteBus, act: Act, messageId: number): Promise<string> {
  return act === 'cancel' ? cancel(bus, messageId) : retry(bus, messageId);
}

async function cancel(bus: SqliteBus, messageId: number): Promise<string> {
  const question = `question ${messageId}`;
  switch (await cancelQuestion(bus, messageId)) {
    case 'cancelled':
      return `${question} is cancelled`;
    case 'finished':
      return `${question} has ended already`;
    case 'missing':
      return `${question} is not there any more`;
  }
}

async function retry(bus: SqliteBus, messageId: number): Promise<string> {
  const question = `question ${messageId}`;
  const { outcome, againId, why } = await retryQuestion(bus, messageId);
  switch (outcome) {
    case 'ready':
      return `${question} is tried as soon as somebody is free`;
    case 'redriven':
      return `${question} is asked again as question ${againId}`;
    case 'processing':
      return `${question} is being answered`;
    case 'waiting':
      return `${question} waits: ${why ?? 'its turn has not come'}`;
    case 'finished':
      return `${question} is not asked again: ${why ?? 'it has ended'}`;
    case 'missing':
      return `${question} is not there any more`;
  }
}
