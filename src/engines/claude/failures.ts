/** What an asker reads when a turn failed: pure. The kinds are those of the SDK's messages. */
import { type ErrorCode, fault, type WarmlineError } from '../../errors.js';

interface Trouble {
  /** HTTP status of the API. */
  readonly status?: number | undefined;
  /** The SDK's word for it: `authentication_failed`, `rate_limit`, … */
  readonly kind?: string | undefined;
  /** Why the turn ended: `api_error`, `prompt_too_long`, … */
  readonly reason?: string | undefined;
  /** What the program said, already made safe to show. */
  readonly said?: string | undefined;
  /** When it is worth asking again, in milliseconds from now. */
  readonly retryAfterMs?: number | undefined;
}

const AUTH_KINDS = new Set([
  'authentication_failed',
  'oauth_org_not_allowed',
  'account_on_hold',
  'verification_required',
  'cloud_credential_error',
]);

/** A wait beyond this is a mistake of somebody's clock: a week and a day. */
const LONGEST_WAIT_MS = 8 * 24 * 3_600_000;

export function explain(trouble: Trouble): WarmlineError {
  const { code, message } = judge(trouble);
  const said = trouble.said === undefined || trouble.said === '' ? '' : ` (${trouble.said})`;
  // A login is not back by itself.
  const retryAfterMs = code === 'engine_auth' ? undefined : waitOf(trouble);
  return fault(
    code,
    message.replace('%', () => said),
    { retryAfterMs },
  );
}

function judge({ status, kind = '', reason = '' }: Trouble): { code: ErrorCode; message: string } {
  if (AUTH_KINDS.has(kind) || status === 401 || status === 403) {
    const message = 'claude cannot sign in%; run claude and sign in again, or check its key';
    return { code: 'engine_auth', message };
  }
  if (reason === 'prompt_too_long' || reason === 'blocking_limit' || status === 413) {
    const message = 'question and context are too long for the model%; ask with a smaller context';
    return { code: 'context_too_large', message };
  }
  if (kind === 'rate_limit' || kind === 'billing_error' || status === 429 || status === 402) {
    return { code: 'engine_limit', message: 'the limit of the claude account is reached%' };
  }
  if (kind === 'overloaded' || kind === 'server_error' || (status ?? 0) >= 500 || status === 408) {
    return { code: 'engine_unavailable', message: 'the model API cannot answer now%; ask again' };
  }
  if (kind === 'model_not_found' || status === 404) {
    // Whoever asked can do nothing about it: the question waits for whoever can.
    return { code: 'engine_unavailable', message: 'claude does not have the configured model%' };
  }
  if (status !== undefined && status >= 400) {
    return { code: 'bad_request', message: 'the model API refused the question%' };
  }
  if (reason === 'api_error') {
    return { code: 'engine_unavailable', message: 'the model API is not reached%; ask again' };
  }
  return { code: 'engine_error', message: 'claude gave no answer%; ask again' };
}

function waitOf({ retryAfterMs }: Trouble): number | undefined {
  if (retryAfterMs === undefined || !(retryAfterMs > 0)) return undefined;
  return Math.min(Math.round(retryAfterMs), LONGEST_WAIT_MS);
}

export function brokenOff(): WarmlineError {
  return fault('engine_error', 'the answer broke off half way; ask again');
}

export function emptyAnswer(): WarmlineError {
  return fault('engine_error', 'claude answered with nothing; ask again');
}

/** Nothing but printable text goes on, and not much of it. */
const SHOWN_CHARS = 300;
/** Longest part that is looked at. */
const READ_CHARS = 4_000;
/** Without width, or turning the direction of what follows: they could also hide a secret. */
const INVISIBLE = /\p{Cf}/gu;
const UNPRINTABLE = /[\p{Cc}\s]+/gu;
const SECRET = /\bsk-[\w-]{6,}|\bBearer\s+[\w.~+/-]{6,}=*/gi;

/** Text of a program or an API, as it may stand in an error: one short line without secrets. */
export function showable(text: string, secrets: readonly string[]): string {
  const longest = Math.max(0, ...secrets.map((secret) => secret.length));
  let line = text.slice(0, READ_CHARS + longest).replace(INVISIBLE, '');
  for (const secret of secrets) if (secret !== '') line = line.replaceAll(secret, '[redacted]');
  // The cut can have gone through a secret, which is not known by its first part.
  if (text.length > READ_CHARS + longest) line = line.slice(0, Math.max(0, line.length - longest));
  line = line.replace(SECRET, '[redacted]').replace(UNPRINTABLE, ' ').trim();
  return line.slice(0, SHOWN_CHARS).toWellFormed();
}

/** The last line a program left on its standard error. */
export function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1) ?? '';
}
