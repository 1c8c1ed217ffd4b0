/** What is counted of each side as it happens; other figures are looked up. */
import type { BusStats } from './bus.js';

type Counts = Pick<BusStats, 'complete' | 'failed' | 'dead' | 'ignored' | 'orphaned' | 'stale'>;

/** @param counted what stands under a name, if anything does */
export function countsFrom(counted: (name: keyof Counts) => number | undefined): Counts {
  return {
    complete: counted('complete') ?? 0,
    failed: counted('failed') ?? 0,
    dead: counted('dead') ?? 0,
    ignored: counted('ignored') ?? 0,
    orphaned: counted('orphaned') ?? 0,
    stale: counted('stale') ?? 0,
  };
}
