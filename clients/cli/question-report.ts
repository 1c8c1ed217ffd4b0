/** One question of a bus, told to people and to programs. */
import { type QuestionDetails, statusWord, type WaitReason } from '../../src/bus/index.js';
import { duration, paint, printable, table } from './output.js';

type Attempt = QuestionDetails['attempts'][number];

/** More of a text is not shown. */
const TEXT_CHARS = 2000;

/** In UTC, with milliseconds. */
export function timeOf(us: number): string {
  return new Date(us / 1000).toISOString();
}

/** With the day on each line, a table of attempts is wider than a terminal. */
function timeOfDay(us: number): string {
  return timeOf(us).slice('2026-11-20T'.length);
}

/** The beginning of a text, harmless and in one line. */
export function oneLine(text: string, maxChars: number): string {
  const line = printable(text).replace(/\s+/g, ' ').trim();
  return line.length <= maxChars ? line : `${beginningOf(line, maxChars)}…`;
}

function beginningOf(text: string, maxChars: number): string {
  return text.slice(0, maxChars).toWellFormed();
}

function shorten(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  return `${beginningOf(text, maxChars)}… (${text.length} characters)`;
}

/** @param again the question that asks it again, when there is one */
export function detailsAsText(details: QuestionDetails, again?: QuestionDetails): string {
  const { messageId, conversationId, errorCode, askedAt, attempts, answer } = details;
  const status = statusWord(details.status, errorCode);
  const lines: (readonly [string, string | undefined])[] = [
    ['conversation', `${conversationId} (${details.conversation})`],
    ['status', statusText(details)],
    ['asked', askedAt && `${askedAt}Z`],
    ['seen', details.seenAtUs === undefined ? undefined : timeOf(details.seenAtUs)],
    ['finished', details.finishedAtUs === undefined ? undefined : timeOf(details.finishedAtUs)],
    ['age', ageText(details)],
    ['asks again', details.redriveOf === undefined ? undefined : `question ${details.redriveOf}`],
    ['asked again', againText(details, again)],
  ];
  const known = lines.filter(([, value]) => value !== undefined);
  return [
    paint('bold', `Question ${messageId}: ${status}`),
    ...known.map(([name, value]) => `${name.padEnd(12)}  ${printable(value ?? '')}`),
    section('Question', questionText(details)),
    section('Attempts', attempts.length === 0 ? undefined : timeline(attempts)),
    section('Answer', answer && answerText(answer.message)),
  ]
    .filter((part) => part !== '')
    .join('\n');
}

function ageText({ ageMs, finishedAtUs }: QuestionDetails): string | undefined {
  if (ageMs === undefined) return undefined;
  return finishedAtUs === undefined ? duration(ageMs) : `${duration(ageMs)}, until it was finished`;
}

function section(title: string, text: string | undefined): string {
  return text === undefined ? '' : `\n${paint('bold', title)}\n${text}`;
}

/** Where it stands, and what it waits for. */
export function statusText({ status, errorCode, waits, processing }: QuestionDetails): string {
  if (waits) return `${status}: ${waitText(waits)}`;
  if (status === 'unseen') return 'pending: no autopoll has seen it yet';
  if (processing) {
    return `${status}: attempt ${processing.attempt} since ${timeOf(processing.sinceUs)}, by ${processing.owner}`;
  }
  const word = statusWord(status, errorCode);
  return errorCode === undefined || word === errorCode ? word : `${word}: ${errorCode}`;
}

function waitText(waits: WaitReason): string {
  switch (waits.for) {
    case 'turn':
      return `behind question ${waits.behindId} of its conversation`;
    case 'parents':
      return `waits for ${waits.ids.map((id) => `question ${id}`).join(', ')}`;
    case 'delay':
      return `tried again at ${timeOf(waits.untilUs)}${waits.error === undefined ? '' : `, after ${waits.error}`}`;
    case 'engine': {
      const engine = waits.engine === '' ? 'the default engine' : `engine ${waits.engine}`;
      const until = waits.untilUs === undefined ? '' : ` until ${timeOf(waits.untilUs)}`;
      return `${engine} takes no work${until}: ${waits.code}, ${waits.message}`;
    }
    case 'worker':
      return 'nothing stands in its way';
  }
}

function againText({ redrivenAs }: QuestionDetails, again: QuestionDetails | undefined) {
  if (redrivenAs === undefined) return undefined;
  const status = again && statusWord(again.status, again.errorCode);
  return `as question ${redrivenAs} (${status ?? 'deleted'})`;
}

function questionText({ question }: QuestionDetails): string {
  switch (question?.kind) {
    case 'question':
      return shorten(printable(question.question), TEXT_CHARS);
    case 'invalid':
      return `not understood: ${printable(question.message)}`;
    case 'ignored':
      return 'not a question';
    default:
      return 'deleted from the bus';
  }
}

function timeline(attempts: readonly Attempt[]): string {
  const headings = [
    'attempt',
    'claimed',
    'started',
    'first byte',
    'ended',
    'outcome',
    'engine',
    'error',
  ];
  const after = (from: number, us: number | undefined) =>
    us === undefined ? '' : `+${duration((us - from) / 1000)}`;
  return table(
    headings,
    attempts.map((each) => [
      each.attempt,
      timeOfDay(each.claimedAtUs),
      after(each.claimedAtUs, each.startedAtUs),
      after(each.claimedAtUs, each.firstByteAtUs),
      after(each.claimedAtUs, each.finishedAtUs),
      each.outcome,
      each.engine,
      oneLine([each.errorCode, each.errorMessage].filter(Boolean).join(': '), 120),
    ]),
  );
}

function answerText(message: string): string {
  const row = fieldsOf(message);
  return shorten(printable(String(row.answer ?? message)), TEXT_CHARS);
}

/** Everything, with the names that the bus and the bridge use. */
export function detailsAsJson(details: QuestionDetails) {
  const { question, answer } = details;
  return {
    message_id: details.messageId,
    conversation_id: details.conversationId,
    conversation: details.conversation,
    from: details.from,
    to: details.to,
    status: statusWord(details.status, details.errorCode),
    question: question?.kind === 'question' ? question.question : null,
    query_id: (question?.kind !== 'ignored' && question?.queryId) || null,
    asked_at: details.askedAt === undefined ? null : `${details.askedAt}Z`,
    seen_at: timeOrNull(details.seenAtUs),
    finished_at: timeOrNull(details.finishedAtUs),
    age_ms: details.ageMs ?? null,
    waits: details.waits ? waitAsJson(details.waits) : null,
    processing: details.processing
      ? {
          attempt: details.processing.attempt,
          owner: details.processing.owner,
          since: timeOf(details.processing.sinceUs),
          lease_until: timeOf(details.processing.leaseUntilUs),
        }
      : null,
    attempts: details.attempts.map(attemptAsJson),
    error_code: details.errorCode ?? null,
    answer_id: answer?.id ?? null,
    answer: answer ? fieldsOf(answer.message) : null,
    redriven_as: details.redrivenAs ?? null,
    redrive_of: details.redriveOf ?? null,
  };
}

function waitAsJson(waits: WaitReason) {
  switch (waits.for) {
    case 'turn':
      return { for: 'turn', behind: waits.behindId };
    case 'parents':
      return { for: 'parents', parents: waits.ids };
    case 'delay':
      return { for: 'delay', until: timeOf(waits.untilUs), error: waits.error ?? null };
    case 'engine': {
      const { engine, code, message, untilUs } = waits;
      return { for: 'engine', engine, until: timeOrNull(untilUs), code, message };
    }
    case 'worker':
      return { for: 'worker' };
  }
}

function attemptAsJson(attempt: Attempt) {
  return {
    attempt: attempt.attempt,
    outcome: attempt.outcome,
    engine: attempt.engine ?? null,
    claimed_at: timeOf(attempt.claimedAtUs),
    started_at: timeOrNull(attempt.startedAtUs),
    first_byte_at: timeOrNull(attempt.firstByteAtUs),
    finished_at: timeOf(attempt.finishedAtUs),
    input_tokens: attempt.inputTokens ?? null,
    output_tokens: attempt.outputTokens ?? null,
    error_code: attempt.errorCode ?? null,
    error_message: attempt.errorMessage ?? null,
  };
}

function timeOrNull(us: number | undefined): string | null {
  return us === undefined ? null : timeOf(us);
}

/** An answer row is ours, and on a bus that others write to. */
function fieldsOf(message: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(message);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
