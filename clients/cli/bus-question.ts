/** A question on the bus as an asker writes it, and the wait for its answer. */
import { randomBytes } from 'node:crypto';
import { type Bus, type BusError, redact, type Side } from '../../src/bus/index.js';
import { UsageError } from './failure.js';

/** The other programs on the bus refuse longer messages. */
const MAX_MESSAGE_CHARS = 50_000;

export interface NewBusQuestion {
  readonly question: string;
  readonly contextFile?: string | undefined;
  readonly model?: string | undefined;
  /** Message ids and query ids of questions that have to be answered first. */
  readonly dependsOn?: readonly (number | string)[] | undefined;
  /** A new conversation when absent. */
  readonly conversationId?: string | undefined;
  /** The side that asks. */
  readonly from: Side;
}

export interface SentQuestion {
  readonly messageId: number;
  readonly conversationId: string;
  readonly queryId: string;
}

/** The JSON of an answer row, as far as it is looked at here. */
export interface BusAnswer {
  readonly answer: string;
  readonly sources: readonly string[];
  readonly failed: boolean;
  /** The whole object, as it is on the bus. */
  readonly row: Readonly<Record<string, unknown>>;
}

/**
 * @throws UsageError when the question is blank or too long
 * @throws Error when there is no such conversation
 * @throws BusError when it cannot be written
 */
export async function sendQuestion(bus: Bus, question: NewBusQuestion): Promise<SentQuestion> {
  const queryId = `q_${randomBytes(6).toString('hex')}`;
  const message = await messageText(queryId, question);
  const conversationId =
    question.conversationId ??
    (await bus.createConversation({ roleA: 'asker', roleB: 'warmline' }));
  const metadata = JSON.stringify({ action_type: 'question' });
  const messageId = await bus
    .put({ conversationId, from: question.from, message, metadata })
    .catch((cause: unknown) => {
      if ((cause as BusError).code !== 'bus_missing') throw cause;
      throw new Error(`${(cause as BusError).message}; without --conversation a new one is made`, {
        cause,
      });
    });
  return { messageId, conversationId, queryId };
}

async function messageText(queryId: string, question: NewBusQuestion): Promise<string> {
  if (question.question.trim() === '') throw new UsageError('the question is blank');
  const message = JSON.stringify({
    type: 'query',
    query_id: queryId,
    // The row stays in a file that others read: no key that slipped in stays with it.
    question: await redact(question.question),
    context_file: question.contextFile,
    model: question.model,
    depends_on: question.dependsOn,
  });
  if (message.length > MAX_MESSAGE_CHARS) {
    throw new UsageError(
      `the message has ${message.length} characters, a bus takes ${MAX_MESSAGE_CHARS}; put the text into a context file`,
    );
  }
  return message;
}

/** The answer as soon as it is on the bus, or undefined when the signal is aborted first. */
export function waitForAnswer(
  bus: Bus,
  messageId: number,
  signal: AbortSignal,
): Promise<BusAnswer | undefined> {
  return new Promise((resolve, reject) => {
    const stop = bus.watch(look);
    function end(settle: () => void): void {
      stop();
      signal.removeEventListener('abort', giveUp);
      settle();
    }
    function giveUp(): void {
      end(() => resolve(undefined));
    }
    function look(): void {
      try {
        const stored = bus.answerTo(messageId);
        if (stored !== undefined) end(() => resolve(readAnswer(stored.message)));
      } catch (error) {
        end(() => reject(error));
      }
    }
    signal.addEventListener('abort', giveUp);
    if (signal.aborted) giveUp();
    else look();
  });
}

function readAnswer(message: string): BusAnswer {
  const row = JSON.parse(message) as Record<string, unknown>;
  return {
    answer: String(row.answer),
    sources: Array.isArray(row.sources) ? row.sources.map(String) : [],
    failed: row.error !== undefined,
    row,
  };
}
