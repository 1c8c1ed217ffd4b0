/**
 * What the fake model does with a request, and the words for it. The same words stand in the last
 * user message, `[[fake: status=429 reset=60]]`, in a script file and in `POST /__fake/script`.
 */

type Answer =
  | { readonly text: string }
  /** The body of the request, as it was received. */
  | 'echo'
  | 'empty'
  | { readonly hugeBytes: number }
  | { readonly tool: string; readonly input: unknown };

/** How the response goes wrong; without one it is whole. */
type Ending =
  | 'silence'
  | 'stall'
  | 'hang-up'
  | 'half'
  | 'half-silence'
  | 'half-end'
  | 'half-error'
  | 'endless'
  | 'pings';

/** All of it is optional: what is not said comes from the next behaviour in line. */
export interface Behaviour {
  /** Silence before the first byte, in milliseconds. */
  readonly delayMs?: number;
  /** Silence before each piece of a stream, in milliseconds. */
  readonly gapMs?: number;
  /** Pieces the answer is streamed in. */
  readonly deltas?: number;
  /** HTTP status: 400 and above is an error response, which has the text as its message. */
  readonly status?: number;
  /** Of an error: seconds until it is worth asking again. */
  readonly resetS?: number;
  /** Tells the client by `x-should-retry: false` that trying again is no use. */
  readonly noRetry?: boolean;
  /** The error an API gives for a prompt beyond its context window, with status 400. */
  readonly tooLong?: boolean;
  readonly answer?: Answer;
  /** Added to the text of the answer in brackets. */
  readonly cite?: string;
  readonly stop?: 'max_tokens' | 'refusal';
  readonly ending?: Ending;
  /** One piece of the answer is broken: invalid UTF-8, or JSON cut off. */
  readonly damage?: 'encoding' | 'json';
}

/** Words that make no sense; the message says which would. */
export class WordError extends Error {
  override readonly name = 'WordError';
}

const MAX_MS = 3_600_000;
const MAX_PIECES = 10_000;
const MAX_SECONDS = 31 * 24 * 3600;
/** Enough to pass every limit on the length of an answer; not enough to harm the host. */
const MAX_HUGE_BYTES = 64 * 1024 * 1024;

type WithValue = (value: string, word: string) => Behaviour;

const WITH_VALUE: Readonly<Record<string, WithValue>> = {
  delay: (value, word) => ({ delayMs: amount(word, value, MAX_MS) }),
  gap: (value, word) => ({ gapMs: amount(word, value, MAX_MS) }),
  deltas: (value, word) => ({ deltas: amount(word, value, MAX_PIECES) }),
  status: (value, word) => ({ status: status(word, value) }),
  reset: (value, word) => ({ resetS: amount(word, value, MAX_SECONDS) }),
  huge: (value, word) => ({ answer: { hugeBytes: amount(word, value, MAX_HUGE_BYTES) } }),
  tool: (value, word) => ({ answer: toolCall(word, value) }),
  cite: (value) => ({ cite: value }),
};

const ALONE: Readonly<Record<string, Behaviour>> = {
  'no-retry': { noRetry: true },
  'too-long': { tooLong: true },
  echo: { answer: 'echo' },
  empty: { answer: 'empty' },
  'stop=max_tokens': { stop: 'max_tokens' },
  'stop=refusal': { stop: 'refusal' },
  'bad-encoding': { damage: 'encoding' },
  'bad-json': { damage: 'json' },
  silence: { ending: 'silence' },
  stall: { ending: 'stall' },
  'hang-up': { ending: 'hang-up' },
  half: { ending: 'half' },
  'half-silence': { ending: 'half-silence' },
  'half-end': { ending: 'half-end' },
  'half-error': { ending: 'half-error' },
  endless: { ending: 'endless' },
  pings: { ending: 'pings' },
};

const TEXT = 'text=';
const MAX_WORDS_CHARS = 16_384;

/**
 * Reads words such as `delay=500 status=429 reset=60 text=Come back later`. Everything after
 * `text=` is the text.
 * @throws WordError
 */
export function parseWords(words: string): Behaviour {
  let behaviour: Behaviour = {};
  let rest = words.trim();
  const before = rest.indexOf(TEXT);
  if ((before < 0 ? rest.length : before) > MAX_WORDS_CHARS) {
    throw new WordError(`words may have ${MAX_WORDS_CHARS} characters before ${TEXT}`);
  }
  while (rest !== '' && !rest.startsWith(TEXT)) {
    const [word = ''] = /^\S+/.exec(rest) ?? [];
    behaviour = { ...behaviour, ...parseWord(word) };
    rest = rest.slice(word.length).trimStart();
  }
  return rest === '' ? behaviour : { ...behaviour, answer: { text: rest.slice(TEXT.length) } };
}

function parseWord(word: string): Behaviour {
  if (Object.hasOwn(ALONE, word)) return ALONE[word] as Behaviour;
  if (/^\d{3}$/.test(word)) return { status: status(word, word) };
  const [, name = '', value = ''] = /^([a-z]+)=(.*)$/s.exec(word) ?? [];
  if (Object.hasOwn(WITH_VALUE, name)) return (WITH_VALUE[name] as WithValue)(value, word);
  const known = [...Object.keys(WITH_VALUE).map((key) => `${key}=`), ...Object.keys(ALONE), TEXT];
  throw new WordError(`the fake model does not know ${quote(word)}; it knows ${known.join(' ')}`);
}

function amount(word: string, value: string, most: number): number {
  if (!/^\d{1,12}$/.test(value) || Number(value) > most) {
    throw new WordError(`${quote(word)} needs a whole number from 0 to ${most}`);
  }
  return Number(value);
}

function status(word: string, value: string): number {
  if (!/^[2345]\d\d$/.test(value)) {
    throw new WordError(`${quote(word)} is no status from 200 to 599`);
  }
  return Number(value);
}

/** `NAME`, or `NAME:{"some":"input"}` as JSON without blanks. */
function toolCall(word: string, value: string): Answer {
  const [, tool = '', input = '{}'] = /^([^:]*)(?::(.*))?$/s.exec(value) ?? [];
  try {
    return { tool, input: JSON.parse(input) };
  } catch (error) {
    throw new WordError(`${quote(word)} needs JSON without blanks after the name`, {
      cause: error,
    });
  }
}

function quote(word: string): string {
  return JSON.stringify(word.slice(0, 80));
}

const OPEN = '[[fake:';
const CLOSE = ']]';
const MAX_TAKEN = 100;

/** The behaviours a text asks for, merged, and the text without them. @throws WordError */
export function takeBehaviour(text: string): { behaviour: Behaviour; rest: string } {
  let behaviour: Behaviour = {};
  let rest = '';
  let from = 0;
  for (let count = 0; ; count += 1) {
    const open = text.indexOf(OPEN, from);
    const close = open < 0 ? -1 : text.indexOf(CLOSE, open);
    if (close < 0) return { behaviour, rest: (rest + text.slice(from)).trim() };
    if (count === MAX_TAKEN) throw new WordError(`a text may hold ${MAX_TAKEN} times ${OPEN}`);
    behaviour = { ...behaviour, ...parseWords(text.slice(open + OPEN.length, close)) };
    rest += text.slice(from, open);
    from = close + CLOSE.length;
  }
}
