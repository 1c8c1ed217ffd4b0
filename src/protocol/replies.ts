/**
 * Replies the server sends, one JSON object per line. Clients parse with these schemas, so they
 * are loose: a field a newer server adds must not break an older client.
 */
import { z } from 'zod';
import { RequestId } from './requests.js';

const id = RequestId.optional();

export const ResponseReply = z.looseObject({
  type: z.literal('response'),
  id,
  answer: z.string(),
  sources: z.array(z.string()),
  model: z.string(),
  engine: z.string(),
  session: z.string(),
  elapsed_ms: z.number(),
  queued_ms: z.number(),
  /** When the engine first gave a sign of life, if it gave any before its answer. */
  first_byte_ms: z.number().optional(),
  usage: z.record(z.string(), z.number()).optional(),
  stop_reason: z.string().optional(),
  request_id: z.string().optional(),
});
export type ResponseReply = z.infer<typeof ResponseReply>;

/**
 * An error without an `id` also carries `answer` ("Error: …") and `sources` (empty): one-shot
 * clients index `response["answer"]` without looking at `type`.
 */
export const ErrorReply = z.looseObject({
  type: z.literal('error'),
  id,
  code: z.string(),
  message: z.string(),
  retryable: z.boolean(),
  retry_after_ms: z.number().optional(),
  /** Number of the offending line on this connection, from 1. */
  line: z.number().int().optional(),
  /** Of a query that a session took up: who worked on it, and when, as in a response. */
  engine: z.string().optional(),
  elapsed_ms: z.number().optional(),
  queued_ms: z.number().optional(),
  first_byte_ms: z.number().optional(),
  answer: z.string().optional(),
  sources: z.array(z.string()).optional(),
});
export type ErrorReply = z.infer<typeof ErrorReply>;

export const AcceptedReply = z.looseObject({
  type: z.literal('accepted'),
  id: RequestId,
  position: z.number().int(),
});

export const ProgressReply = z.looseObject({
  type: z.literal('progress'),
  id: RequestId,
  stage: z.string(),
  elapsed_ms: z.number(),
  message: z.string().optional(),
});

export const DeltaReply = z.looseObject({
  type: z.literal('delta'),
  id: RequestId,
  seq: z.number().int(),
  text: z.string(),
});

export const PongReply = z.looseObject({ type: z.literal('pong'), id });

/** Reports for people and monitors; `reported` says that one was taken in. */
export const ReportReply = z.looseObject({
  type: z.enum(['health', 'stats', 'sessions', 'welcome', 'help', 'reported']),
  id,
});

export const Reply = z.discriminatedUnion('type', [
  ResponseReply,
  ErrorReply,
  AcceptedReply,
  ProgressReply,
  DeltaReply,
  PongReply,
  ReportReply,
]);
export type Reply = z.infer<typeof Reply>;
