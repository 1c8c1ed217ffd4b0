/** A question on the bus, as the programs that share it write one. */
import { randomBytes } from 'node:crypto';
import { MAX_MESSAGE_CHARS } from './answer.js';
import { redact } from './redact.js';

export interface QuestionText {
  readonly question: string;
  /** The document to answer from, below a context root of the bridge. */
  readonly contextFile?: string | undefined;
  readonly model?: string | undefined;
  /** Questions of the conversation with the same one share a session and its context. */
  readonly session?: string | undefined;
  /** Time for one turn at it, in milliseconds. */
  readonly timeoutMs?: number | undefined;
  /** One second of head start for each point, from -1000 to 1000. */
  readonly priority?: number | undefined;
  /** Questions that have to be answered first, by message id or query id. */
  readonly dependsOn?: readonly (number | string)[] | undefined;
}

/**
 * The columns of a new question.
 * @param queryId what its asker knows it by; one of its own when absent
 * @throws RangeError when it is blank or too long
 */
export async function composeQuestion(
  text: QuestionText,
  queryId = `q_${randomBytes(6).toString('hex')}`,
): Promise<{ readonly queryId: string; readonly message: string; readonly metadata: string }> {
  if (text.question.trim() === '') throw new RangeError('the question is blank');
  const message = JSON.stringify({
    type: 'query',
    query_id: queryId,
    // The row stays in a file that others read: no key that slipped in stays with it.
    question: await redact(text.question),
    context_file: text.contextFile,
    model: text.model,
    session: text.session,
    timeout_ms: text.timeoutMs,
    priority: text.priority,
    depends_on: text.dependsOn,
  });
  if (message.length > MAX_MESSAGE_CHARS) {
    throw new RangeError(
      `the message has ${message.length} characters, a bus takes ${MAX_MESSAGE_CHARS}; put the text into a context file`,
    );
  }
  return { queryId, message, metadata: JSON.stringify({ action_type: 'question' }) };
}
