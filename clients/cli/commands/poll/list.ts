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
/** So much of a question stands in its line, and so much at least on a narrow terminal. */
const LINE_CHARS = 60;
const LEAST_CHARS = 12;
const NAME_CHARS = 24;
/** A narrower terminal has no room for the conversations; what is no terminal has any. */
const WIDE_COLUMNS = 130;

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
    if (questions.length > 0) printText(asTable(questions, columnsOf(process.stdout)));
    else printText(nextBeforeId === undefined ? 'no question matches' : 'none matches so far');
    if (nextBeforeId !== undefined) printText(`\nolder ones: --before ${nextBeforeId}`);
    return EXIT.ok;
  });
}

function columnsOf(stream: NodeJS.WriteStream): number {
  return stream.isTTY ? stream.columns || WIDE_COLUMNS : Number.POSITIVE_INFINITY;
}

/** One line for each question that fits `columns`, where that can be. */
function asTable(questions: readonly ListedQuestion[], columns: number): string {
  const facts = (each: ListedQuestion) => [
    each.messageId,
    each.status,
    duration(each.ageMs),
    each.attempts,
    each.errorCode,
    ...[each.source, each.target].map((name) => oneLine(name ?? '', NAME_CHARS)),
    ...(columns < WIDE_COLUMNS ? [] : [each.conversationId]),
  ];
  const headings = ['message', 'status', 'age', 'attempts', 'error', 'from', 'to'];
  if (columns >= WIDE_COLUMNS) headings.push('conversation');
  const withQuestions = (chars: number) =>
    table(
      [...headings, 'question'],
      questions.map((each) => [...facts(each), oneLine(each.question ?? '', chars)]),
    );
  const [, ...lines] = withQuestions(1).split('\n');
  const left = columns - Math.max(...lines.map((line) => line.length));
  return withQuestions(Math.min(LINE_CHARS, Math.max(LEAST_CHARS, left)));
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
