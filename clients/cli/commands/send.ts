import { isExpired, type SqliteBus } from '../../../src/bus/index.js';
import { MonitorError } from '../../monitor/index.js';
import { printAnswer } from '../answer-output.js';
import { openBus } from '../bus-file.js';
import {
  type BusAnswer,
  progressOf,
  type SentQuestion,
  sendQuestion,
  waitForAnswer,
  whyNoAnswer,
} from '../bus-question.js';
import { EXIT } from '../failure.js';
import { interruptible } from '../interrupt.js';
import { needBus, settingsFor, type Words } from '../options.js';
import { printJson, printText, shellWord } from '../output.js';
import { questionFrom } from '../question-input.js';
import { Waiting } from '../waiting.js';

interface SendWords {
  readonly conversation?: string;
  readonly context?: string;
  readonly model?: string;
  readonly dependsOn?: readonly (number | string)[];
  readonly create?: boolean;
  readonly wait?: boolean;
  readonly timeout?: number;
  readonly plain?: boolean;
  readonly json?: boolean;
}

const DEFAULT_WAIT_MS = 300_000;

export async function send(words: Words, word: string | undefined): Promise<number> {
  const settings = await settingsFor(words, 'bus');
  const question = await questionFrom(word);
  const given = words as SendWords;
  const { session } = settings.bus;
  const file = needBus(settings);
  const bus = openBus({ file, session, create: given.create === true });
  try {
    const sent = await sendQuestion(bus, {
      question,
      contextFile: given.context,
      model: given.model,
      dependsOn: given.dependsOn,
      conversationId: given.conversation,
      from: session === 'b' ? 'a' : 'b',
    });
    if (given.wait !== true) {
      report(sent, given.json === true);
      return EXIT.ok;
    }
    if (isExpired(file, sent.conversationId)) {
      throw new Error(
        `message ${sent.messageId} is on the bus, and its conversation ${sent.conversationId} has expired: only "warmline autopoll --db ${shellWord(file)} --include-expired" answers it; without --conversation a new one is made`,
      );
    }
    return await waitAndPrint(bus, sent, given);
  } finally {
    await bus.close();
  }
}

function report({ messageId, conversationId, queryId }: SentQuestion, json: boolean): void {
  if (json) {
    printJson({ message_id: messageId, conversation_id: conversationId, query_id: queryId });
  } else printText(`message ${messageId} in conversation ${conversationId}`);
}

async function waitAndPrint(
  bus: SqliteBus,
  { messageId, conversationId }: SentQuestion,
  { timeout = DEFAULT_WAIT_MS, plain, json }: SendWords,
): Promise<number> {
  const { file } = bus;
  const answer = await interruptible(
    () =>
      `message ${messageId} is still on the bus; see: warmline poll show ${messageId} --db ${shellWord(file)}`,
    (signal) => answerTo(bus, messageId, timeout, signal),
  ).catch((error: unknown) => {
    if (!(error instanceof MonitorError) || error.code !== 'timeout') throw error;
    throw new Error(
      `no answer to message ${messageId} in ${conversationId} within ${timeout} ms; it stays on the bus (${whyNoAnswer(bus, messageId)}). See: warmline doctor --db ${shellWord(file)}`,
    );
  });
  if (json === true) {
    printJson({ message_id: messageId, conversation_id: conversationId, ...answer.row });
  } else {
    await printAnswer(answer, { plain });
  }
  return answer.failed ? EXIT.failed : EXIT.ok;
}

async function answerTo(
  bus: SqliteBus,
  messageId: number,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<BusAnswer> {
  const waiting = new Waiting(() => `message ${messageId}: ${progressOf(bus, messageId)}`);
  const onProgress = () => waiting.tell();
  try {
    return await waitForAnswer(messageId, { db: bus.file, timeoutMs, onProgress, signal });
  } finally {
    waiting.end();
  }
}
