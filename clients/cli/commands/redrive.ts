import {
  listDeadLetters,
  questionDetails,
  type Redriven,
  type RedriveOptions,
  redriveMatching,
  redriveQuestions,
  type SqliteBus,
} from '../../../src/bus/index.js';
import { withBus } from '../bus-file.js';
import { EXIT, UsageError } from '../failure.js';
import type { Words } from '../options.js';
import { printJson, printText, shellWord } from '../output.js';
import { filterOf, nothingMatches, parseMessageId } from './dead.js';

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
    const children = failedBecauseOf(bus, results);
    if (json === true) printJson(toWire(results, children, dryRun === true));
    else if (results.length === 0) printText(nothingToAsk(bus, words));
    else if (children.length > 0) printText(childrenText(children, bus.file));
    return results.every(({ did }) => did === 'redriven') ? EXIT.ok : EXIT.failed;
  });
}

function nothingToAsk(bus: SqliteBus, words: Words): string {
  const { letters } = listDeadLetters(bus, filterOf(words), { limit: 1 });
  if (letters.length === 0) return nothingMatches(bus, words);
  return 'all that match have been asked again already; --again asks them once more';
}

/** They end for good when a question they depend on gets no answer. */
const BECAUSE_OF_PARENT = { code: 'parent_failed', includeFailed: true };
/** The latest so many are looked at. */
const MOST_CHILDREN = 1_000;
/** More are not named one by one. */
const MOST_NAMED = 20;

/** Questions that failed because one of these did, or one that failed so, and are not asked again. */
function failedBecauseOf(bus: SqliteBus, results: readonly Redriven[]): number[] {
  const parents = new Set<number | string>();
  const asked = results.flatMap((each) => (each.did === 'redriven' ? [each.questionId] : []));
  if (asked.length === 0) return [];
  const { letters } = listDeadLetters(bus, BECAUSE_OF_PARENT, { limit: MOST_CHILDREN });
  const waiting = letters.filter(({ redrivenAs }) => redrivenAs === undefined);
  if (waiting.length === 0) return [];
  const add = (id: number) => {
    const question = questionDetails(bus, id)?.question;
    parents.add(id);
    if (question?.kind === 'question' && question.queryId !== undefined) {
      parents.add(question.queryId);
    }
  };
  for (const id of asked) add(id);
  // A parent has the lower id, so it is known before its children are looked at.
  return waiting
    .map(({ questionId }) => questionId)
    .sort((one, other) => one - other)
    .filter((id) => {
      const question = questionDetails(bus, id)?.question;
      if (asked.includes(id) || question?.kind !== 'question') return false;
      if (!question.dependsOn.some((name) => parents.has(name))) return false;
      add(id);
      return true;
    });
}

function childrenText(children: readonly number[], file: string): string {
  const bus = `--db ${shellWord(file)}`;
  const ids = children.slice(0, MOST_NAMED);
  const others = children.length > MOST_NAMED ? ` and ${children.length - MOST_NAMED} more` : '';
  const command =
    others === ''
      ? `warmline redrive ${ids.join(' ')} --failed ${bus}`
      : `warmline redrive --code parent_failed --failed ${bus}`;
  return `failed because of that: ${ids.join(', ')}${others}; to ask them again too: ${command}`;
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

function toWire(results: readonly Redriven[], children: readonly number[], isDryRun: boolean) {
  return {
    dry_run: isDryRun,
    failed_children: children.map((id) => ({ message_id: id })),
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
