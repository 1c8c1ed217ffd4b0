/** The questions of a bus, a page at a time. */
import {
  type ListedQuestion,
  type ListedStatus,
  listQuestions,
} from '../../../../src/bus/index.js';
import { withBus } from '../../bus-file.js';
import { EXIT } from '../../failure.js';
import type { Words } from '../../options.js';
import { duration, printJson, printText, table } from '../../output.js';
import { oneLine, timeOf } from '../../question-report.js';

interface ListWords {
  readonly status?: readonly ListedStatus[];
  readonly conversation?: string;
  readonly limit?: number;
  readonly before?: number;
  readonly json?: boolean;
}

const DEFAULT_LIMIT = 50;
/** So much of a question stands in its line. */
const LINE_CHARS = 60;
const NAME_CHARS = 24;

export async function pollList(words: Words): Promise<number> {
  const { status, conversation, limit = DEFAULT_LIMIT, before, json } = words as ListWords;
  return withBus(words, (bus) => {
    const filter = { statuses: status, conversation, limit, beforeId: before };
    const { questions, nextBeforeId } = listQuestions(bus, filter);
    if (json === true) {
      printJson({
        questions: questions.map(toWire),
        next_before: nextBeforeId ?? null,
      });
      return EXIT.ok;
    }
    if (questions.length > 0) printText(asTable(questions));
    else printText(nextBeforeId === undefined ? 'no question matches' : 'none matches so far');
    if (nextBeforeId !== undefined) printText(`\nolder ones: --before ${nextBeforeId}`);
    return EXIT.ok;
  });
}

function asTable(questions: readonly ListedQuestion[]): string {
  return table(
    ['message', 'status', 'age', 'attempts', 'error', 'from', 'to', 'conversation', 'question'],
    questions.map((each) => [
      each.messageId,
      each.status,
      duration(each.ageMs),
      each.attempts,
      each.errorCode,
      ...[each.source, each.target].map((name) => oneLine(name ?? '', NAME_CHARS)),
      each.conversationId,
      oneLine(each.question ?? '', LINE_CHARS),
    ]),
  );
}

function toWire(each: ListedQuestion) {
  return {
    message_id: each.messageId,
    conversation_id: each.conversationId,
    status: each.status,
    question: each.question ?? null,
    source: each.source ?? null,
    target: each.target ?? null,
    asked_at: `${each.askedAt}Z`,
    seen_at: each.seenAtUs === undefined ? null : timeOf(each.seenAtUs),
    finished_at: each.finishedAtUs === undefined ? null : timeOf(each.finishedAtUs),
    age_ms: Math.round(each.ageMs),
    attempts: each.attempts,
    error_code: each.errorCode ?? null,
    engine: each.engine ?? null,
  };
}
