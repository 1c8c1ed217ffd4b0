/**
 * What a question may ask of the fake engine, as words in front of the text:
 *
 *     !fake delay=200 deltas=5 How long is a turn?
 *
 *     echo '{"type":"query","question":"!fake error=engine_limit retry_after_ms=5000"}' | nc localhost 9999
 *
 * | word                  | the turn …                                                              |
 * |-----------------------|-------------------------------------------------------------------------|
 * | `delay=MS`            | takes this long                                                         |
 * | `deltas=N`            | streams its answer in N pieces, spread over the delay                   |
 * | `alive=N`             | shows N signs of life without text, spread over the delay               |
 * | `size=CHARS`          | answers with so many characters                                         |
 * | `flood=CHARS`         | streams so many characters without a pause, in pieces of 64,000         |
 * | `echo`                | answers with the question alone                                         |
 * | `history`             | answers with a JSON list of the questions this session still remembers  |
 * | `error=CODE`          | fails with this code; `retry_after_ms=MS` says when to try again        |
 * | `throw`               | fails with an error that is none of ours                                |
 * | `silent`              | never answers; stops when cancelled                                     |
 * | `deaf`                | never answers and does not stop when cancelled either                   |
 * | `late=MS`             | never answers, then answers this long after it was cancelled            |
 * | `twice`               | answers, then goes on talking                                           |
 * | `crash`               | takes the session down with it                                          |
 * | `die`                 | answers, then the session dies                                          |
 * | `reset=fail|hang`     | answers, and the reset that follows fails or never ends                 |
 * | `on=NAME`             | is played by the fake of this name alone; any other answers as usual    |
 *
 * The first other word begins the question. Numbers out of range are cut to the nearest allowed.
 */
import { type ErrorCode, isErrorCode } from '../../errors.js';

type Ending =
  | { readonly how: 'answer' }
  | { readonly how: 'twice' }
  | { readonly how: 'die' }
  | { readonly how: 'silent' }
  | { readonly how: 'deaf' }
  | { readonly how: 'late'; readonly afterMs: number }
  | { readonly how: 'crash' }
  | { readonly how: 'throw' }
  | { readonly how: 'error'; readonly code: ErrorCode };

type Text =
  | { readonly of: 'usual' }
  | { readonly of: 'echo' }
  | { readonly of: 'history' }
  | { readonly of: 'filler'; readonly chars: number };

export interface Script {
  /** What is left of the question without the words of the script. */
  question: string;
  delayMs: number;
  deltas: number;
  signsOfLife: number;
  floodChars: number;
  text: Text;
  ending: Ending;
  retryAfterMs: number | undefined;
  reset: 'works' | 'fail' | 'hang';
  /** The fake it is meant for; undefined means any. */
  on: string | undefined;
}

interface ScriptDefaults {
  readonly delayMs: number;
  readonly deltas: number;
  /** The fake that reads the script. */
  readonly name?: string;
}

const PREFIX = /^!fake(?=\s|$)/;
const MAX_MS = 3_600_000;
const MAX_PIECES = 10_000;
/** Enough to pass every limit of a session; not enough to harm the host. */
const MAX_CHARS = 64 * 1024 * 1024;

const WORD = /\s+([a-z_]+)(?:=(\S*))?(?=\s|$)/y;

/** What becomes of a question without a script. */
export function usualScript(question: string, defaults: ScriptDefaults): Script {
  return {
    question,
    delayMs: defaults.delayMs,
    deltas: defaults.deltas,
    signsOfLife: 0,
    floodChars: 0,
    text: { of: 'usual' },
    ending: { how: 'answer' },
    retryAfterMs: undefined,
    reset: 'works',
    on: undefined,
  };
}

/** The script in front of a question, or undefined when there is none. */
export function parseScript(question: string, defaults: ScriptDefaults): Script | undefined {
  if (!PREFIX.test(question)) return undefined;
  const script = usualScript(question, defaults);
  let end = '!fake'.length;
  WORD.lastIndex = end;
  for (let word = WORD.exec(question); word !== null; word = WORD.exec(question)) {
    if (!apply(script, word[1] as string, word[2])) break;
    end = WORD.lastIndex;
  }
  script.question = question.slice(end).trim();
  const isForAnother = script.on !== undefined && script.on !== defaults.name;
  return isForAnother ? usualScript(script.question, defaults) : script;
}

function apply(script: Script, word: string, value: string | undefined): boolean {
  switch (word) {
    case 'delay':
      script.delayMs = amount(value, MAX_MS);
      return true;
    case 'deltas':
      script.deltas = amount(value, MAX_PIECES);
      return true;
    case 'alive':
      script.signsOfLife = amount(value, MAX_PIECES);
      return true;
    case 'size':
      script.text = { of: 'filler', chars: amount(value, MAX_CHARS) };
      return true;
    case 'flood':
      script.floodChars = amount(value, MAX_CHARS);
      return true;
    case 'retry_after_ms':
      script.retryAfterMs = amount(value, MAX_MS);
      return true;
    case 'late':
      script.ending = { how: 'late', afterMs: amount(value, MAX_MS) };
      return true;
    case 'error':
      script.ending = { how: 'error', code: isErrorCode(value) ? value : 'engine_error' };
      return true;
    case 'on':
      script.on = value;
      return true;
    case 'reset':
      script.reset = value === 'hang' ? 'hang' : 'fail';
      return true;
    default:
      return applyBare(script, word, value);
  }
}

function applyBare(script: Script, word: string, value: string | undefined): boolean {
  if (value !== undefined) return false;
  switch (word) {
    case 'echo':
    case 'history':
      script.text = { of: word };
      return true;
    case 'silent':
    case 'deaf':
    case 'twice':
    case 'crash':
    case 'die':
    case 'throw':
      script.ending = { how: word };
      return true;
    default:
      return false;
  }
}

function amount(value: string | undefined, most: number): number {
  const number = Number(value);
  return Number.isFinite(number) ? Math.min(Math.max(0, Math.floor(number)), most) : 0;
}
