/** The tools that put questions on the bus, and follow them there. */
import { z } from 'zod';
import {
  audit,
  type Credentials,
  cancelQuestion,
  composeQuestion,
  openConversation,
  type Side,
  sendAs,
  writerOf,
} from '../../src/bus/index.js';
import { MonitorError, pollUntilComplete } from '../monitor/index.js';
import {
  BUS_QUESTION,
  CONTEXT_FILE,
  credentialsOf,
  DEPENDS_ON,
  MESSAGE_ID,
  MODEL,
  PARTNER,
  PRIORITY,
  TIMEOUT_MS,
} from './arguments.js';
import type { Backend } from './backend.js';
import { ToolError } from './failure.js';
import { answerReply, detailsOf, isFinished, questionReply, wordOf } from './question-reply.js';
import { needTask } from './tasks.js';
import { type Call, defineTool, type Reply, type Tool } from './tool.js';

const ASK_OVER_BUS = z.object({
  conversation_id: PARTNER.conversation_id
    .optional()
    .describe('the conversation to ask in; a new one when absent'),
  session_id: PARTNER.session_id.optional(),
  token: PARTNER.token.optional(),
  question: BUS_QUESTION,
  context_file: CONTEXT_FILE,
  model: MODEL,
  priority: PRIORITY,
  depends_on: DEPENDS_ON,
  wait: z.boolean().default(true).describe('wait for the answer; else only its message id comes'),
  timeout_ms: TIMEOUT_MS,
});
type AskOverBus = z.output<typeof ASK_OVER_BUS>;

const askOverBus = defineTool({
  name: 'ask_over_bus',
  description:
    'Puts a question on the memory bus, where it survives every restart, and waits for the answer. When the time is up or the call is cancelled, the question stays: watch_question follows it, cancel_question ends it. May be called as a task. Questions of one conversation are answered in order, one at a time.',
  input: ASK_OVER_BUS,
  run: async (given, call) => {
    const asked = await put(given, call);
    const { messageId } = asked;
    call.progress.tell(`message ${messageId}: pending`);
    if (given.wait) await waitFor(messageId, given.timeout_ms, call);
    const reply = answerReply(detailsOf(call.backend, messageId));
    return withNewConversation(reply, asked);
  },
  begin: async (given, call) => {
    const { messageId } = await put(given, call);
    return needTask(call.backend, messageId);
  },
});

interface Asked {
  readonly messageId: number;
  /** When it was made for this question. */
  readonly opened?:
    | { readonly conversationId: string; readonly side: Side; readonly token: string }
    | undefined;
}

async function put(given: AskOverBus, { backend, signal }: Call): Promise<Asked> {
  const who = askerIn(given, backend);
  const row = await compose(given);
  if (who !== undefined) {
    return { messageId: await backend.actAs(who, signal, (seat) => sendAs(seat, row)) };
  }
  backend.admit();
  const asked = await backend.inTime(signal, (isWanted) =>
    backend.bus.write((db, nowUs) => {
      if (!isWanted()) return undefined;
      const { conversationId, seats, tokens } = openConversation(db, nowUs, rolesFor(backend));
      const side = askingSide(backend);
      return {
        messageId: sendAs(seats[side], row),
        opened: { conversationId, side, token: tokens[side] },
      };
    }),
  );
  return asked as NonNullable<typeof asked>;
}

function askingSide({ session }: Backend): Side {
  return session === 'b' ? 'a' : 'b';
}

function rolesFor(backend: Backend): readonly [string, string] {
  return askingSide(backend) === 'a' ? ['mcp', 'warmline'] : ['warmline', 'mcp'];
}

/** @throws ToolError `bad_request` when only half is given, or nobody would answer */
function askerIn(given: AskOverBus, backend: Backend): Credentials | undefined {
  const { conversation_id, session_id, token } = given;
  if (conversation_id === undefined && session_id === undefined && token === undefined) {
    return undefined;
  }
  if (conversation_id === undefined || session_id === undefined || token === undefined) {
    throw new ToolError(
      'bad_request',
      'conversation_id, session_id and token belong together; give all three, or none for a new conversation',
    );
  }
  if (session_id === backend.session) {
    throw new ToolError(
      'bad_request',
      `session_id: warmline answers for side ${backend.session} here, so it is asked by the other one; send_to_partner reaches your partner`,
    );
  }
  return credentialsOf({ conversation_id, session_id, token });
}

/** @throws ToolError `bad_request` */
async function compose(given: AskOverBus) {
  try {
    const { message, metadata } = await composeQuestion({
      question: given.question,
      contextFile: given.context_file,
      model: given.model,
      priority: given.priority,
      dependsOn: given.depends_on,
    });
    const redacted = !message.includes(JSON.stringify(given.question));
    return { message, metadata, redacted };
  } catch (error) {
    if (error instanceof RangeError) throw new ToolError('bad_request', error.message);
    throw error;
  }
}

/** Until it is finished, or the time is up: how it ended is read from the bus afterwards. */
async function waitFor(
  messageId: number,
  timeoutMs: number,
  { backend, signal, progress }: Call,
): Promise<void> {
  try {
    await pollUntilComplete(messageId, {
      db: backend.db,
      timeoutMs,
      signal,
      onProgress: ({ status, attempt }) =>
        progress.tell(
          `message ${messageId}: ${status}${attempt > 1 ? `, attempt ${attempt}` : ''}`,
        ),
    });
  } catch (error) {
    if (!(error instanceof MonitorError)) throw error;
  }
}

function withNewConversation(reply: Reply, { opened }: Asked): Reply {
  if (opened === undefined) return reply;
  const { conversationId, side, token } = opened;
  return {
    ...reply,
    text: `${reply.text}\n\nConversation ID: ${conversationId}\nYou are session ${side}.\nYour token (keep secret): ${token}`,
    data: { ...reply.data, session_id: side, token },
  };
}

const watchQuestion = defineTool({
  name: 'watch_question',
  description:
    'Tells where a question on the bus stands, and its answer once there is one. With wait it tells when it is finished, and its steps as progress. It marks nothing read.',
  input: z.object({
    ...PARTNER,
    message_id: MESSAGE_ID,
    wait: z.boolean().default(false).describe('wait until it is finished or the time is up'),
    timeout_ms: TIMEOUT_MS,
  }),
  isReadOnly: true,
  run: async (given, call) => {
    const { backend } = call;
    const { message_id: messageId } = given;
    await writerIn(given, 'watch_question', call);
    const details = detailsOf(backend, messageId);
    if (given.wait && !isFinished(wordOf(details))) {
      await waitFor(messageId, given.timeout_ms, call);
    }
    return questionReply(detailsOf(backend, messageId));
  },
});

const cancelQuestionTool = defineTool({
  name: 'cancel_question',
  description:
    'Ends a question that you have asked over the bus and that has no answer yet. Its turn is stopped, and it gets an error answer with the code cancelled.',
  input: z.object({ ...PARTNER, message_id: MESSAGE_ID }),
  run: async (given, call) => {
    const { backend, signal } = call;
    const { message_id: messageId } = given;
    if ((await writerIn(given, 'cancel_question', call)) !== given.session_id) {
      throw new ToolError('bad_request', `message ${messageId} was not asked by your side`);
    }
    const outcome = await backend.inTime(signal, () => cancelQuestion(backend.bus, messageId));
    if (outcome === 'missing') {
      throw new ToolError('not_found', `message ${messageId} is no question that warmline answers`);
    }
    const status = wordOf(detailsOf(backend, messageId));
    return {
      text:
        outcome === 'cancelled'
          ? `Message ${messageId} is cancelled`
          : `Message ${messageId} was finished before: ${status}`,
      data: { message_id: messageId, outcome, status },
    };
  },
});

/**
 * The side that wrote a message. The audit keeps what was wanted of it.
 * @throws ToolError `not_found` when it is not in this conversation
 */
async function writerIn(
  given: Parameters<typeof credentialsOf>[0] & { readonly message_id: number },
  action: string,
  { backend, signal }: Call,
): Promise<string> {
  const { message_id: messageId } = given;
  const from = await backend.actAs(credentialsOf(given), signal, (seat) => {
    audit(seat, action, { message_id: messageId });
    return writerOf(seat, messageId);
  });
  if (from !== undefined) return from;
  throw new ToolError('not_found', `there is no message ${messageId} in this conversation`);
}

export const QUESTION_TOOLS: readonly Tool[] = [askOverBus, watchQuestion, cancelQuestionTool];
