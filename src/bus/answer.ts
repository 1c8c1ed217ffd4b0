/** Composes the answer row that other programs read. Pure. */
import type { Answer, AnswerError } from './bus.js';
import type { ParsedQuestion } from './question.js';

/** Longest `message` the programs on the bus accept, in characters. */
export const MAX_MESSAGE_CHARS = 50_000;

const CUT_NOTE = '\n[answer cut: too long for the bus]';

/** Shares of the other fields, in characters of JSON; the rest is for the answer itself. */
const MAX_SOURCES_CHARS = 10_000;
const MAX_ERROR_CHARS = 5_000;
const MAX_NAME_CHARS = 1_000;

/** The `message` column of the answer to a question: valid JSON, short enough for the bus. */
export function answerMessage(
  questionId: number,
  question: ParsedQuestion,
  answer: Answer,
): string {
  const queryId = question.kind === 'ignored' ? undefined : question.queryId;
  const row = {
    type: 'response',
    query_id: cutTo(queryId ?? `msg_${questionId}`, MAX_NAME_CHARS * 2),
    answer: answer.error ? errorText(answer.answer) : answer.answer.toWellFormed(),
    sources: fitSources(answer.sources),
    shard_id: cutTo(answer.shardId, MAX_NAME_CHARS),
    llm_type: cutTo(answer.llmType, MAX_NAME_CHARS),
    response_time_sec: seconds(answer.responseTimeSec),
    ...(answer.error && {
      error: {
        code: cutTo(answer.error.code, MAX_NAME_CHARS),
        message: cutTo(answer.error.message, MAX_ERROR_CHARS),
        attempts: answer.error.attempts,
      },
    }),
  };
  const whole = JSON.stringify(row);
  if (whole.length <= MAX_MESSAGE_CHARS) return whole;
  const truncated = { answer_chars: row.answer.length };
  const rest = JSON.stringify({ ...row, answer: CUT_NOTE, truncated }).length;
  const kept = cutTo(row.answer, MAX_MESSAGE_CHARS - rest);
  return JSON.stringify({ ...row, answer: kept + CUT_NOTE, truncated });
}

/** The code of a question that was cancelled, and of one that was taken off the queue. */
export const CANCELLED = 'cancelled';
export const REMOVED = 'removed';

/** @param elapsedMs how long the question had been at work by then */
export function errorAnswer(error: AnswerError, shardId: string, elapsedMs: number): Answer {
  return {
    answer: `Error: ${error.message}`,
    sources: [],
    shardId,
    llmType: 'none',
    responseTimeSec: elapsedMs / 1000,
    error,
  };
}

export function cancelledAnswer(attempts: number, elapsedMs: number): Answer {
  const message = 'the question was cancelled';
  return errorAnswer({ code: CANCELLED, message, attempts, dead: false }, 'warmline', elapsedMs);
}

/** What the audit keeps of an answer. `dead`: attempts are used up. */
export function outcomeOf({ error }: Answer): 'complete' | 'failed' | 'dead' {
  if (!error) return 'complete';
  return error.dead ? 'dead' : 'failed';
}

/** The `metadata` column; always valid JSON, for one bad row of ours blocks its reader for good. */
export function answerMetadata(questionId: number): string {
  return `{"action_type":"response","in_reply_to":${questionId}}`;
}

function errorText(answer: string): string {
  const text = answer.toWellFormed();
  return text.startsWith('Error:') ? text : `Error: ${text}`;
}

function seconds(value: number): number {
  const rounded = Math.max(0, Math.round(value * 1000) / 1000);
  return Number.isFinite(rounded) ? rounded : 0;
}

/** As many sources as fit, the first ones first. */
function fitSources(sources: readonly string[]): string[] {
  let left = MAX_SOURCES_CHARS;
  const fitting: string[] = [];
  for (const source of sources) {
    const text = source.toWellFormed();
    left -= jsonLength(text) + 3;
    if (left < 0) break;
    fitting.push(text);
  }
  return fitting;
}

/**
 * The longest beginning of a text that takes at most so many characters inside a JSON string.
 * Escapes make a text up to six times longer, so the place of the cut is searched for.
 */
function cutTo(text: string, maxChars: number): string {
  const whole = text.toWellFormed();
  if (whole.length * 6 <= maxChars || jsonLength(whole) <= maxChars) return whole;
  let fits = 0;
  let tooLong = Math.min(whole.length, maxChars) + 1;
  while (tooLong - fits > 1) {
    const middle = (fits + tooLong) >>> 1;
    if (jsonLength(whole.slice(0, middle)) <= maxChars) fits = middle;
    else tooLong = middle;
  }
  // A cut between the halves of a character leaves one half; it is dropped.
  return whole.slice(0, /[\uD800-\uDBFF]/.test(whole[fits - 1] ?? '') ? fits - 1 : fits);
}

function jsonLength(text: string): number {
  return JSON.stringify(text).length - 2;
}
