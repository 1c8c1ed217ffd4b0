/** Composes the answer row that other programs read. Pure. */
import type { Answer } from './bus.js';
import type { ParsedQuestion } from './question.js';

/** Longest `message` the programs on the bus accept, in characters. */
export const MAX_MESSAGE_CHARS = 50_000;

const CUT_NOTE = '\n[answer cut: too long for the bus]';

/** The `message` column of the answer to a question. */
export function answerMessage(
  questionId: number,
  question: ParsedQuestion,
  answer: Answer,
): string {
  const queryId = question.kind === 'ignored' ? undefined : question.queryId;
  const text = answer.error ? errorText(answer) : answer.answer.toWellFormed();
  const row = {
    type: 'response',
    query_id: (queryId ?? `msg_${questionId}`).toWellFormed(),
    answer: text,
    sources: answer.sources,
    shard_id: answer.shardId,
    llm_type: answer.llmType,
    response_time_sec: Math.max(0, Math.round(answer.responseTimeSec * 1000) / 1000),
    ...(answer.error && {
      error: {
        code: answer.error.code,
        message: answer.error.message.toWellFormed(),
        attempts: answer.error.attempts,
      },
    }),
  };
  const whole = JSON.stringify(row);
  return whole.length <= MAX_MESSAGE_CHARS ? whole : cutToFit(row, whole.length);
}

/** The `metadata` column; always valid JSON, for one bad row of ours blocks its reader for good. */
export function answerMetadata(questionId: number): string {
  return `{"action_type":"response","in_reply_to":${questionId}}`;
}

function errorText(answer: Answer): string {
  const text = answer.answer.toWellFormed();
  return text.startsWith('Error:') ? text : `Error: ${text}`;
}

/** Escapes make JSON longer than its text, so the cut is found by halving what is kept. */
function cutToFit(row: { answer: string; sources: readonly string[] }, length: number): string {
  const bare = {
    ...row,
    sources: row.sources.slice(0, 50),
    truncated: { answer_chars: row.answer.length },
  };
  let keep = Math.max(0, row.answer.length - (length - MAX_MESSAGE_CHARS));
  for (;;) {
    const text = JSON.stringify({
      ...bare,
      answer: row.answer.slice(0, keep).toWellFormed() + CUT_NOTE,
    });
    if (text.length <= MAX_MESSAGE_CHARS || keep === 0) return text;
    keep = Math.floor(keep * 0.9) - CUT_NOTE.length;
    if (keep < 0) keep = 0;
  }
}
