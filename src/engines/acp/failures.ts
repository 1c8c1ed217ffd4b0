/**
 * What an asker reads when an agent failed: pure.
 *
 * The protocol has one code of its own for a failed turn, -32000 (authentication required,
 * https://agentclientprotocol.com/protocol/schema). The rest is each agent's: Gemini CLI answers
 * with the HTTP status of its API as the code, Claude's adapter with `data.errorKind` and the words
 * of the API, Codex's with `data` that holds its own. What none of them names is read from the words.
 */
import { type ErrorCode, fault, type WarmlineError } from '../../errors.js';
import { type Failure, record } from './turn.js';

/** What is known of a failure, nothing of it trusted. */
export interface Complaint {
  readonly code: number | undefined;
  readonly kind: string;
  /** What the agent sorts it under, see `failureOf`. */
  readonly category: string;
  /** What it said, in full; shown only after `showable`. */
  readonly text: string;
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
  };
}

export function judge({ code, kind, category, text }: Complaint): ErrorCode {
  const named = kindOf(kind) ?? kindOfStatus(code);
  // APIs also call a prompt too long, a used-up limit or a bad key a bad request: words know better.
  if (named !== undefined && named !== 'bad_request') return named;
  const said = kindOf(text);
  // Some agents say "authentication required" of a used-up limit too.
  if (code === AUTH_REQUIRED) return said === 'engine_limit' ? said : 'engine_auth';
  if (said !== undefined || named !== undefined) return said ?? named ?? 'engine_error';
  return CATEGORIES[category] ?? (code === INVALID_PARAMS ? 'bad_request' : 'engine_error');
}

/** @param showable makes text of an agent fit to be read: short, printable, without secrets */
export function explain(complaint: Complaint, showable: (text: string) => string): WarmlineError {
  const code = judge(complaint);
  const said = showable(complaint.text);
  const message = `${WORDS[code]}${said === '' ? '' : ` (${said})`}`;
  return fault(code, message, {
    retryAfterMs: code === 'engine_limit' ? waitIn(complaint.text) : undefined,
  });
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
  const { errorKind } = record(data);
  return typeof errorKind === 'string' ? errorKind.replaceAll('_', ' ').slice(0, 80) : '';
}

/** Some agents hand the JSON of their API on as the message. */
function messageTexts(message: unknown): string[] {
  if (typeof message !== 'string') return [];
  if (message.startsWith('{') && message.length < MAX_TEXT_CHARS) {
    try {
      return textsIn(JSON.parse(message), 3);
    } catch {
      // only looks like it
    }
  }
  return [message.slice(0, MAX_TEXT_CHARS)];
}

/** The texts in what an agent adds to an error, a few levels deep. */
function textsIn(data: unknown, levels: number): string[] {
  if (typeof data === 'string') return [data.slice(0, MAX_TEXT_CHARS)];
  if (typeof data !== 'object' || data === null || levels === 0) return [];
  return Object.values(data)
    .slice(0, 16)
    .flatMap((value) => textsIn(value, levels - 1));
}

const UNITS = { s: 1000, m: 60_000, h: 3_600_000 };
const WAIT =
  /(?:retry|tr(?:y|ies) again|resets?|regain access|wait)[^\d]{0,24}(\d{1,6}(?:\.\d{1,6})?)\s{0,2}(s|m|h)(?:ec|in|our|r|s)?/i;
/** A wait beyond this is a mistake of somebody's clock: a week and a day. */
const LONGEST_WAIT_MS = 8 * 24 * 3_600_000;

/** How long the agent says to wait, in milliseconds: "try again in 20s", "retry after 5 minutes". */
export function waitIn(text: string): number | undefined {
  const [, amount, unit] = WAIT.exec(text) ?? [];
  if (amount === undefined || unit === undefined) return undefined;
  const factor = UNITS[unit.toLowerCase() as keyof typeof UNITS];
  return Math.min(Math.ceil(Number(amount) * factor), LONGEST_WAIT_MS);
}
