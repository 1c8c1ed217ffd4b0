/** What is told of a message while it is watched. */
import type { ChangeStatus, StoredAnswer } from '../../src/bus/index.js';

/**
 * `pending` and `processing`: unfinished. `expired`: nobody can open its conversation any more.
 * `complete`: answered. `failed` and `dead` (its attempts are used up): it got an error answer.
 * `ignored`: it was no question. `orphaned`: it was deleted, or its conversation was. `missing`: no
 * such message is on the bus.
 */
export type MessageStatus = ChangeStatus | 'missing';

/** A message as it stands. */
export interface MonitoredMessage {
  readonly messageId: number;
  readonly status: MessageStatus;
  /** The attempt that is running or ended last; counts from 1, 0 before the first. */
  readonly attempt: number;
  /** The number of the change that led here, or of the newest one when it was looked up. */
  readonly seq: number;
}

export interface StatusChanged extends MonitoredMessage {
  /** Undefined in what is told first: where the message stands, or what came after `since`. */
  readonly from: MessageStatus | undefined;
  /** When it happened, microseconds since the epoch; undefined for what was looked up. */
  readonly atUs: number | undefined;
}

/** An answer row as it is on the bus. */
export interface MessageContent {
  /** Row id of the answer. */
  readonly answerId: number;
  readonly answer: string;
  readonly sources: readonly string[];
  /** Present in an error answer. */
  readonly error: { readonly code: string; readonly message: string } | undefined;
  /** All that the answer says. */
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface ContentUpdated {
  readonly messageId: number;
  readonly seq: number;
  readonly content: MessageContent;
}

/** `content` is absent only when the answer row has been deleted. */
export interface MessageCompleted extends MonitoredMessage {
  readonly status: 'complete';
  readonly content: MessageContent | undefined;
}

export interface MessageFailed extends MonitoredMessage {
  readonly status: 'failed' | 'dead' | 'ignored' | 'orphaned' | 'missing';
  /** The code of the error answer, or the status where there is none; and a sentence. */
  readonly code: string;
  readonly message: string;
  readonly content: MessageContent | undefined;
}

/** Nothing more is told of the message, although it is unfinished. */
export interface MessageExpired {
  readonly messageId: number;
  /** `timeout`: its time was up. `conversation`: its conversation expired. */
  readonly reason: 'timeout' | 'conversation';
  /** The newest change that had been read by then. */
  readonly seq: number;
  /** Undefined when its time was up before it was looked up. */
  readonly status: MessageStatus | undefined;
}

export type End =
  | { readonly end: 'complete'; readonly told: MessageCompleted }
  | { readonly end: 'fail'; readonly told: MessageFailed }
  | { readonly end: 'expire'; readonly told: MessageExpired };

const WITHOUT_ANSWER = {
  failed: 'the question failed, and its answer row has been deleted',
  dead: 'the question failed for the last time, and its answer row has been deleted',
  ignored: 'the message is not a question, or was taken off the queue, so nobody answers it',
  orphaned: 'the question was deleted from the bus, or its conversation was',
  missing: 'there is no such message on this bus; check the id and the file',
} as const;

/** How a message ends by this status; undefined for one that goes on. */
export function endOf(message: MonitoredMessage, content: MessageContent | undefined) {
  const { messageId, status, seq } = message;
  switch (status) {
    case 'pending':
    case 'processing':
      return undefined;
    case 'expired':
      return expired(messageId, 'conversation', seq, status);
    case 'complete':
      return { end: 'complete', told: { ...message, status, content } } as const;
    default: {
      const { code = status, message: words = WITHOUT_ANSWER[status] } = content?.error ?? {};
      const told = { ...message, status, code, message: words, content };
      return { end: 'fail', told } as const;
    }
  }
}

export function expired(
  messageId: number,
  reason: MessageExpired['reason'],
  seq: number,
  status: MessageStatus | undefined,
): End {
  return { end: 'expire', told: { messageId, reason, seq, status } };
}

export function isUnfinished(status: MessageStatus): boolean {
  return status === 'pending' || status === 'processing';
}

/** Answer rows are ours, yet anybody may have written to them since. */
export function contentOf({ id, message }: StoredAnswer): MessageContent {
  const fields = parse(message);
  const { answer, sources, error } = fields;
  return {
    answerId: id,
    answer: typeof answer === 'string' ? answer : message,
    sources: Array.isArray(sources) ? sources.map(String) : [],
    error: isRecord(error)
      ? { code: String(error.code), message: String(error.message) }
      : undefined,
    fields,
  };
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : {};
  } catch {
    return {};
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
