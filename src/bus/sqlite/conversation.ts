/** A new conversation, as the programs that share the bus write it. */
import { randomBytes } from 'node:crypto';
import { DEFAULT_LIFETIME_MS, type NewConversation } from '../bus.js';
import { naiveUtc } from '../stamp.js';

export const INSERT_CONVERSATION = `
  INSERT INTO conversations
    (id, session_a_role, session_b_role, session_a_token, session_b_token, created_at, expires_at)
  VALUES (:id, :roleA, :roleB, :tokenA, :tokenB, :now, :expires)`;

export type ConversationRow = ReturnType<typeof conversationRow>;

export function conversationRow(conversation: NewConversation, nowUs: number) {
  const { roleA, roleB, lifetimeMs = DEFAULT_LIFETIME_MS } = conversation;
  return {
    id: `conv_${randomBytes(8).toString('hex')}`,
    roleA,
    roleB,
    tokenA: randomBytes(32).toString('hex'),
    tokenB: randomBytes(32).toString('hex'),
    now: naiveUtc(nowUs),
    expires: naiveUtc(nowUs + lifetimeMs * 1000),
  };
}
