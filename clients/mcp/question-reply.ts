/** Where a question stands, for whoever asked it. */
import {
  type ListedStatus,
  type QuestionDetails,
  questionDetails,
  statusWord,
} from '../../src/bus/index.js';
import { contentOf } from '../monitor/index.js';
import { answerText } from './answer-text.js';
import type { Backend } from './backend.js';
import { ToolError } from './failure.js';
import type { Reply } from './tool.js';

type QuestionWord = ListedStatus | 'orphaned';

/** The word people read for where a question stands. */
export function wordOf({ status, errorCode }: QuestionDetails): QuestionWord {
  // Nobody of ours answers it, and nobody ever will.
  if (status === 'other') return 'ignored';
  return statusWord(status, errorCode);
}

export function isFinished(word: QuestionWord): boolean {
  return word !== 'pending' && word !== 'processing' && word !== 'expired';
}

/** @throws ToolError `not_found` */
export function detailsOf(backend: Backend, messageId: number): QuestionDetails {
  const details = questionDetails(backend.bus, messageId);
  if (details === undefined) {
    throw new ToolError('not_found', `there is no message ${messageId} on this bus any more`);
  }
  return details;
}

/** Status, answer and what it waits for. It is no error of the call that a question has failed. */
export function questionReply(details: QuestionDetails): Reply {
  const { messageId, conversationId, answer, waits, attempts, processing } = details;
  const status = wordOf(details);
  const content = answer && contentOf(answer);
  return {
    text:
      content === undefined
        ? `Message ${messageId} is ${status}${waits === undefined ? '' : `, it waits for: ${waits.for}`}`
        : answerText(content),
    data: {
      message_id: messageId,
      conversation_id: conversationId,
      status,
      answer: content?.answer,
      sources: content?.sources,
      error: content?.error,
      waits_for: waits?.for,
      attempts: attempts.length + (processing === undefined ? 0 : 1),
      age_ms: details.ageMs === undefined ? undefined : Math.round(details.ageMs),
    },
  };
}

/** The same for whoever wanted an answer: a question that has got none is an error. */
export function answerReply(details: QuestionDetails): Reply {
  const word = wordOf(details);
  return { ...questionReply(details), isError: isFinished(word) && word !== 'complete' };
}
