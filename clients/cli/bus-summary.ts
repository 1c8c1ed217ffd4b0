/** What `autopoll --once` did: the bus's own counts, before and after. */
import { type BusInspection, inspectBus } from '../../src/bus/index.js';

const COUNTS = ['complete', 'failed', 'dead', 'ignored', 'orphaned', 'stale'] as const;

export type Summary = Readonly<
  Record<(typeof COUNTS)[number] | 'pending' | 'leased' | 'expired', number>
>;

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

export function summaryText(summary: Summary): string {
  const { complete, failed, dead, ignored, orphaned, expired } = summary;
  const parts = [
    `${complete} answered`,
    `${failed + dead} answered with an error`,
    `${ignored} ignored`,
    ...(orphaned > 0 ? [`${orphaned} dropped, their conversation is gone`] : []),
    ...(expired > 0 ? [`${expired} left in expired conversations (--include-expired)`] : []),
  ];
  return parts.join(', ');
}
