/** A question of one named module to another, over the bus. */
import {
  composeQuestion,
  conversationBetween,
  type QuestionText,
  type Side,
} from '../../src/bus/index.js';
import { checkTimeout } from './follower.js';
import { DEFAULT_TIMEOUT_MS, type WaitOptions, waitFor } from './poll.js';
import { withFollower } from './shared.js';
import type { MessageCompleted } from './status.js';

export interface AskOptions extends WaitOptions, Omit<QuestionText, 'question'> {
  /** The side that the answering module has in its conversations, `b` when absent. */
  readonly side?: Side | undefined;
}

export interface Answered extends MessageCompleted {
  readonly conversationId: string;
  readonly queryId: string;
}

/**
 * Asks and waits for the answer. The question goes to the conversation between the two modules: the
 * one that lasts longest, if it lasts for `timeoutMs`, else a new one. Questions of one conversation
 * are answered one at a time, in the order of asking.
 * @throws RangeError when a module has no name, or the question is blank or too long
 * @throws what `pollUntilComplete` throws; the question stays on the bus then
 */
export async function askAndWait(
  fromModule: string,
  toModule: string,
  question: string,
  options: AskOptions,
): Promise<Answered> {
  const { db, timeoutMs = DEFAULT_TIMEOUT_MS, side = 'b', signal } = options;
  checkTimeout(timeoutMs);
  for (const name of [fromModule, toModule]) {
    if (name.trim() === '') throw new RangeError('a module has a name that is not blank');
  }
  const { contextFile, model, priority, dependsOn } = options;
  const text = { question, contextFile, model, priority, dependsOn };
  const { queryId, message, metadata } = await composeQuestion(text);
  signal?.throwIfAborted();
  return await withFollower(db, async (follower) => {
    const conversationId = await conversationBetween(follower.bus, {
      asker: fromModule,
      answerer: toModule,
      side,
      lastsMs: timeoutMs,
    });
    const messageId = await follower.bus.put({
      conversationId,
      from: side === 'b' ? 'a' : 'b',
      message,
      metadata,
    });
    return { ...(await waitFor(follower, messageId, options)), conversationId, queryId };
  });
}
