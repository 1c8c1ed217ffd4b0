import { createHash } from 'node:crypto';

/**
 * The bridge's key for a session of a conversation: one that only this conversation and this session
 * of it make, whatever characters are in them. It begins with the conversation, for people who look
 * at the sessions of the bridge.
 * @param session undefined for the conversation itself as a session
 */
export function sessionKey(conversationId: string, session: string | undefined): string {
  const whole = JSON.stringify([conversationId, session ?? null]);
  const digest = createHash('sha256').update(whole).digest('hex').slice(0, 32);
  return `bus/${conversationId.slice(0, 64)}/${digest}`;
}

/**
 * What a question is known by at the bridge: a second attempt joins the first one if that still
 * runs, or takes its stored answer.
 * @param seenAtUs when it was first seen, microseconds since the epoch: ids are given out anew in
 *   another file of the same name
 */
export function requestIdOf(conversationId: string, questionId: number, seenAtUs: number): string {
  return `${conversationId}/${questionId}/${seenAtUs}`;
}
