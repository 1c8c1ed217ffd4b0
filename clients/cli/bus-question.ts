/** A question on the bus as an asker writes it, and the wait for its answer. */
import {
  type Bus,
  type BusError,
  composeQuestion,
  inspectBus,
  type QuestionText,
  questionDetails,
  type Side,
  type SqliteBus,
} from '../../src/bus/index.js';
import { UsageError } from './failure.js';
import { statusText } from './question-report.js';
import { nobodyWorks } from './worker-report.js';

interface NewBusQuestion extends QuestionText {
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
  const { queryId, message, metadata } = await compose(question);
  const conversationId =
    question.conversationId ??
    (await bus.createConversation({ roleA: 'asker', roleB: 'warmline' }));
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

/** @throws UsageError */
async function compose(question: QuestionText) {
  try {
    return await composeQuestion(question);
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(error.message) : error;
  }
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

/** Why there is no answer yet. Whatever a question waits for, it waits in vain where nobody works. */
export function whyNoAnswer(bus: SqliteBus, messageId: number): string {
  const { file, session } = bus;
  if (inspectBus(file, session).workers.every(({ gone }) => gone)) return nobodyWorks(file);
  const details = questionDetails(bus, messageId);
  return details === undefined ? 'its row is gone' : statusText(details);
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
