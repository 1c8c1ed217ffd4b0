import { isExpired, type SqliteBus } from '../../../src/bus/index.js';
import { openBus } from '../bus-file.js';
import { type SentQuestion, sendQuestion, waitForAnswer, whyNoAnswer } from '../bus-question.js';
import { EXIT } from '../failure.js';
import { needBus, settingsFor, type Words } from '../options.js';
import { printable, printJson, printSources, printText, StatusLine } from '../output.js';

interface SendWords {
  readonly conversation?: string;
  readonly context?: string;
  readonly model?: string;
  readonly dependsOn?: readonly (number | string)[];
  readonly create?: boolean;
  readonly wait?: boolean;
  readonly timeout?: number;
  readonly json?: boolean;
}

const DEFAULT_WAIT_MS = 300_000;

export async function send(words: Words, question: string): Promise<number> {
  const settings = await settingsFor(words, 'bus');
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
        `message ${sent.messageId} is on the bus, and its conversation ${sent.conversationId} has expired: only "warmline autopoll --db ${file} --include-expired" answers it; without --conversation a new one is made`,
      );
    }
    return await printAnswer(bus, sent, given, file);
  } finally {
    await bus.close();
  }
}

function report({ messageId, conversationId, queryId }: SentQuestion, json: boolean): void {
  if (json) {
    printJson({ message_id: messageId, conversation_id: conversationId, query_id: queryId });
  } else printText(`message ${messageId} in conversation ${conversationId}`);
}

async function printAnswer(
  bus: SqliteBus,
  { messageId, conversationId }: SentQuestion,
  { timeout = DEFAULT_WAIT_MS, json }: SendWords,
  file: string,
): Promise<number> {
  const status = new StatusLine();
  const startedMs = performance.now();
  const tell = () =>
    status.show(
      `message ${messageId} in ${conversationId}: waiting for ${Math.round((performance.now() - startedMs) / 1000)} s`,
    );
  tell();
  const telling = setInterval(tell, 1000);
  const answer = await waitForAnswer(bus, messageId, AbortSignal.timeout(timeout)).finally(() => {
    clearInterval(telling);
    status.clear();
  });
  if (answer === undefined) {
    throw new Error(
      `no answer to message ${messageId} in ${conversationId} within ${timeout} ms; it stays on the bus (${whyNoAnswer(bus, messageId)}). See: warmline doctor --db ${file}`,
    );
  }
  if (json === true) {
    printJson({ message_id: messageId, conversation_id: conversationId, ...answer.row });
  } else {
    printText(printable(answer.answer));
    printSources(answer.sources);
  }
  return answer.failed ? EXIT.failed : EXIT.ok;
}
