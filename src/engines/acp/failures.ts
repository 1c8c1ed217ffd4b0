/**
 * What an asker reads when an agent failed: pure.
 *
 * The protocol has one code of its own for a failed turn, -32000 (authentication required,
 * https://agentclientprotocol.com/protocol/schema). The rest is each agent's: Gemini CLI answers
 * with the HTTP status of its API as the code, Claude's adapter with `data.errorKind` and the words
 * of the API, Codex's with `data` that holds its own.
 *
 * Always true: words, which may quote a question, never say that a login or a limit is at fault
 * unless a code says that the model refused; and how long to wait is read from no words at all.
 */
import { type ErrorCode, fault, type WarmlineError } from '../../errors.js';
import { type Failure, record } from './turn.js';

/** What is known of a failure, nothing of it trusted. */
interface Complaint {
  readonly code: number | undefined;
  readonly kind: string;
  /** What the agent sorts it under, see `failureOf`. */
  readonly category: string;
  /** What it said, in full; shown only after `showable`. */
  readonly text: string;
  /** When it is worth asking again, in milliseconds from now. */
  readonly retryAfterMs: number | undefined;
}

const AUTH_REQUIRED = -32000;
const INVALID_PARAMS = -32602;
const MAX_TEXT_CHARS = 4000;

const KINDS: readonly (readonly [RegExp, ErrorCode])[] = [
  [
    /prompt.{0,20}too (?:long|large)|context.{0,9}(?:window|length)|too many tokens|token.{0,30}exceeds/i,
    'context_too_large',
  ],
  [
    /rate.?limit|usage.?limit|\bquota|resource.?exhausted|too many requests|hit your .*limit|budget|\b429\b/i,
    'engine_limit',
  ],
  [
    /authenti|unauthori[sz]ed|log(?:ged)? ?in\b|sign in|api.?key|credential|permission.?denied|billing|\b40[13]\b/i,
    'engine_auth',
  ],
  [
    /overload|unavailable|no capacity|ECONN|ENOTFOUND|EAI_AGAIN|fetch failed|time.?out|timed out|server.?error|\b5(?:00|02|03|04|29)\b/i,
    'engine_unavailable',
  ],
  [/model.?not.?found|invalid.?request|\b40[04]\b/i, 'bad_request'],
];

const CATEGORIES: Readonly<Record<string, ErrorCode>> = {
  access: 'engine_auth',
  limit: 'engine_limit',
  service: 'engine_unavailable',
  connection: 'engine_unavailable',
  request: 'bad_request',
};

const WORDS: Partial<Record<ErrorCode, string>> = {
  engine_auth: 'the agent cannot sign in; sign in with its own program, or check its key',
  engine_limit: 'the limit of the agent’s account is reached',
  engine_unavailable: 'the agent does not reach its model; ask again',
  context_too_large: 'question and context are too long for the model; ask with a smaller context',
  bad_request: 'the model refused the question',
  engine_error: 'the agent gave no answer; ask again',
};

/**
 * @param thrown an error of the protocol as the agent sent it, or anything else
 * @param told what it told beside the protocol
 */
export function complaintOf(thrown: unknown, told?: Failure): Complaint {
  const { code, message, data } = record(thrown);
  const texts = [told?.title ?? '', ...messageTexts(message), ...textsIn(data, 3)];
  return {
    code: typeof code === 'number' ? code : undefined,
    kind: kindIn(data),
    category: told?.category ?? '',
    text: texts.filter(Boolean).join(' ').slice(0, MAX_TEXT_CHARS),
    retryAfterMs: delayIn(data, 4) ?? delayIn(parsed(message), 4),
  };
}

/**
 * @param own takes out of a text of the agent what it quotes of a question
 */
export function judge(complaint: Complaint, own: Own = same): ErrorCode {
  const { code, kind, category, text } = complaint;
  const named = kindOf(kind) ?? kindOfStatus(code) ?? CATEGORIES[category];
  const said = kindOf(own(text));
  // Claude's adapter sorts a refusal of the API (`API Error: 400 …`) under its service.
  if (named === 'engine_unavailable' && said === 'bad_request') return said;
  // APIs also call a prompt too long, a used-up limit or a bad key a bad request: words know better.
  if (named !== undefined && named !== 'bad_request') return named;
  // Some agents say "authentication required" of a used-up limit too.
  if (code === AUTH_REQUIRED) return said === 'engine_limit' ? said : 'engine_auth';
  if (named !== undefined) return said ?? (parks(kindOf(text)) ? 'engine_error' : named);
  if (parks(said)) return 'engine_unavailable';
  return said ?? (code === INVALID_PARAMS ? 'bad_request' : 'engine_error');
}

/** Whether an engine that fails so is left alone for a while, with the questions of everybody. */
function parks(code: ErrorCode | undefined): boolean {
  return code === 'engine_auth' || code === 'engine_limit';
}

/**
 * @param showable makes text of an agent fit to be read: short, printable, without secrets
 * @param own takes out of it what it quotes of a question; after `showable`, which would not know a
 *   secret with a hole in it
 */
export function explain(
  complaint: Complaint,
  showable: (text: string) => string,
  own: Own = same,
): WarmlineError {
  const code = judge(complaint, own);
  const said = own(showable(complaint.text));
  const message = `${WORDS[code]}${said === '' ? '' : ` (${said})`}`;
  const { retryAfterMs } = complaint;
  return fault(code, message, code === 'engine_limit' ? { retryAfterMs } : {});
}

type Own = (text: string) => string;

function same(text: string): string {
  return text;
}

function kindOf(text: string): ErrorCode | undefined {
  return KINDS.find(([pattern]) => pattern.test(text))?.[1];
}

/** Codes beyond those of JSON-RPC are HTTP statuses. */
function kindOfStatus(code: number | undefined): ErrorCode | undefined {
  if (code === undefined || code < 400 || code > 599) return undefined;
  return kindOf(String(code)) ?? (code >= 500 ? 'engine_unavailable' : 'bad_request');
}

function kindIn(data: unknown): string {
  return wordIn(data, 'errorKind').replaceAll('_', ' ');
}

function wordIn(data: unknown, name: string): string {
  const value = record(data)[name];
  return typeof value === 'string' ? value.slice(0, 80) : '';
}

function messageTexts(message: unknown): string[] {
  if (typeof message !== 'string') return [];
  const inside = parsed(message);
  return inside === undefined ? [message.slice(0, MAX_TEXT_CHARS)] : textsIn(inside, 3);
}

/** Some agents hand the JSON of their API on as the message. */
function parsed(message: unknown): unknown {
  if (typeof message !== 'string' || !message.startsWith('{')) return undefined;
  if (message.length >= MAX_TEXT_CHARS) return undefined;
  try {
    return JSON.parse(message);
  } catch {
    return undefined; // only looks like it
  }
}

/** The texts in what an agent adds to an error, a few levels deep. */
function textsIn(data: unknown, levels: number): string[] {
  if (typeof data === 'string') return [data.slice(0, MAX_TEXT_CHARS)];
  if (typeof data !== 'object' || data === null || levels === 0) return [];
  return Object.values(data)
    .slice(0, 16)
    .flatMap((value) => textsIn(value, levels - 1));
}

/** A wait beyond this is a mistake of somebody's clock: a week and a day. */
const LONGEST_WAIT_MS = 8 * 24 * 3_600_000;

/**
 * The wait a Google API names in the details of an error, `retryDelay: "12.5s"`
 * (https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto, RetryInfo),
 * in milliseconds; undefined for one that cannot be meant.
 */
function delayIn(data: unknown, levels: number): number | undefined {
  if (typeof data !== 'object' || data === null || levels === 0) return undefined;
  const [, seconds] = /^(\d{1,9}(?:\.\d{1,9})?)s$/.exec(wordIn(data, 'retryDelay')) ?? [];
  const waitMs = Math.ceil(Number(seconds ?? 'none') * 1000);
  if (waitMs > 0 && waitMs <= LONGEST_WAIT_MS) return waitMs;
  for (const value of Object.values(data).slice(0, 16)) {
    const found = delayIn(value, levels - 1);
    if (found !== undefined) return found;
  }
  return undefined;
}
