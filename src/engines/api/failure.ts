/** From what went wrong to the error its asker reads, and what it says about the account: pure. */
import { type ErrorCode, fault, type WarmlineError } from '../../errors.js';
import { MASK, maskKey } from './key-mask.js';
import type { Problem } from './problem.js';
import { limitWait, retryAfter } from './resets.js';

export interface Service {
  /** The name of the engine, for the person who has to change its settings. */
  readonly engine: string;
  readonly model: string;
  /** Its base URL without anything secret. */
  readonly url: string;
  readonly key: string | undefined;
}

/** What a failure tells about the account, for `EngineStatus`. */
export type Tells =
  | { readonly of: 'nothing' }
  | { readonly of: 'auth' }
  | { readonly of: 'limit'; readonly waitMs: number | undefined };

export interface Failure {
  readonly error: WarmlineError;
  readonly tells: Tells;
}

const NOTHING: Tells = { of: 'nothing' };

/** The server, or the account, has no such model: worth asking which it has. */
export function isUnknownModel(problem: Problem): boolean {
  return problem.how === 'refused' && kindOf(problem) === 'not_found';
}

/**
 * @param nowMs wall-clock milliseconds
 * @param models what the server has, where it was asked
 */
export function failureOf(
  problem: Problem,
  service: Service,
  nowMs: number,
  models: readonly string[] = [],
): Failure {
  if (problem.how === 'failed') return { error: failed(problem, service), tells: NOTHING };
  const kind = kindOf(problem);
  const waitMs = waitFor(kind, problem, nowMs);
  const sentence = refusal(kind, problem, service, waitMs, models);
  return {
    error: fault(CODES[kind], sentence, { retryAfterMs: waitMs }),
    tells: tellsOf(kind, waitMs),
  };
}

function waitFor(kind: Kind, { headers }: Refusal, nowMs: number): number | undefined {
  if (kind === 'limit') return limitWait(headers, nowMs);
  // Limits are told with every response; only this header is about the one that failed.
  return kind === 'overload' ? retryAfter(headers, nowMs) : undefined;
}

function tellsOf(kind: Kind, waitMs: number | undefined): Tells {
  if (kind === 'auth' || kind === 'forbidden') return { of: 'auth' };
  return kind === 'limit' || kind === 'spent' ? { of: 'limit', waitMs } : NOTHING;
}

function refusal(
  kind: Kind,
  problem: Refusal,
  service: Service,
  waitMs: number | undefined,
  models: readonly string[],
): string {
  const { engine, model, url } = service;
  const words = saying(problem.words, service.key);
  const status = problem.status === undefined ? '' : ` (HTTP ${problem.status})`;
  switch (kind) {
    case 'auth':
      return `${url} refuses the key of ${engine}${status}; give it one that is valid`;
    case 'forbidden':
      return `${url} does not allow ${engine} to use ${model}${status}${words}; look at the rights of its key`;
    case 'spent':
      return `the account of ${engine} at ${url} is used up${words}; add credit or raise its limit`;
    case 'limit': {
      const end = waitMs === undefined ? '; ask later' : `, for ${Math.ceil(waitMs / 1000)} s more`;
      return `${engine} has reached its limit at ${url}${end}`;
    }
    case 'overload':
      return `${url} cannot answer now${status}${words}; ask again later`;
    case 'too_large':
      return `the question with its context is too large for ${model}${words}; ask with a smaller context or lower max_context_bytes of ${engine}`;
    case 'not_found':
      return `${url} has no model ${model}, or not this API${words}; ${choice(models, service)}`;
    case 'redirect':
      return `${url} redirects elsewhere${status}; set the base URL of ${engine} to where it leads`;
    case 'bad_request':
      return `${url} does not accept the request${status}${words}`;
    case 'broken':
      return `${url} failed in the middle of its answer${words}; ask again`;
    default:
      return kind satisfies never;
  }
}

const CODES = {
  auth: 'engine_auth',
  forbidden: 'engine_auth',
  spent: 'engine_limit',
  limit: 'engine_limit',
  overload: 'engine_unavailable',
  too_large: 'context_too_large',
  // The question is fine, and waits until somebody has set this right.
  not_found: 'engine_unavailable',
  redirect: 'engine_unavailable',
  bad_request: 'bad_request',
  broken: 'engine_error',
} as const satisfies Record<string, ErrorCode>;

type Kind = keyof typeof CODES;

type Refusal = Extract<Problem, { how: 'refused' }>;

/** What servers call a prompt that does not fit, in their kinds or in their words. */
const TOO_LARGE =
  /context[ _]?(?:length|window|size)|exceed_context|(?:prompt|input|request) (?:is )?too (?:long|large)|maximum context|too many (?:input )?tokens|request_too_large|model_max_prompt/i;
/** An account that only a person can fill up again, as servers of several makes name it. */
const SPENT: ReadonlySet<string> = new Set([
  'insufficient_quota',
  'billing_error',
  'billing_hard_limit_reached',
  'billing_not_active',
  'insufficient_balance',
  'insufficient_credits',
  'insufficient_funds',
]);
/**
 * Anthropic says it as an `invalid_request_error` in these words. They are taken as a whole: words
 * a server quotes from a question say nothing about the account.
 */
const SPENT_WORDS = [
  /^Your credit balance is too low to access the (?:Anthropic|Claude) API\. Please go to Plans & Billing to upgrade or purchase credits\.$/,
  /^You have reached your specified API usage limits\. You will regain access on [\d-]+ at [\d:]+ UTC\.$/,
];

/** Error types of both APIs, for error events that come without a status. */
const STATUS_OF: ReadonlyMap<string, number> = new Map([
  ['invalid_request_error', 400],
  ['authentication_error', 401],
  ['invalid_api_key', 401],
  ['billing_error', 402],
  ['permission_error', 403],
  ['not_found_error', 404],
  ['model_not_found', 404],
  ['request_too_large', 413],
  ['rate_limit_error', 429],
  ['rate_limit_exceeded', 429],
  ['overloaded_error', 529],
]);

function kindOf(problem: Refusal): Kind {
  const { kinds, words } = problem;
  const status = problem.status ?? kinds.map((kind) => STATUS_OF.get(kind)).find(Boolean);
  if (status === undefined) return 'broken';
  const text = [...kinds, words.slice(0, MAX_READ)].join(' ');
  if (status === 401) return 'auth';
  if (status === 402) return 'spent';
  if ((status === 429 || status === 400 || status === 403) && isSpent(problem)) return 'spent';
  if (status === 403) return 'forbidden';
  if (status === 429) return 'limit';
  if (status === 413) return 'too_large';
  if (status < 500 && status !== 404 && TOO_LARGE.test(text)) return 'too_large';
  if (status === 404 || kinds.includes('model_not_found')) return 'not_found';
  if (status === 408 || status === 409 || status === 425 || status >= 500) return 'overload';
  return status < 400 ? 'redirect' : 'bad_request';
}

function isSpent({ kinds, words }: Refusal): boolean {
  return (
    kinds.some((kind) => SPENT.has(kind)) ||
    SPENT_WORDS.some((sentence) => sentence.test(words.trim()))
  );
}

/** It was never reached. Any other failure may be the question's: trying again is counted. */
const NOT_REACHED =
  /^(?:ECONNREFUSED|ENOTFOUND|EAI_|EHOSTUNREACH|EHOSTDOWN|ENETUNREACH|ENETDOWN|EADDRNOTAVAIL|ETIMEDOUT|EACCES|EPERM|EMFILE|ENFILE)/;
/** What Node and OpenSSL say of certificates and handshakes. */
const NOT_TRUSTED = /CERT|^UNABLE_TO_|^ERR_TLS|^ERR_SSL|^EPROTO$|^HOSTNAME_MISMATCH$/;

function failed(problem: Extract<Problem, { how: 'failed' }>, service: Service): WarmlineError {
  const { engine, url } = service;
  const { code } = problem;
  const words = saying(problem.words, service.key);
  if (NOT_REACHED.test(code) || /timed out/i.test(problem.words)) {
    return fault(
      'engine_unavailable',
      `no connection to ${url} (${code || 'timed out'}); is the server running there? if not, start it or correct the base URL of ${engine}`,
    );
  }
  if (NOT_TRUSTED.test(code)) {
    return fault(
      'engine_unavailable',
      `the certificate or TLS of ${url} is not accepted (${code}); trust its certificate with ca_file or correct the base URL of ${engine}`,
    );
  }
  if (code.startsWith('HPE_')) {
    return fault(
      'engine_unavailable',
      `${url} does not speak HTTP (${code}); correct the base URL of ${engine}`,
    );
  }
  return fault('engine_error', `the answer of ${url} broke off${words}; ask again`);
}

/** Longest part of a server's words that is repeated. */
const MAX_WORDS = 300;
/** Longest part of a server's words that is looked at. */
const MAX_READ = 4_000;

/** Most models that are named. */
const MAX_MODELS = 20;

function choice(models: readonly string[], { engine, key }: Service): string {
  if (models.length === 0) return `set the model or the base URL of ${engine}`;
  const named = models.slice(0, MAX_MODELS).map((model) => saying(model, key).slice(2));
  const rest = models.length > MAX_MODELS ? `, and ${models.length - MAX_MODELS} more` : '';
  return `it has ${named.join(', ')}${rest}`;
}

/**
 * What the server says, on one line, without the key, and without the characters that make a
 * terminal show something else than what is there.
 */
function saying(words: string, key: string | undefined): string {
  // Masked before it is cut: half a key would not be found.
  const line = mask(words, key)
    .slice(0, MAX_READ)
    .replace(/[\s\p{Cc}\p{Cf}]+/gu, ' ')
    .trim();
  if (line === '') return '';
  const short = line.length > MAX_WORDS ? `${line.slice(0, MAX_WORDS).toWellFormed()}…` : line;
  return `: ${short}`;
}

/** Part of a key, as some servers repeat it, is masked as well. */
function mask(text: string, key: string | undefined): string {
  return maskKey(text, key).replace(/\bsk-[\w*.…-]{4,}/g, MASK);
}
