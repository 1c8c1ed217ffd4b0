/** What an asker reads when its query cannot be taken or kept. */
import { type ErrorCode, fault, type WarmlineError } from '../errors.js';
import type { Faulted } from './backoff.js';
import { inWords } from './clocks.js';

export function shuttingDown(): WarmlineError {
  return fault('shutting_down', 'warmline is stopping; ask again in a moment');
}

export function lineFull(engine: string, waiting: number, retryAfterMs: number): WarmlineError {
  return fault('busy', `${waiting} queries wait for ${engine}; ask again later`, { retryAfterMs });
}

/** A missing login and a used-up limit keep their own code: they call for another next step. */
export function unavailable(engine: string, health: Faulted, nowMs: number): WarmlineError {
  const { why, untilMs } = health;
  const ownCode = why.code === 'engine_auth' || why.code === 'engine_limit';
  const retryAfterMs = Math.ceil(untilMs - nowMs);
  return fault(
    ownCode ? why.code : 'engine_unavailable',
    `${engine} cannot serve: ${why.message}; it is tried again in ${inWords(retryAfterMs)}`,
    { retryAfterMs, cause: why },
  );
}

/** What is said of a failed turn to everybody but its asker. */
const SAID_OF: Partial<Record<ErrorCode, string>> = {
  engine_auth: 'its login is refused; log in again, or give it a valid key',
  engine_limit: 'its usage limit is reached',
  engine_unavailable: 'its provider takes no work',
  engine_error: 'its answer failed',
};

/**
 * The failure of a turn for other eyes: the words of a provider or an agent may quote the question,
 * and only whoever asked it may read them.
 */
export function withoutQuestion({ code, retryAfterMs }: WarmlineError): WarmlineError {
  const said = SAID_OF[code] ?? 'a turn failed';
  return fault(code, `${said} (what it said is in the reply to that question)`, { retryAfterMs });
}
