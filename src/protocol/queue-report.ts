/**
 * What an autopoll says of the queue it works on, for people who look at the bridge. Sizes are
 * bounded and unknown fields are dropped: whatever is sent, a report is small and of this shape.
 */
import { z } from 'zod';

/** Most entries of each list in a report, and characters of each text. */
const MAX_REPORT_ENTRIES = 32;
const MAX_NAME_LENGTH = 256;
const MAX_TEXT_LENGTH = 300;

const Count = z.number().int().min(0);
/** A duration in milliseconds; a quarter of a million years is as good as for ever. */
const Ms = z.number().min(0).max(1e16);
/** Milliseconds since the epoch. */
const Moment = z.number().min(0).max(8.64e15);
const Name = z.string().max(MAX_NAME_LENGTH);
const Text = z.string().max(MAX_TEXT_LENGTH);
const listOf = <T extends z.ZodType>(item: T) => z.array(item).max(MAX_REPORT_ENTRIES);

/** Leases handed out again: they ran out, their owner was gone, or it could not be done. */
const Found = z.object({ expired: Count, gone: Count, failed: Count });

const Park = z.object({
  /** The `model` of the questions that wait; empty for those that name none. */
  engine: Name,
  code: Name,
  message: Text,
  since_ms: Moment,
  /** When the engine takes work again, and when it is tried; null when nobody knows. */
  until_ms: Moment.nullable(),
  next_try_ms: Moment,
  waiting: Count,
});

const Warning = z.object({
  kind: Name,
  /** Which engine, where it is about one; else empty. */
  subject: Name,
  severity: z.enum(['warning', 'severe']),
  message: Text,
  value: z.number(),
  limit: z.number(),
  age_ms: Ms,
});

export const QueueReport = z.object({
  /** The base name of the bus file, not its path. */
  db: z
    .string()
    .min(1)
    .max(255)
    .refine((name) => !/[/\\]/.test(name), 'must be a base name, not a path'),
  session: z.enum(['a', 'b']),
  pid: Count,
  /** Null when no pass has ended yet. */
  last_pass_age_ms: Ms.nullable(),
  next_pass_ms: Ms.max(3_600_000),
  found: Found,
  found_total: Found,
  active: Count,
  pending: Count,
  leased: Count,
  delayed: Count,
  waiting: Count,
  expired: Count,
  dead: Count,
  stale: Count,
  oldest_ms: Ms,
  parks: listOf(Park),
  warnings: listOf(Warning),
});
export type QueueReport = z.infer<typeof QueueReport>;
