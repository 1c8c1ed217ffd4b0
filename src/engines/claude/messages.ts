/**
 * What a `claude` process says, reduced to what matters here. Its output is input like any other:
 * whatever is not understood is noise, and no field is trusted to be there.
 */
import { stopWord } from '../api/model-api.js';

export type Heard =
  /** A turn or a cleared conversation begins. */
  | { readonly type: 'init'; readonly conversation: string; readonly model: string | undefined }
  /** The conversation was discarded. */
  | { readonly type: 'reset' }
  /** The model begins a message. */
  | { readonly type: 'began' }
  | { readonly type: 'text'; readonly text: string }
  /** The model ended its message, or its space was used up and it goes on in the next. */
  | { readonly type: 'ended' }
  /** Other bytes of the model: thinking, a ping. */
  | { readonly type: 'alive' }
  /** The API refused, and the process is going to ask again. */
  | { readonly type: 'retry'; readonly status: number | undefined; readonly delayMs: number }
  | { readonly type: 'limit'; readonly limited: boolean; readonly resetAtMs: number | undefined }
  /** The kind of failure the result that follows is about. */
  | { readonly type: 'problem'; readonly kind: string }
  | Result
  | { readonly type: 'noise' };

export interface Result {
  readonly type: 'result';
  readonly conversation: string | undefined;
  /** The `uuid` of the message it answers. */
  readonly answers: string | undefined;
  /** The command it is the result of, `clear`. */
  readonly command: string | undefined;
  /** The only sign of failure: `subtype` says `success` also when the API failed. */
  readonly isError: boolean;
  readonly text: string;
  readonly status: number | undefined;
  readonly reason: string | undefined;
  readonly stopReason: string | undefined;
  readonly usage: Readonly<Record<string, number>>;
}

type Fields = Readonly<Record<string, unknown>>;

const NOISE: Heard = { type: 'noise' };
const ALIVE: Heard = { type: 'alive' };

export function understand(message: unknown): Heard {
  const fields = fieldsOf(message);
  switch (fields?.type) {
    case 'stream_event':
      return streamEvent(fieldsOf(fields.event));
    case 'system':
      return systemMessage(fields);
    case 'assistant': {
      const kind = textOf(fields.error);
      return kind === undefined ? NOISE : { type: 'problem', kind };
    }
    case 'conversation_reset':
      return { type: 'reset' };
    case 'rate_limit_event':
      return limit(fieldsOf(fields.rate_limit_info));
    case 'result':
      return result(fields);
    default:
      return NOISE;
  }
}

function streamEvent(event: Fields | undefined): Heard {
  switch (event?.type) {
    case 'message_start':
      return { type: 'began' };
    case 'content_block_delta': {
      const delta = fieldsOf(event.delta);
      const text = delta?.type === 'text_delta' ? textOf(delta.text) : undefined;
      return text === undefined || text === '' ? ALIVE : { type: 'text', text };
    }
    case 'message_delta': {
      const reason = textOf(fieldsOf(event.delta)?.stop_reason);
      // A message that was stopped for its content is not one the model ended.
      return reason === undefined || reason === 'refusal' ? ALIVE : { type: 'ended' };
    }
    default:
      return ALIVE;
  }
}

function systemMessage(fields: Fields): Heard {
  if (fields.subtype === 'api_retry') {
    const delayMs = numberOf(fields.retry_delay_ms) ?? 0;
    return { type: 'retry', status: numberOf(fields.error_status), delayMs };
  }
  const conversation = textOf(fields.session_id);
  if (fields.subtype !== 'init' || conversation === undefined) return NOISE;
  return { type: 'init', conversation, model: modelOf(fields.model) };
}

function limit(info: Fields | undefined): Heard {
  const resetsAtS = numberOf(info?.resetsAt);
  return {
    type: 'limit',
    limited: info?.status === 'rejected',
    resetAtMs: resetsAtS === undefined ? undefined : resetsAtS * 1000,
  };
}

function result(fields: Fields): Result {
  const stopReason = textOf(fields.stop_reason);
  const errors = Array.isArray(fields.errors) ? fields.errors : [];
  return {
    type: 'result',
    conversation: textOf(fields.session_id),
    answers: textOf(fields.user_message_uuid),
    command: textOf(fields.local_command),
    isError: fields.is_error !== false,
    text: textOf(fields.result) ?? errors.filter((error) => typeof error === 'string').join(' '),
    status: numberOf(fields.api_error_status),
    reason: textOf(fields.terminal_reason) ?? textOf(fields.subtype),
    stopReason: stopReason === undefined ? undefined : stopWord(stopReason),
    usage: numbersIn(fieldsOf(fields.usage)),
  };
}

function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null ? (value as Fields) : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** As far as it can be a name: it stands in replies. */
function modelOf(value: unknown): string | undefined {
  const model = textOf(value);
  return model !== undefined && /^[!-~]{1,200}$/.test(model) ? model : undefined;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** More kinds of tokens than there are. */
const MAX_COUNTS = 32;

/** The counts of tokens among them; what is nested or a word is left out. */
function numbersIn(fields: Fields | undefined): Record<string, number> {
  const counts = Object.entries(fields ?? {}).filter(
    (entry): entry is [string, number] =>
      /^[a-z_]{1,40}_tokens$/.test(entry[0]) && isCount(entry[1]),
  );
  return Object.fromEntries(counts.slice(0, MAX_COUNTS));
}

/** Whether the process knows of no way to sign in, by what it said of itself when it started. */
export function isSignedOut(initialization: unknown): boolean {
  const account = fieldsOf(fieldsOf(initialization)?.account);
  return (
    account?.tokenSource === 'none' &&
    account.apiKeySource === undefined &&
    account.apiProvider === 'firstParty'
  );
}
