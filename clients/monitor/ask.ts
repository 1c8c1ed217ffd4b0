/** A question of one named module to another, over the bus. */
import { randomBytes } from 'node:crypto';
import { conversationBetween, redact, type Side } from '../../src/bus/index.js';
import { checkTimeout } from './follower.js';
import { DEFAULT_TIMEOUT_MS, type WaitOptions, waitFor } from './poll.js';
import { withFollower } from './shared.js';
import type { MessageCompleted } from './status.js';

/** The other programs on the bus refuse longer messages. */
const MAX_MESSAGE_CHARS = 50_000;

export interface AskOptions extends WaitOptions {
  /** The document to answer from, below a context root of the bridge. */
  readonly contextFile?: string | undefined;
  readonly model?: string | undefined;
  /** One second of head start for each point, from -1000 to 1000. */
  readonly priority?: number | undefined;
  /** Questions that have to be answered first, by message id or query id. */
  readonly dependsOn?: readonly (number | string)[] | undefined;
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
  const queryId = `q_${randomBytes(6).toString('hex')}`;
  const message = await messageText(queryId, question, options);
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
      metadata: JSON.stringify({ action_type: 'question' }),
    });
    return { ...(await waitFor(follower, messageId, options)), conversationId, queryId };
  });
}

async function messageText(queryId: string, question: string, options: AskOptions) {
  if (question.trim() === '') throw new RangeError('the question is blank');
  const message = JSON.stringify({
    type: 'query',
    query_id: queryId,
    // The row stays in a file that others read: no key that slipped in stays with it.
    question: await redact(question),
    context_file: options.contextFile,
    model: options.model,
    priority: options.priority,
    depends_on: options.dependsOn,
  });
  if (message.length > MAX_MESSAGE_CHARS) {
    throw new RangeError(
      `the message has ${message.length} characters, a bus takes ${MAX_MESSAGE_CHARS}; put the text into a context file`,
    );
  }
  return message;
}
