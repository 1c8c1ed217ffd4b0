/**
 * What the page is told, and what it may ask. The page is built from the types of this file, so it
 * imports nothing that needs Node. Names that end in `Us` are microseconds since the epoch, those in
 * `Ms` durations in milliseconds.
 */
import { z } from 'zod';

const Us = z.number();
const Ms = z.number();
const Quantiles = z.object({ p50: Ms, p95: Ms, p99: Ms });

const Question = z.object({
  messageId: z.int(),
  conversationId: z.string(),
  status: z.string(),
  question: z.string().optional().describe('its first 200 characters'),
  seenAtUs: Us.optional(),
  finishedAtUs: Us.optional(),
  attempts: z.int(),
  errorCode: z.string().optional(),
  engine: z.string().optional(),
  ageMs: Ms,
  source: z.string().optional(),
  target: z.string().optional(),
});
export type Question = z.infer<typeof Question>;

const Engine = z.looseObject({
  engine: z.string(),
  kind: z.string(),
  model: z.string(),
  default: z.boolean(),
  fallback: z.string().nullable(),
  state: z.string(),
  sessions: z.object({ warm: z.int(), busy: z.int(), starting: z.int(), size: z.int() }),
  queued: z.int(),
  last_failure: z
    .object({ code: z.string(), message: z.string(), ago_ms: Ms, at_ms: z.number() })
    .nullable(),
  trouble: z.string().nullable(),
  retry_at_ms: z.number().nullable(),
  auth: z.string(),
  latency_ms: z.object({
    p50: Ms.nullable(),
    p95: Ms.nullable(),
    p99: Ms.nullable(),
    max: Ms.nullable(),
  }),
});
export type Engine = z.infer<typeof Engine>;

const Session = z.looseObject({
  session: z.string(),
  engine: z.string(),
  state: z.string(),
  key: z.string().nullable(),
  context: z.string().nullable(),
  turns: z.int(),
  age_ms: Ms,
  idle_ms: Ms,
  memory_bytes: z.number().nullable(),
});
export type Session = z.infer<typeof Session>;

const Warning = z.object({
  key: z.string(),
  severity: z.enum(['severe', 'warning']),
  message: z.string(),
  sinceUs: Us.optional(),
});
export type Warning = z.infer<typeof Warning>;

const Stats = z.object({
  pending: z.int(),
  leased: z.int(),
  delayed: z.int(),
  waiting: z.int(),
  expired: z.int(),
  complete: z.int(),
  failed: z.int(),
  dead: z.int(),
  ignored: z.int(),
  orphaned: z.int(),
  stale: z.int(),
  oldestPendingMs: Ms,
});

const Conversation = z.object({
  conversationId: z.string(),
  state: z.string(),
  unfinished: z.int(),
  oldestId: z.int(),
  oldestSeenAtUs: Us,
});
export type Conversation = z.infer<typeof Conversation>;

const Worker = z.object({ owner: z.string(), startedAtUs: Us, seenAtUs: Us, gone: z.boolean() });

const OpenBus = z.object({
  at: z.literal('open'),
  file: z.string(),
  stats: Stats,
  workers: z.array(Worker),
  conversations: z.array(Conversation).describe('those with unfinished questions'),
  recent: z.object({ perMinute: z.number(), totalMs: Quantiles.optional() }),
  running: z.array(Question),
  latest: z.array(Question),
});
export type OpenBus = z.infer<typeof OpenBus>;

export const State = z.object({
  takenAtUs: Us,
  version: z.string(),
  status: z.enum(['ok', 'degraded', 'down']),
  ready: z.boolean(),
  inFlight: z.int().describe('queries that the bridge has taken, over whichever door'),
  engines: z.array(Engine),
  sessions: z.array(Session),
  warnings: z.array(Warning),
  bus: z.union([
    OpenBus,
    z.object({ at: z.literal('none') }),
    z.object({ at: z.literal('lost'), file: z.string(), why: z.string() }),
  ]),
});
export type State = z.infer<typeof State>;

const whole = (least: number, most: number) => z.coerce.number().int().min(least).max(most);
/** Message ids. */
const Id = whole(1, Number.MAX_SAFE_INTEGER);

/** How far back a chart goes, in minutes. */
export const WINDOWS = ['15', '60', '360', '1440'] as const;

export const SeriesQuery = z.object({ minutes: z.enum(WINDOWS).default('60') });
export const SeriesReply = z.object({
  stepUs: z.number(),
  knownFromUs: Us,
  points: z.array(
    z.object({ atUs: Us, complete: z.int(), failed: z.int(), totalMs: Quantiles.optional() }),
  ),
});
export type SeriesReply = z.infer<typeof SeriesReply>;

/** The words of the bus, `LISTED_STATUSES`. */
export const STATUSES = [
  'pending',
  'processing',
  'expired',
  'complete',
  'failed',
  'timeout',
  'cancelled',
  'ignored',
  'dead',
] as const;

/** Conversations are named by other programs: the length alone is checked. */
const ConversationId = z.string().min(1).max(200);

export const ListQuery = z.object({
  status: z
    .string()
    .transform((text) => text.split(','))
    .pipe(z.array(z.enum(STATUSES)).max(STATUSES.length))
    .optional()
    .describe('status words with commas between; all without it'),
  conversation: ConversationId.optional(),
  before: Id.optional().describe('only questions with a lower message id'),
  limit: whole(1, 200).default(50),
});
export const QuestionPage = z.object({
  takenAtUs: Us,
  questions: z.array(Question),
  nextBeforeId: z.int().optional(),
});
export type QuestionPage = z.infer<typeof QuestionPage>;

export const DeadQuery = z.object({
  before: Id.optional(),
  limit: whole(1, 200).default(50),
});
const DeadLetter = z.object({
  questionId: z.int(),
  conversationId: z.string(),
  outcome: z.enum(['dead', 'failed']),
  code: z.string().optional(),
  engine: z.string().optional(),
  attempts: z.int(),
  seenAtUs: Us,
  endedAtUs: Us,
  redrivenAs: z.int().optional(),
  question: z.string().optional(),
});
export const DeadPage = z.object({
  takenAtUs: Us,
  letters: z.array(DeadLetter),
  nextBeforeId: z.int().optional(),
});
export type DeadPage = z.infer<typeof DeadPage>;

const Attempt = z.looseObject({
  attempt: z.int(),
  outcome: z.string(),
  engine: z.string().optional(),
  errorCode: z.string().optional(),
  errorMessage: z.string().optional(),
  claimedAtUs: Us,
  startedAtUs: Us.optional(),
  firstByteAtUs: Us.optional(),
  finishedAtUs: Us,
  inputTokens: z.int().optional(),
  outputTokens: z.int().optional(),
});

const Waits = z.union([
  z.object({ for: z.literal('turn'), behindId: z.int() }),
  z.object({ for: z.literal('parents'), ids: z.array(z.int()) }),
  z.object({ for: z.literal('delay'), untilUs: Us, error: z.string().optional() }),
  z.object({
    for: z.literal('engine'),
    engine: z.string(),
    untilUs: Us.optional(),
    code: z.string(),
    message: z.string(),
  }),
  z.object({ for: z.literal('worker') }),
]);
export type Waits = z.infer<typeof Waits>;

export const Details = z.object({
  takenAtUs: Us,
  messageId: z.int(),
  conversationId: z.string(),
  conversation: z.enum(['open', 'expired', 'gone']),
  status: z.string(),
  errorCode: z.string().optional(),
  text: z.string().optional().describe('the question; absent when its row is gone'),
  asked: z
    .looseObject({ contextFile: z.string().optional(), model: z.string().optional() })
    .optional(),
  seenAtUs: Us.optional(),
  finishedAtUs: Us.optional(),
  ageMs: Ms.optional(),
  waits: Waits.optional(),
  processing: z
    .object({ attempt: z.int(), owner: z.string(), sinceUs: Us, leaseUntilUs: Us })
    .optional(),
  attempts: z.array(Attempt),
  answer: z
    .object({ text: z.string(), sources: z.array(z.string()), isError: z.boolean() })
    .optional(),
  redrivenAs: z.int().optional(),
  redriveOf: z.int().optional(),
});
export type Details = z.infer<typeof Details>;

export const Acted = z.object({
  outcome: z.string(),
  againId: z.int().optional(),
  why: z.string().optional(),
});
export type Acted = z.infer<typeof Acted>;

const Timeout = z.object({
  conversationId: z.string().describe('empty: every conversation'),
  engine: z.string().describe('empty: every engine'),
  samples: z.int(),
  p50Ms: Ms.nullable(),
  p95Ms: Ms.nullable(),
  p99Ms: Ms.nullable(),
  maxMs: Ms.nullable(),
  currentMs: Ms,
  source: z.enum(['set', 'adaptive', 'setting']),
  suggestedMs: Ms.optional(),
  verdict: z.enum(['NO_DATA', 'TOO_LOW', 'TOO_HIGH', 'OK']),
  plannedMs: Ms.optional().describe('what one click sets; absent when nothing ought to change'),
});
export const Timeouts = z.object({
  days: z.int(),
  takenAtUs: Us.describe('when the turns were looked at'),
  settingMs: Ms.describe('what holds where no time-out was set'),
  timeouts: z.array(Timeout),
});
export type Timeouts = z.infer<typeof Timeouts>;

export const TimeoutChanges = z.object({
  changes: z
    .array(
      z.object({
        conversationId: z.string().max(200),
        engine: z.string().max(256),
        timeoutMs: z.int().min(1).max(86_400_000).nullable().describe('null takes it away'),
      }),
    )
    .min(1)
    .max(500),
});
export const Changed = z.object({ changed: z.int() });
