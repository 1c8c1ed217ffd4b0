export interface Quantiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** Of nearest rank; undefined when there are no values. */
export function quantiles(values: readonly number[]): Quantiles | undefined {
  const sorted = values.toSorted((one, other) => one - other);
  const at = (percent: number) => sorted[Math.ceil((sorted.length * percent) / 100) - 1] ?? 0;
  return sorted.length === 0 ? undefined : { p50: at(50), p95: at(95), p99: at(99) };
}
