/**
 * The requests that carry the load, read without the schema, which costs ten times as much as all
 * of these checks. Only a request that is right is read here: the verdict on any other, and the
 * words for it, are the schema's.
 */
import {
  MAX_ID_LENGTH,
  MAX_KEY_LENGTH,
  MAX_PATH_LENGTH,
  MAX_PRIORITY,
  MAX_TIMEOUT_MS,
  type QueryRequest,
  type Request,
  type RequestId,
} from './requests.js';

/** A `query` or a `ping` as the schema would read it, or undefined to ask the schema. */
export function readCommon(fields: Record<string, unknown>): Request | undefined {
  if (fields.type === 'query') return readQuery(fields);
  if (fields.type === 'ping' && isRequestId(fields.id)) return { type: 'ping', id: fields.id };
  return undefined;
}

export function isRequestId(value: unknown): value is RequestId {
  return typeof value === 'number' ? Number.isSafeInteger(value) : isText(value, MAX_ID_LENGTH);
}

function readQuery(fields: Record<string, unknown>): QueryRequest | undefined {
  const { id, question, context_file, session, model, stream, progress } = fields;
  const { timeout_ms, turn_timeout_ms, priority, request_id, on_disconnect } = fields;
  if (
    typeof question === 'string' &&
    !isBlank(question) &&
    (id === undefined || isRequestId(id)) &&
    (context_file === undefined || isText(context_file, MAX_PATH_LENGTH)) &&
    (session === undefined || isText(session, MAX_KEY_LENGTH)) &&
    (model === undefined || isText(model, MAX_KEY_LENGTH)) &&
    (stream === undefined || typeof stream === 'boolean') &&
    (progress === undefined || typeof progress === 'boolean') &&
    (timeout_ms === undefined || isWhole(timeout_ms, 1, MAX_TIMEOUT_MS)) &&
    (turn_timeout_ms === undefined || isWhole(turn_timeout_ms, 1, MAX_TIMEOUT_MS)) &&
    (priority === undefined || isWhole(priority, -MAX_PRIORITY, MAX_PRIORITY)) &&
    (request_id === undefined || isText(request_id, MAX_KEY_LENGTH)) &&
    (on_disconnect === undefined || on_disconnect === 'finish' || on_disconnect === 'cancel')
  ) {
    return {
      type: 'query',
      id,
      question,
      context_file,
      session,
      model,
      stream,
      progress,
      timeout_ms,
      turn_timeout_ms,
      priority,
      request_id,
      on_disconnect,
    };
  }
  return undefined;
}

function isText(value: unknown, maxLength: number): value is string {
  return typeof value === 'string' && value !== '' && value.length <= maxLength;
}

function isWhole(value: unknown, least: number, most: number): value is number {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
}

const EXCLAMATION_MARK = 0x21;
const TILDE = 0x7e;

function isBlank(text: string): boolean {
  const first = text.charCodeAt(0);
  return !(first >= EXCLAMATION_MARK && first <= TILDE) && text.trim() === '';
}
