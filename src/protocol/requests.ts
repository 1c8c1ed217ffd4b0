/**
 * Requests a client may send, one JSON object per line. The schemas are the source; types follow.
 *
 * Unknown fields are ignored, so that an older server understands a newer client. A known field of
 * the wrong type is refused by name.
 */
import { z } from 'zod';
import { QueueReport } from './queue-report.js';

/** Longest accepted `id`, in UTF-16 units. */
export const MAX_ID_LENGTH = 128;

export const RequestId = z.union([z.string().min(1).max(MAX_ID_LENGTH), z.number().int().safe()]);
export type RequestId = z.infer<typeof RequestId>;

/** Longest accepted `session`, `model` and `request_id`, in UTF-16 units. */
export const MAX_KEY_LENGTH = 256;
/** Longest accepted `context_file`, in UTF-16 units. */
export const MAX_PATH_LENGTH = 4096;
export const MAX_TIMEOUT_MS = 86_400_000;
/** `priority` lies between this and its negative. */
export const MAX_PRIORITY = 1000;

const Key = z.string().min(1).max(MAX_KEY_LENGTH);

export const QueryRequest = z.object({
  type: z.literal('query'),
  id: RequestId.optional(),
  question: z.string().refine((text) => text.trim() !== '', 'must not be blank'),
  context_file: z.string().min(1).max(MAX_PATH_LENGTH).optional(),
  session: Key.optional(),
  model: Key.optional(),
  stream: z.boolean().optional(),
  /** Asks for `progress` lines without deltas: what an autopoll renews its leases by. */
  progress: z.boolean().optional(),
  timeout_ms: z.number().int().min(1).max(MAX_TIMEOUT_MS).optional(),
  turn_timeout_ms: z.number().int().min(1).max(MAX_TIMEOUT_MS).optional(),
  priority: z.number().int().min(-MAX_PRIORITY).max(MAX_PRIORITY).optional(),
  request_id: Key.optional(),
  on_disconnect: z.enum(['finish', 'cancel']).optional(),
});
export type QueryRequest = z.infer<typeof QueryRequest>;

export const CancelRequest = z.object({ type: z.literal('cancel'), id: RequestId });

const Bare = <T extends string>(type: T) =>
  z.object({ type: z.literal(type), id: RequestId.optional() });

export const PingRequest = Bare('ping');
export const HealthRequest = Bare('health');
export const StatsRequest = Bare('stats');
export const SessionsRequest = Bare('sessions');
export const HelpRequest = Bare('help');
/** Only as the bare word `quit`, for a person at a terminal. */
export const QuitRequest = Bare('quit');

export const HelloRequest = z.object({
  type: z.literal('hello'),
  id: RequestId.optional(),
  token: z.string().max(4096).optional(),
  client: z.string().max(256).optional(),
});

/** From an autopoll: what it says of its queue stands as long as its connection. */
export const ReportRequest = z.object({
  type: z.literal('report'),
  id: RequestId.optional(),
  queue: QueueReport,
});

export const Request = z.discriminatedUnion('type', [
  QueryRequest,
  CancelRequest,
  PingRequest,
  HealthRequest,
  StatsRequest,
  SessionsRequest,
  HelloRequest,
  ReportRequest,
  HelpRequest,
  QuitRequest,
]);
export type Request = z.infer<typeof Request>;

/** Words a person may type alone on a line. */
export const BARE_WORDS = ['help', 'ping', 'health', 'stats', 'sessions', 'quit'] as const;
