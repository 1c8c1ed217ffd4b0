/** What readers are told, and how it is written on the wire. Pure. */
import { z } from 'zod';
import type { ChangeFacts, Standing, StatusChange } from '../../bus/index.js';
import { Progress, statusOf } from '../tasks/view.js';

/** The words of tasks, and two for other questions on the bus. */
const Status = z.enum([
  'pending',
  'running',
  'completed',
  'failed',
  'timeout',
  'cancelled',
  'expired',
  'ignored',
]);

/** A step of a question. The keys are fixed: other programs compare them. */
export const ChangeEvent = z.object({
  seq: z.int().describe('the number of the event; also its id'),
  task_id: z.string().nullable().describe('null for a question that is no task of this door'),
  question_id: z.int(),
  conversation_id: z.string().nullable(),
  status: Status,
  attempt: z.int().describe('counts from 1; 0 before the first'),
  at: z
    .number()
    .nullable()
    .describe('seconds since the epoch; null in what a reader is told first of a task'),
  engine: z.string().nullable().describe('of its last attempt, once it is finished'),
  error_code: z.string().nullable(),
});
export type ChangeEvent = z.infer<typeof ChangeEvent>;

/** What a turn says of itself; not kept, and so without a number. */
export const ProgressEvent = z.object({ task_id: z.string(), progress: Progress });
export type ProgressEvent = z.infer<typeof ProgressEvent>;

/** The events after the reader's last one are not known any more; it goes on after this number. */
export const ResetEvent = z.object({ seq: z.int(), message: z.string() });

export const RESET =
  'what happened after your last event is not in the log any more; look at the state anew and go on from here';

export function changeEvent(
  { seq, questionId, status, attempt, atUs }: StatusChange,
  facts: ChangeFacts | undefined,
): ChangeEvent {
  return event(seq, { questionId, status, attempt }, facts, atUs / 1e6);
}

/** Where a question stands after the change of this number. */
export function standingEvent(
  seq: number,
  standing: Standing,
  facts: ChangeFacts | undefined,
): ChangeEvent {
  return event(seq, standing, facts, null);
}

export function isEnd({ status }: ChangeEvent): boolean {
  return !['pending', 'running', 'expired'].includes(status);
}

function event(
  seq: number,
  { questionId, status, attempt }: Pick<Standing, 'questionId' | 'status' | 'attempt'>,
  { taskId, conversationId, errorCode, engine }: Partial<ChangeFacts> = {},
  at: number | null,
): ChangeEvent {
  return {
    seq,
    task_id: taskId ?? null,
    question_id: questionId,
    conversation_id: conversationId ?? null,
    status: wordFor(status, taskId !== undefined, errorCode),
    attempt,
    at,
    engine: engine ?? null,
    error_code: errorCode ?? null,
  };
}

function wordFor(
  status: Standing['status'],
  isTask: boolean,
  errorCode: string | undefined,
): ChangeEvent['status'] {
  switch (status) {
    case 'pending':
      return status;
    case 'processing':
      return 'running';
    case 'expired':
      return isTask ? 'pending' : status;
    case 'ignored':
      return isTask ? 'cancelled' : status;
    case 'missing':
      return 'failed';
    default:
      return statusOf({ state: 'finished', outcome: status, errorCode });
  }
}

/** Written once for all readers that get the same. */
const written = new WeakMap<readonly ChangeEvent[], Buffer>();

/** Events as a stream has them. */
export function frames(events: readonly ChangeEvent[]): Buffer {
  const known = written.get(events);
  if (known) return known;
  const bytes = Buffer.from(events.map((each) => frame('status', each, each.seq)).join(''));
  written.set(events, bytes);
  return bytes;
}

/** @param seq leaves the last number of the reader as it is when it is absent */
export function frame(name: string, data: object, seq?: number): string {
  const id = seq === undefined ? '' : `id: ${seq}\n`;
  return `${id}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** How long an `EventSource` waits before it comes again, in milliseconds. */
const COME_AGAIN_MS = 1000;

/** Said first, so that whoever opened the stream knows that it is open. */
export const HELLO = `retry: ${COME_AGAIN_MS}\n\n`;
