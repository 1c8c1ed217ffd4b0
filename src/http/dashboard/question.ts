/** All that is known of one question, as the page shows it. */
import { z } from 'zod';
import { type QuestionDetails, statusWord } from '../../bus/index.js';

export function detailsView(details: QuestionDetails, nowUs: number): object {
  const { question, answer, ...rest } = details;
  return {
    takenAtUs: nowUs,
    ...rest,
    status: statusWord(details.status, details.errorCode),
    ...questionView(question),
    answer: answer && answerView(answer.message),
  };
}

function questionView(question: QuestionDetails['question']) {
  switch (question?.kind) {
    case 'question': {
      const { question: text, kind: _, ...asked } = question;
      return { text, asked };
    }
    case 'invalid':
      return { text: `Not understood: ${question.message}` };
    case 'ignored':
      return { text: 'This message is no question.' };
    default:
      return {};
  }
}

const AnswerRow = z.object({
  answer: z.string(),
  sources: z.array(z.string()).catch([]),
  error: z.unknown().optional(),
});

/** Another program can have changed the row: whatever it is, it is shown. */
function answerView(message: string) {
  const row = AnswerRow.safeParse(parse(message));
  if (!row.success) return { text: message, sources: [], isError: false };
  const { answer: text, sources, error } = row.data;
  return { text, sources, isError: error !== undefined };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
