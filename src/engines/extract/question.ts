/**
 * What a question asks for: the words to look for, and what its answer will look like ("how many"
 * wants a number). Knows nothing of any document.
 */
import { type Expectation, expectations } from './expectations.js';
import { type Language, STOP_WORDS } from './language.js';
import { beginningOf, hashTerm } from './postings.js';
import { kin, stem } from './stem.js';
import { related } from './synonyms.js';
import { endsSentence, rawTokens, wordsOf } from './tokens.js';

/** A word of the question with the other words an answer may use for it. */
export interface Wanted {
  /** Term hashes with how well each stands for the word, from 0 to 1. */
  readonly variants: readonly { readonly term: number; readonly weight: number }[];
  /** Looked for instead when the word itself is nowhere in the document. */
  readonly beginning: number | undefined;
  /** How much of the question hangs on this word, from 0 to 1. */
  readonly importance: number;
}

export interface Question {
  /** In the order of the question. */
  readonly wanted: readonly Wanted[];
  readonly expects: readonly Expectation[];
}

/** Of a question longer than this, in UTF-16 units, the first and the last half are read. */
const MAX_LENGTH = 32_768;
/** Of more different words than this, the first and the last half count. */
const MAX_WORDS = 192;
const SYNONYM_WEIGHT = 0.45;
const KIN_WEIGHT = 0.35;

/** Words that belong to asking rather than to what is asked for. */
const ASKING = new Set(
  `please tell explain describe mean means meaning name give know show say says said happen happens
   happened thing things anything something someone anyone kind type sort exactly currently
   considered supposed called there actually question find out document file text mentioned
   according still many much long often`.split(/\s+/),
);
const ASKING_IMPORTANCE = 0.3;

/** Phrases whose words mean something else one by one. */
const PHRASES: readonly (readonly [RegExp, string])[] = [
  [/\b(?:in charge of|tak(?:es?|ing) care of|look(?:s|ing)? after)\b/gi, 'responsible for'],
  [/\bget(?:s|ting)? rid of\b/gi, 'remove'],
  [/\bset(?:s|ting)? up\b/gi, 'install'],
  [/\bat (?:most|maximum)\b/gi, 'maximum'],
  [/\bat least\b/gi, 'minimum'],
];

export function understand(text: string, language: Language): Question {
  const asked = rephrase(shorten(text));
  const seen = new Map<number, Wanted>();
  for (const raw of rawTokens(asked)) {
    if (endsSentence(raw)) continue;
    for (const word of wordsOf(raw)) {
      if (STOP_WORDS[language].has(word)) continue;
      const term = hashTerm(stem(word, language));
      if (!seen.has(term)) seen.set(term, wantedFor(word, term, language));
    }
  }
  return { wanted: ends([...seen.values()], MAX_WORDS), expects: expectations(asked) };
}

function wantedFor(word: string, term: number, language: Language): Wanted {
  const variants = [{ term, weight: 1 }];
  for (const other of related(term, language)) {
    variants.push({ term: other, weight: SYNONYM_WEIGHT });
  }
  for (const other of kin(word, language)) {
    const otherTerm = hashTerm(other);
    if (variants.every((each) => each.term !== otherTerm)) {
      variants.push({ term: otherTerm, weight: KIN_WEIGHT });
    }
  }
  return {
    variants,
    beginning: beginningOf(word),
    importance: ASKING.has(word) ? ASKING_IMPORTANCE : 1,
  };
}

function rephrase(text: string): string {
  return PHRASES.reduce((so, [phrase, word]) => so.replace(phrase, word), text);
}

function shorten(text: string): string {
  if (text.length <= MAX_LENGTH) return text;
  return `${text.slice(0, MAX_LENGTH / 2)} ${text.slice(-MAX_LENGTH / 2)}`;
}

function ends<T>(list: T[], most: number): T[] {
  return list.length <= most ? list : [...list.slice(0, most / 2), ...list.slice(-most / 2)];
}
