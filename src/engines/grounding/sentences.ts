/** The statements of an answer, and which of them a citation stands for. */
import { type Citation, MAX_ANSWER } from './citations.js';

export interface Sentence {
  readonly text: string;
  readonly start: number;
  readonly end: number;
  /** Whether it begins a line of the answer. */
  readonly opensLine: boolean;
}

/** Sentences that are told apart; what follows them in an answer is not looked at. */
const MAX_SENTENCES = 4096;
/** How many sentences back a citation may stand for one. */
const MAX_BACK = 8;
/** Longest statement that is looked at, in UTF-16 units. */
const MAX_SENTENCE = 1000;
const SENTENCE_END = /\n|(?<![.!?…])[.!?…]+(?=[\s"'”»)\]*`_]|$)|[。！？]/g;

/** Words that only say that a citation follows. */
const CITING = new Set(
  `source sources see cf line lines reference references citation citations cited from document file
   quelle quellen siehe zeile zeilen voir ligne lignes fuente fuentes vease linea lineas and und et y`.split(
    /\s+/,
  ),
);

/** The sentences of an answer without its citations. */
export function sentencesOf(answer: string, citations: readonly Citation[]): Sentence[] {
  const text = blanked(answer.slice(0, MAX_ANSWER), citations);
  const sentences: Sentence[] = [];
  let start = 0;
  let opensLine = true;
  const add = (end: number) => {
    sentences.push({
      text: text.slice(start, Math.min(end, start + MAX_SENTENCE)),
      start,
      end,
      opensLine,
    });
    opensLine = text.charAt(end - 1) === '\n';
    start = end;
  };
  for (const match of text.matchAll(SENTENCE_END)) {
    if (sentences.length === MAX_SENTENCES) return sentences;
    add(match.index + match[0].length);
  }
  if (start < text.length) add(text.length);
  return sentences;
}

/** The text with spaces where citations stand, so that offsets stay. */
function blanked(text: string, citations: readonly Citation[]): string {
  const parts: string[] = [];
  let at = 0;
  for (const { start, end } of citations) {
    parts.push(text.slice(at, start), ' '.repeat(end - start));
    at = end;
  }
  parts.push(text.slice(at));
  return parts.join('');
}

/** Whether a sentence says something, other than that a citation follows. */
export function saysSomething({ text }: Sentence): boolean {
  const words = text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return words.some((word) => !CITING.has(word));
}

/**
 * The sentences a citation may stand for: the one it stands in, else the one before it in its
 * line, else, as in a list of sources, any.
 */
export function statementsOf(
  citation: Citation,
  sentences: readonly Sentence[],
): readonly Sentence[] {
  const own = sentences.findIndex(({ end }) => citation.start < end);
  for (let at = own; at >= 0 && own - at <= MAX_BACK; at--) {
    const sentence = sentences[at];
    if (sentence === undefined) break;
    if (saysSomething(sentence)) return [sentence];
    if (sentence.opensLine) break;
  }
  return sentences;
}

const words = (list: string) => `(?<!\\p{L})(?:${list.trim().split(/\s+/).join('|')})`;

const NEGATION = `(?:n['’]t|${words(`
  not cannot no nothing nowhere never nicht nichts nirgends kein keine keinen keiner pas aucun aucune
  rien nada ningún ninguna`)})(?!\\p{L})`;
const TELLING = `${words(`
  say says said mention\\p{L}* state stated states specif\\p{L}* contain\\p{L}* information answer\\p{L}*
  tell tells told describ\\p{L}* indicat\\p{L}* provid\\p{L}* given cover\\p{L}* erwähn\\p{L}* enthält
  enthalten angabe\\p{L}* angegeben genannt steht informationen mentionn\\p{L}* indiqu\\p{L}* précis\\p{L}*
  dit contient menciona\\p{L}* indica\\p{L}* dice contiene especifica\\p{L}* información`)}(?!\\p{L})`;
const BETWEEN = '[^\\p{L}\\n](?:[^\\n]{0,40}[^\\p{L}\\n])??';
const DENIAL = new RegExp(`${NEGATION}${BETWEEN}${TELLING}|${TELLING}${BETWEEN}${NEGATION}`, 'iu');

/** Whether a sentence says that the document does not tell something: no line can hold that. */
export function isDenial({ text }: Sentence): boolean {
  return DENIAL.test(text);
}
