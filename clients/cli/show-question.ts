/** One question of a bus on the screen: all there is to say about it. */
import {
  inspectBus,
  listQuestions,
  type QuestionDetails,
  questionDetails,
  type SqliteBus,
} from '../../src/bus/index.js';
import { printJson, printText, sourcesText } from './output.js';
import { detailsAsJson, detailsAsText, oneLine } from './question-report.js';
import { nobodyWorks } from './worker-report.js';

const NAME_CHARS = 200;

/** @throws Error when there is no such message */
export function showQuestion(bus: SqliteBus, id: number, json: boolean): void {
  const details = questionDetails(bus, id);
  if (details === undefined) throw new Error(`there is no message ${id} on ${bus.file}`);
  if (json) printJson({ ...detailsAsJson(details), ...modulesOf(bus, id) });
  else printText(textOf(bus, details));
}

/** @returns undefined when there is no such message */
export function questionText(bus: SqliteBus, id: number): string | undefined {
  const details = questionDetails(bus, id);
  return details && textOf(bus, details);
}

function textOf(bus: SqliteBus, details: QuestionDetails): string {
  const { messageId, redrivenAs, answer } = details;
  const again = redrivenAs === undefined ? undefined : questionDetails(bus, redrivenAs);
  const { source, target } = modulesOf(bus, messageId);
  const sources = answer === undefined ? [] : sourcesIn(answer.message);
  return [
    detailsAsText(details, again),
    ...(sources.length > 0 ? [sourcesText(sources)] : []),
    ...(source !== null && target !== null
      ? [`from ${oneLine(source, NAME_CHARS)} to ${oneLine(target, NAME_CHARS)}`]
      : []),
    ...(isUnfinished(details) && isLeftAlone(bus) ? [nobodyWorks(bus.file)] : []),
  ].join('\n\n');
}

/** The modules that the conversation is between; null for what is no question, or gone. */
function modulesOf(bus: SqliteBus, id: number) {
  const [listed] = listQuestions(bus, { beforeId: id + 1, limit: 1 }).questions;
  const { source = null, target = null } = listed?.messageId === id ? listed : {};
  return { source, target };
}

function isUnfinished({ status }: QuestionDetails): boolean {
  return status === 'pending' || status === 'unseen';
}

function isLeftAlone({ file, session }: SqliteBus): boolean {
  return inspectBus(file, session).workers.every(({ gone }) => gone);
}

function sourcesIn(message: string): string[] {
  try {
    const { sources } = JSON.parse(message) as { sources?: unknown };
    return Array.isArray(sources) ? sources.map(String) : [];
  } catch {
    return [];
  }
}
