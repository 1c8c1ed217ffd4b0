/** When a limit ends, as the headers of a refusal tell it: pure. */

/** A reset further away is not believed, in milliseconds: weekly limits are the longest there are. */
const MAX_WAIT_MS = 8 * 86_400_000;

export interface HeaderReader {
  get(name: string): string | null;
}

/** A kind of limit: what is left of it, and when it is whole again. */
interface Bucket {
  readonly left: string;
  readonly reset: string;
}

/**
 * - OpenAI and those like it: https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
 * - Anthropic: https://docs.anthropic.com/en/api/rate-limits#response-headers
 */
const BUCKETS: readonly Bucket[] = [
  ...['requests', 'tokens'].map((of) => ({
    left: `x-ratelimit-remaining-${of}`,
    reset: `x-ratelimit-reset-${of}`,
  })),
  { left: 'x-ratelimit-remaining', reset: 'x-ratelimit-reset' },
  ...['requests', 'tokens', 'input-tokens', 'output-tokens'].map((of) => ({
    left: `anthropic-ratelimit-${of}-remaining`,
    reset: `anthropic-ratelimit-${of}-reset`,
  })),
  { left: 'anthropic-ratelimit-unified-remaining', reset: 'anthropic-ratelimit-unified-reset' },
];

/**
 * How long the server asks to wait, in milliseconds; undefined when it does not.
 * @param nowMs wall-clock milliseconds
 */
export function retryAfter(headers: HeaderReader, nowMs: number): number | undefined {
  const ms = plainNumber(headers.get('retry-after-ms'));
  return ms === undefined ? parseWait(headers.get('retry-after'), nowMs) : believed(ms);
}

/**
 * How long a limit lasts, in milliseconds: what the server asks for, else until the last of the
 * used-up limits is whole again. A server that does not say which is used up may mean any of them.
 *
 * @param nowMs wall-clock milliseconds
 * @returns undefined when the headers do not tell
 */
export function limitWait(headers: HeaderReader, nowMs: number): number | undefined {
  const asked = retryAfter(headers, nowMs);
  if (asked !== undefined) return asked;
  const waits = (buckets: readonly Bucket[]) =>
    buckets.flatMap(({ reset }) => parseWait(headers.get(reset), nowMs) ?? []);
  const usedUp = waits(BUCKETS.filter(({ left }) => plainNumber(headers.get(left)) === 0));
  const all = usedUp.length > 0 ? usedUp : waits(BUCKETS);
  return all.length === 0 ? undefined : Math.max(...all);
}

/**
 * Reads a time to wait: seconds (`30`, `1.5`), seconds since the epoch (`1795219200`), also in
 * milliseconds, a duration (`6m0s`, `20ms`, `1h2m3.5s`), or a date (RFC 3339, HTTP).
 *
 * @returns milliseconds from `nowMs`, 0 to 8 days; undefined when it is none, or further away
 */
export function parseWait(text: string | null, nowMs: number): number | undefined {
  if (text === null || text.length > 64) return undefined;
  const trimmed = text.trim();
  const seconds = plainNumber(trimmed);
  const wait =
    seconds !== undefined
      ? fromNumber(seconds, nowMs)
      : (fromDuration(trimmed) ?? fromDate(trimmed, nowMs));
  return wait === undefined ? undefined : believed(wait);
}

/** An engine that rests until an absurd time would rest for ever: better to try it now and then. */
function believed(waitMs: number): number | undefined {
  return waitMs > MAX_WAIT_MS ? undefined : Math.ceil(Math.max(0, waitMs));
}

/** A number of seconds this large is a point in time: as a wait it would be thirty years. */
const EPOCH_SECONDS = 1e9;
const EPOCH_MS = 1e12;

function fromNumber(number: number, nowMs: number): number {
  if (number >= EPOCH_MS) return number - nowMs;
  if (number >= EPOCH_SECONDS) return number * 1000 - nowMs;
  return number * 1000;
}

const UNIT_MS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1, us: 0.001, µs: 0.001 };
const DURATION = /^(?:\d{1,9}(?:\.\d{1,9})?(?:ms|us|µs|[dhms]))+$/;
const PART = /(\d+(?:\.\d+)?)(ms|us|µs|[dhms])/g;

function fromDuration(text: string): number | undefined {
  if (!DURATION.test(text)) return undefined;
  let sumMs = 0;
  for (const [, amount, unit] of text.matchAll(PART)) {
    sumMs += Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS];
  }
  return sumMs;
}

/** `Date.parse` alone takes almost any word with a digit in it for a date. */
const DATE = /^(?:\d{4}-\d\d-\d\dT\d\d:\d\d|[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d)/;

function fromDate(text: string, nowMs: number): number | undefined {
  const dateMs = DATE.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(dateMs) ? undefined : dateMs - nowMs;
}

function plainNumber(text: string | null): number | undefined {
  return text !== null && /^\d{1,16}(?:\.\d{1,9})?$/.test(text.trim()) ? Number(text) : undefined;
}
