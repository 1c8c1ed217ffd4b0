/**
 * The tools of the bridge whose place warmline can take, by its names and arguments. Their texts begin
 * their lines as its did, for programs that read them; the data is for new ones.
 */
import { z } from 'zod';
import {
  BusError,
  type Credentials,
  lookForMessages,
  MAX_MESSAGE_CHARS,
  openConversation,
  type PartnerMessage,
  partnerStatus,
  readMessages,
  redact,
  redactMessage,
  removeQuestion,
  sendAs,
  setStatus,
  takeMessages,
} from '../../src/bus/index.js';
import { systemClock } from '../../src/clock.js';
import { ACTION, credentialsOf, FILES, MESSAGE, PARTNER, ROLE, STATUS } from './arguments.js';
import { ToolError } from './failure.js';
import { type Call, defineTool, type Tool } from './tool.js';

/** Each in a transaction of its own. */
const MOST_TAKEN_OVER = 20;

const createConversation = defineTool({
  name: 'create_conversation',
  description:
    'Begins a conversation between two sessions, a and b, on the memory bus. You are a. Gives the tokens of both sides: keep yours, and hand the other one to your partner. They expire after three hours.',
  input: z.object({
    my_role: ROLE.describe('what you are, such as backend_developer'),
    partner_role: ROLE.describe('what your partner is, such as frontend_developer'),
  }),
  run: async ({ my_role, partner_role }, { backend, signal }) => {
    backend.admit();
    const roles = [await redact(my_role), await redact(partner_role)] as const;
    const opened = await backend.inTime(signal, (isWanted) =>
      backend.bus.write((db, nowUs) =>
        isWanted() ? openConversation(db, nowUs, roles) : undefined,
      ),
    );
    const { conversationId, tokens, expiresAt } = opened as NonNullable<typeof opened>;
    return {
      text: [
        `Conversation ID: ${conversationId}`,
        `Your token (keep secret): ${tokens.a}`,
        `Partner token (share securely): ${tokens.b}`,
        `Expires: ${expiresAt}`,
        'You are session a, your partner is session b. Every other tool wants the token.',
      ].join('\n'),
      data: {
        conversation_id: conversationId,
        session_id: 'a',
        session_a_token: tokens.a,
        session_b_token: tokens.b,
        expires_at: expiresAt,
      },
    };
  },
});

const sendToPartner = defineTool({
  name: 'send_to_partner',
  description:
    'Sends a message to the other side of a conversation. With action_type "question" to a side that warmline answers for, the answer comes with check_messages. Known kinds of keys and passwords are taken out.',
  input: z.object({
    ...PARTNER,
    message: MESSAGE.describe('the message'),
    action_type: ACTION.default('info').describe('what kind of message it is'),
    files_involved: FILES.default([]).describe('files that it is about'),
  }),
  run: async (given, { backend, signal }) => {
    const { message, action_type, files_involved } = given;
    const clean = await redactMessage(message);
    if (clean.length > MAX_MESSAGE_CHARS) {
      throw new ToolError(
        'bad_request',
        `message: must have at most ${MAX_MESSAGE_CHARS} characters`,
      );
    }
    const files = await Promise.all(files_involved.map(redact));
    const redacted = clean !== message;
    const row = {
      message: clean,
      metadata: JSON.stringify({ action_type, files_involved: files }),
      redacted,
    };
    const messageId = await backend.actAs(credentialsOf(given), signal, (seat) =>
      sendAs(seat, row),
    );
    return {
      text: `Message sent to partner session (id ${messageId})${redacted ? '\nSecrets were redacted from your message' : ''}`,
      data: { status: 'sent', redacted, message_id: messageId },
    };
  },
});

const checkMessages = defineTool({
  name: 'check_messages',
  description:
    'Hands over the messages to your side that are unread, and marks them read. Questions that warmline answers for your side stay with it and are only named; take_questions takes them over, to be answered by you.',
  input: z.object({
    ...PARTNER,
    take_questions: z
      .boolean()
      .default(false)
      .describe('also take over the questions that warmline would answer for your side'),
  }),
  run: async (given, call) => {
    const { backend, signal } = call;
    const who = credentialsOf(given);
    const unread = await lookForMessages(backend.bus, who, backend.session, systemClock.wallUs());
    if (typeof unread === 'string') throw backend.denied(unread);
    const taken = await backend.actAs(who, signal, (seat) => takeMessages(seat, unread.ids));
    const over = given.take_questions ? await takeOver(who, unread.held, call) : [];
    const messages = [...taken, ...over].sort((one, other) => one.id - other.id);
    const held = unread.held.filter((id) => !over.some((message) => message.id === id));
    return {
      text: [summary(messages.length), ...messages.map(messageText), heldText(held)]
        .filter((part) => part !== '')
        .join('\n\n'),
      data: { messages, left_to_warmline: held, more: unread.more },
    };
  },
});

/**
 * Read first, then taken off the queue: none of them is lost in between. One that is being answered
 * stays there. A failure ends it, and hides nothing of what is off the queue already, or will be when
 * the lock of the bus is free.
 */
async function takeOver(
  who: Credentials,
  held: readonly number[],
  { backend, signal }: Call,
): Promise<PartnerMessage[]> {
  const taken: PartnerMessage[] = [];
  for (const message of readMessages(backend.bus, who, held.slice(0, MOST_TAKEN_OVER))) {
    try {
      const outcome = await backend.inTime(signal, () => removeQuestion(backend.bus, message.id));
      if (outcome === 'removed') taken.push(message);
    } catch (error) {
      return error instanceof BusError && error.code === 'bus_busy' ? [...taken, message] : taken;
    }
  }
  return taken;
}

function summary(count: number): string {
  return count === 0 ? 'No new messages' : `${count} new message(s):`;
}

function messageText({ id, from, message, metadata, timestamp }: PartnerMessage): string {
  const { action_type: type, files_involved: files } = metadata;
  return [
    `From: Session ${from}`,
    `Time: ${timestamp}`,
    ...(typeof type === 'string' ? [`Type: ${type}`] : []),
    `Id: ${id}`,
    '',
    'Message:',
    message,
    ...(Array.isArray(files) && files.length > 0 ? ['', `Files: ${files.join(', ')}`] : []),
    '='.repeat(60),
  ].join('\n');
}

function heldText(held: readonly number[]): string {
  if (held.length === 0) return '';
  const ids = held.slice(0, 20).join(', ');
  const rest = held.length > 20 ? ` and ${held.length - 20} more` : '';
  return `Left to warmline, which answers for your side: ${held.length} question(s), ${ids}${rest}`;
}

const updateMyStatus = defineTool({
  name: 'update_my_status',
  description:
    'Says how your side is. It also counts as a sign of life: your partner takes you for gone 120 seconds after the last one.',
  input: z.object({ ...PARTNER, status: STATUS.describe('how your side is') }),
  run: async (given, { backend, signal }) => {
    const { status } = given;
    await backend.actAs(credentialsOf(given), signal, (seat) => setStatus(seat, status));
    return { text: `Status updated: ${status}`, data: { status } };
  },
});

const checkPartnerStatus = defineTool({
  name: 'check_partner_status',
  description:
    'Tells how the other side is, and whether it gave a sign of life within 120 seconds.',
  input: z.object(PARTNER),
  run: async (given, { backend, signal }) => {
    const partner = given.session_id === 'a' ? 'B' : 'A';
    const found = await backend.actAs(credentialsOf(given), signal, partnerStatus);
    const { status, alive, lastHeartbeat, ageSeconds } = found;
    return {
      text: [
        `Partner Session ${partner}`,
        `Status: ${status}`,
        `Last heartbeat: ${lastHeartbeat ?? 'Never'}`,
        `Age: ${ageSeconds ?? 'N/A'}s`,
        `Alive: ${alive}`,
      ].join('\n'),
      data: { status, alive, last_heartbeat: lastHeartbeat, age_seconds: ageSeconds },
    };
  },
});

export const PARTNER_TOOLS: readonly Tool[] = [
  createConversation,
  sendToPartner,
  checkMessages,
  updateMyStatus,
  checkPartnerStatus,
];
