/**
 * Durations in buckets of about six per cent, from a microsecond to half an hour: a fixed two
 * kilobytes however many are counted, and a few nanoseconds to count one.
 */
const STEPS = 16;
const STEP_BITS = 4;
const MAX_US = 2 ** 31 - 1;
const BUCKETS = (31 - STEP_BITS + 1) * STEPS;

export class Histogram {
  readonly #buckets = new Float64Array(BUCKETS);
  #count = 0;
  #maxMs = 0;

  get count(): number {
    return this.#count;
  }

  get maxMs(): number {
    return this.#maxMs;
  }

  add(ms: number): void {
    const bucket = bucketOf(Math.min(Math.max(0, Math.floor(ms * 1000)), MAX_US));
    this.#buckets[bucket] = (this.#buckets[bucket] as number) + 1;
    this.#count += 1;
    if (ms > this.#maxMs) this.#maxMs = ms;
  }

  /** The duration, in milliseconds, that a share `q` of all stays below; undefined when empty. */
  quantile(q: number): number | undefined {
    if (this.#count === 0) return undefined;
    const rank = Math.ceil(this.#count * q);
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      seen += this.#buckets[bucket] as number;
      if (seen >= rank) return Math.min(endOfUs(bucket) / 1000, this.#maxMs);
    }
    return this.#maxMs;
  }
}

function bucketOf(us: number): number {
  if (us < STEPS) return us;
  const shift = 31 - Math.clz32(us) - STEP_BITS;
  return (shift + 1) * STEPS + ((us >> shift) & (STEPS - 1));
}

function endOfUs(bucket: number): number {
  if (bucket < STEPS) return bucket + 1;
  const shift = Math.floor(bucket / STEPS) - 1;
  return (STEPS + (bucket % STEPS) + 1) * 2 ** shift;
}
