/**
 * Word endings dropped, so that "renewed", "renews" and "renewing" are one term. English by
 * M. F. Porter's algorithm of 1980; for other languages a short list of endings does what matters.
 */
import type { Language } from './language.js';

export function stem(word: string, language: Language): string {
  if (/^[a-z][^aeious\W]s$/.test(word)) return word.slice(0, -1);
  if (word.length < 4 || !/^[a-z]+$/.test(word)) return word;
  if (language === 'en') return porter(IRREGULAR.get(word) ?? word);
  return dropEnding(word, ENDINGS[language]);
}

/**
 * Stems of the words an English word is near of kin to: who does it, and what is done, as in "user"
 * and "use". Endings alone tell this, so they are a weak sign.
 */
export function kin(word: string, language: Language): readonly string[] {
  if (language !== 'en' || !/^[a-z]{3,}$/.test(word)) return [];
  const own = stem(word, language);
  const doer = /^(.*[aeiouy].*)[eo]rs?$/.exec(word)?.[1];
  const others =
    doer === undefined
      ? [`${own.replace(/e$/, '')}er`]
      : [doer, `${doer}e`, doer.replace(/([bdgklmnprt])\1$/, '$1')];
  return [...new Set(others.map((each) => stem(each, language)))].filter((each) => each !== own);
}

/** Longest first; an ending is dropped when at least four letters stay. */
const ENDINGS: Record<Exclude<Language, 'en'>, readonly string[]> = {
  de: list('ungen heiten keiten lich isch ern ung est end em en er es st e n s t'),
  fr: list(
    `issements issement ations ation ements ement euses euse eurs eur aient ees ait ant ent ee es er
     ez aux al e s x`,
  ),
  es: list(
    `aciones acion amientos amiento mente ando iendo adas ados ada ado idas idos ida ido aron ieron
     es as os ar er ir an en a e o s`,
  ),
};

function dropEnding(word: string, endings: readonly string[]): string {
  for (const ending of endings) {
    if (word.length - ending.length >= 4 && word.endsWith(ending)) {
      return word.slice(0, -ending.length);
    }
  }
  return word;
}

const IRREGULAR = pairs(
  `began:begin begun:begin bought:buy broke:break broken:break brought:bring built:build came:come
   caught:catch chose:choose chosen:choose done:do drew:draw drawn:draw drove:drive driven:drive
   fell:fall fallen:fall felt:feel forgot:forget forgotten:forget found:find gave:give given:give
   went:go gone:go grew:grow grown:grow heard:hear held:hold hidden:hide kept:keep knew:know
   known:know led:lead left:leave lost:lose made:make meant:mean met:meet paid:pay people:person
   rose:rise risen:rise said:say saw:see seen:see sent:send shown:show slept:sleep sold:sell
   spent:spend spoke:speak spoken:speak stood:stand taught:teach thought:think threw:throw
   thrown:throw told:tell took:take taken:take understood:understand woke:wake woken:wake worn:wear
   wrote:write written:write children:child indices:index vertices:vertex`,
);

const CONSONANT = '[^aeiou]';
const VOWEL = '[aeiouy]';
const CONSONANTS = `${CONSONANT}[^aeiouy]*`;
const VOWELS = `${VOWEL}[aeiou]*`;
const ONE_OR_MORE = new RegExp(`^(${CONSONANTS})?${VOWELS}${CONSONANTS}`);
const EXACTLY_ONE = new RegExp(`^(${CONSONANTS})?${VOWELS}${CONSONANTS}(${VOWELS})?$`);
const TWO_OR_MORE = new RegExp(`^(${CONSONANTS})?${VOWELS}${CONSONANTS}${VOWELS}${CONSONANTS}`);
const HAS_VOWEL = new RegExp(`^(${CONSONANTS})?${VOWEL}`);
const SHORT = new RegExp(`^${CONSONANTS}${VOWEL}[^aeiouwxy]$`);

const STEP_2 = pairs(
  `ational:ate tional:tion enci:ence anci:ance izer:ize bli:ble alli:al entli:ent eli:e ousli:ous
   ization:ize ation:ate ator:ate alism:al iveness:ive fulness:ful ousness:ous aliti:al iviti:ive
   biliti:ble logi:log`,
);
const STEP_3 = pairs('icate:ic ative: alize:al iciti:ic ical:ic ful: ness:');
const STEP_4 =
  /^(.+?)(al|ance|ence|er|ic|able|ible|ant|ement|ment|ent|ou|ism|ate|iti|ous|ive|ize|(?<=[st])ion)$/;

function porter(word: string): string {
  let w = word;
  if (/(ss|i)es$/.test(w)) w = w.slice(0, -2);
  else if (/[^s]s$/.test(w)) w = w.slice(0, -1);
  w = pastAndGerund(w);
  // Only after a consonant, unlike in 1980: "deploy" has to meet "deployment".
  if (/.[^aeiou]y$/.test(w) && HAS_VOWEL.test(w.slice(0, -1))) w = `${w.slice(0, -1)}i`;
  w = replaceEnding(w, STEP_2);
  w = replaceEnding(w, STEP_3);
  const step4 = STEP_4.exec(w);
  if (step4?.[1] !== undefined && TWO_OR_MORE.test(step4[1])) w = step4[1];
  return finalE(w);
}

function pastAndGerund(w: string): string {
  if (w.endsWith('eed')) return ONE_OR_MORE.test(w.slice(0, -3)) ? w.slice(0, -1) : w;
  const match = /^(.+?)(ed|ing)$/.exec(w);
  const base = match?.[1];
  if (base === undefined || !HAS_VOWEL.test(base)) return w;
  if (/(at|bl|iz)$/.test(base)) return `${base}e`;
  if (/([^aeiouylsz])\1$/.test(base)) return base.slice(0, -1);
  return SHORT.test(base) ? `${base}e` : base;
}

function replaceEnding(w: string, endings: ReadonlyMap<string, string>): string {
  for (const [ending, replacement] of endings) {
    if (!w.endsWith(ending)) continue;
    const base = w.slice(0, -ending.length);
    return ONE_OR_MORE.test(base) ? base + replacement : w;
  }
  return w;
}

function finalE(w: string): string {
  let out = w;
  if (out.endsWith('e')) {
    const base = out.slice(0, -1);
    if (TWO_OR_MORE.test(base) || (EXACTLY_ONE.test(base) && !SHORT.test(base))) out = base;
  }
  return out.endsWith('ll') && TWO_OR_MORE.test(out) ? out.slice(0, -1) : out;
}

function list(text: string): readonly string[] {
  return text.split(/\s+/);
}

function pairs(text: string): ReadonlyMap<string, string> {
  return new Map(
    list(text).map((pair) => {
      const [from = '', to = ''] = pair.split(':');
      return [from, to];
    }),
  );
}
