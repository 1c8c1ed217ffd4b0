/** A question on the bus as an asker writes it, and the wait for its answer. */
import {
  type Bus,
  type BusError,
  composeQuestion,
  inspectBus,
  listQuestions,
  type QuestionDetails,
  type QuestionText,
  questionDetails,
  type Side,
  type SqliteBus,
} from '../../src/bus/index.js';
import {
  type MessageContent,
  MonitorError,
  pollUntilComplete,
  type WaitOptions,
} from '../monitor/index.js';
import { asUsageError } from './failure.js';
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

/** An answer on the bus, an error answer among them. */
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
  const { queryId, message, metadata } = await composeQuestion(question).catch(asUsageError);
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

/**
 * The answer as soon as it is on the bus.
 * @throws MonitorError when there is none in time, or will be none
 */
export async function waitForAnswer(messageId: number, options: WaitOptions): Promise<BusAnswer> {
  try {
    const { content } = await pollUntilComplete(messageId, options);
    if (content !== undefined) return toAnswer(content, false);
  } catch (error) {
    if (!(error instanceof MonitorError) || error.content === undefined) throw error;
    return toAnswer(error.content, true);
  }
  throw new Error(`message ${messageId} was answered, and its answer has been deleted`);
}

/** What becomes of a question that has no answer yet, for people, who look again and again. */
export function progressOf(bus: SqliteBus, messageId: number): string {
  try {
    const details = questionDetails(bus, messageId);
    const { attempt } = details?.processing ?? {};
    if (attempt !== undefined) return attempt === 1 ? 'being answered' : `attempt ${attempt}`;
    const ahead = details?.waits?.for === 'turn' ? questionsAhead(bus, details) : 0;
    if (ahead > 1) return `pending: behind ${ahead} questions of its conversation`;
    return whyNoAnswer(bus, messageId);
  } catch (error) {
    return (error as Error).message;
  }
}

/** More are not counted. */
const MOST_AHEAD = 1000;

function questionsAhead(bus: SqliteBus, { conversationId, messageId }: QuestionDetails): number {
  const filter = { conversation: conversationId, beforeId: messageId, limit: MOST_AHEAD };
  return listQuestions(bus, { ...filter, statuses: ['pending', 'processing'] }).questions.length;
}

/** Why there is no answer yet. Whatever a question waits for, it waits in vain where nobody works. */
export function whyNoAnswer(bus: SqliteBus, messageId: number): string {
  const { file, session } = bus;
  if (inspectBus(file, session).workers.every(({ gone }) => gone)) return nobodyWorks(file);
  const details = questionDetails(bus, messageId);
  return details === undefined ? 'its row is gone' : statusText(details);
}

function toAnswer({ answer, sources, fields }: MessageContent, failed: boolean): BusAnswer {
  return { answer, sources, failed, row: fields };
}
