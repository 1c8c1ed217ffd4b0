/** What `autopoll --once` did: the bus's own counts, before and after. */
import { type BusInspection, inspectBus } from '../../src/bus/index.js';

const COUNTS = ['complete', 'failed', 'dead', 'ignored', 'orphaned', 'stale'] as const;

type Summary = Readonly<Record<(typeof COUNTS)[number] | 'pending' | 'leased' | 'expired', number>>;

/** Takes the counts of now; what it returns gives what was added until then, and what is left. */
export function startSummary(file: string, session: 'a' | 'b'): () => Summary {
  const before = inspectBus(file, session);
  return () => {
    const after = inspectBus(file, session);
    const { pending, leased, expired } = after;
    return { ...added(before, after), pending, leased, expired };
  };
}

function added(before: BusInspection, after: BusInspection) {
  const counts = COUNTS.map((name) => [name, after[name] - before[name]] as const);
  return Object.fromEntries(counts) as Record<(typeof COUNTS)[number], number>;
}

/** Counts for people, by the names that programs get them by. */
export function countsText<K extends string>(
  counts: Readonly<Record<K, number>>,
  names: readonly K[],
): string {
  return names.map((name) => `${counts[name]} ${name}`).join(', ');
}

export function summaryText(summary: Summary): string {
  const { orphaned, expired } = summary;
  const parts = [
    countsText(summary, ['complete', 'failed', 'dead', 'ignored']),
    ...(orphaned > 0 ? [`${orphaned} orphaned, their conversation is gone`] : []),
    ...(expired > 0 ? [`${expired} expired, left alone (--include-expired)`] : []),
  ];
  return parts.join(', ');
}
