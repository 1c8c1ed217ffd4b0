import { type DeadLetter, listDeadLetters, type SqliteBus } from '../../../src/bus/index.js';
import { withBus } from '../bus-file.js';
import { EXIT, UsageError } from '../failure.js';
import type { Words } from '../options.js';
import { printJson, printText, table } from '../output.js';
import { oneLine, timeOf } from '../question-report.js';
import { showQuestion } from '../show-question.js';

interface FilterWords {
  readonly conversation?: string;
  readonly code?: string;
  readonly engine?: string;
  /** Microseconds since the epoch. */
  readonly since?: number;
  readonly failed?: boolean;
}

interface DeadWords extends FilterWords {
  readonly limit?: number;
  readonly before?: number;
  readonly json?: boolean;
}

const DEFAULT_LIMIT = 50;
/** So much of a question stands in its line. */
const LINE_CHARS = 60;
const MOST_COUNTED = 10_000;

export async function dead(words: Words, messageId?: string): Promise<number> {
  if (messageId !== undefined) {
    const id = parseMessageId(messageId);
    throw new UsageError(`to see question ${id}: warmline dead show ${id}`);
  }
  const { limit = DEFAULT_LIMIT, before, json } = words as DeadWords;
  return withBus(words, (bus) => {
    const page = listDeadLetters(bus, filterOf(words), { limit, beforeId: before });
    const { letters, nextBeforeId } = page;
    if (json === true) {
      printJson({ dead_letters: letters.map(toWire), next_before: nextBeforeId ?? null });
    } else if (letters.length === 0) printText(nothingMatches(bus, words));
    else {
      printText(asTable(letters));
      if (nextBeforeId !== undefined) printText(`\nolder ones: --before ${nextBeforeId}`);
    }
    return EXIT.ok;
  });
}

export async function deadShow(words: Words, messageId: string): Promise<number> {
  const id = parseMessageId(messageId);
  return withBus(words, (bus) => {
    showQuestion(bus, id, words.json === true);
    return EXIT.ok;
  });
}

/** Why a list is empty: nothing was given up, or the filter is to blame. */
export function nothingMatches(bus: SqliteBus, { failed }: Words): string {
  const all = { includeFailed: failed === true };
  const { letters, nextBeforeId } = listDeadLetters(bus, all, { limit: MOST_COUNTED });
  if (letters.length === 0) return 'no question was given up';
  const count = nextBeforeId === undefined ? letters.length : `more than ${MOST_COUNTED}`;
  const failures = all.includeFailed ? ' or got an error answer' : '';
  return `none of the ${count} that were given up${failures} matches`;
}

export function filterOf(words: Words) {
  const { conversation, code, engine, since, failed } = words as FilterWords;
  return { conversationId: conversation, code, engine, sinceUs: since, includeFailed: failed };
}

/** @throws UsageError */
export function parseMessageId(given: string): number {
  if (!/^[1-9]\d{0,14}$/.test(given)) {
    throw new UsageError(`"${given}" is no message id; it must be a whole number above 0`);
  }
  return Number(given);
}

function asTable(letters: readonly DeadLetter[]): string {
  return table(
    [
      'message',
      'ended',
      'conversation',
      'outcome',
      'code',
      'engine',
      'attempts',
      'again',
      'question',
    ],
    letters.map((letter) => [
      letter.questionId,
      timeOf(letter.endedAtUs),
      letter.conversationId,
      letter.outcome,
      letter.code,
      letter.engine,
      letter.attempts,
      letter.redrivenAs,
      oneLine(letter.question ?? '', LINE_CHARS),
    ]),
  );
}

function toWire(letter: DeadLetter) {
  return {
    message_id: letter.questionId,
    conversation_id: letter.conversationId,
    outcome: letter.outcome,
    code: letter.code ?? null,
    engine: letter.engine ?? null,
    attempts: letter.attempts,
    seen_at: timeOf(letter.seenAtUs),
    ended_at: timeOf(letter.endedAtUs),
    redriven_as: letter.redrivenAs ?? null,
    question: letter.question ?? null,
  };
}
