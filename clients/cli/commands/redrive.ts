import {
  type Redriven,
  type RedriveOptions,
  redriveMatching,
  redriveQuestions,
  type SqliteBus,
} from '../../../src/bus/index.js';
import { withBus } from '../bus-file.js';
import { EXIT, UsageError } from '../failure.js';
import type { Words } from '../options.js';
import { printJson, printText } from '../output.js';
import { filterOf, parseMessageId } from './dead.js';

interface RedriveWords {
  readonly all?: boolean;
  readonly failed?: boolean;
  readonly again?: boolean;
  readonly includeExpired?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export async function redrive(words: Words, given: readonly string[]): Promise<number> {
  const { json, dryRun } = words as RedriveWords;
  const ids = given.map(parseMessageId);
  requireOneChoice(words, ids);
  return withBus(words, async (bus) => {
    const results: Redriven[] = [];
    for await (const page of chosen(bus, words, ids)) {
      results.push(...page);
      if (json !== true) for (const result of page) printText(sentence(result, dryRun === true));
    }
    if (json === true) printJson(toWire(results, dryRun === true));
    else if (results.length === 0) printText('no question that matches was given up');
    return results.every(({ did }) => did === 'redriven') ? EXIT.ok : EXIT.failed;
  });
}

/** @throws UsageError */
function requireOneChoice(words: Words, ids: readonly number[]): void {
  const { conversation, code, engine, since } = words;
  const isFiltered = [conversation, code, engine, since].some((value) => value !== undefined);
  const choices = [ids.length > 0, words.all === true, isFiltered].filter(Boolean).length;
  if (choices === 0) {
    throw new UsageError('name the message ids of questions, or give --all or a filter');
  }
  if (choices > 1) throw new UsageError('give message ids, --all or a filter, only one of them');
}

async function* chosen(
  bus: SqliteBus,
  words: Words,
  ids: readonly number[],
): AsyncGenerator<Redriven[]> {
  const { failed, again, includeExpired, dryRun } = words as RedriveWords;
  const options: RedriveOptions = { again, includeExpired, dryRun, includeFailed: failed };
  if (ids.length === 0) yield* redriveMatching(bus, filterOf(words), options);
  else yield await redriveQuestions(bus, ids, options);
}

function sentence(result: Redriven, isDryRun: boolean): string {
  if (result.did === 'refused') return `not asked again: ${result.why}`;
  return isDryRun
    ? `question ${result.questionId} would be asked again`
    : `question ${result.questionId} is asked again as question ${result.againId}`;
}

function toWire(results: readonly Redriven[], isDryRun: boolean) {
  return {
    dry_run: isDryRun,
    redriven: results.flatMap((result) =>
      result.did === 'redriven'
        ? [{ message_id: result.questionId, ...(!isDryRun && { again_id: result.againId }) }]
        : [],
    ),
    refused: results.flatMap((result) =>
      result.did === 'refused' ? [{ message_id: result.questionId, why: result.why }] : [],
    ),
  };
}
