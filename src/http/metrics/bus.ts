/** The queue on the bus. One look for each time that it is asked, over unfinished questions alone. */
import { Counter, Gauge, type Registry } from 'prom-client';
import { BusError, type BusStats, type SqliteBus } from '../../bus/index.js';

export interface BusAccess {
  /** @throws BusError while it cannot be used */
  readonly open: () => Promise<SqliteBus>;
}

const QUEUE: readonly [name: string, help: string, value: (stats: BusStats) => number][] = [
  ['pending_questions', 'Questions that wait, for whatever.', ({ pending }) => pending],
  ['processing_questions', 'Questions that are being answered.', ({ leased }) => leased],
  ['delayed_questions', 'Pending questions that wait for a retry.', ({ delayed }) => delayed],
  ['waiting_questions', 'Pending questions that wait for others.', ({ waiting }) => waiting],
  ['expired_questions', 'Pending questions of expired conversations.', ({ expired }) => expired],
  [
    'oldest_age_seconds',
    'Age of the oldest pending question that may be answered; 0 when none.',
    ({ oldestPendingMs }) => oldestPendingMs / 1000,
  ],
];

const OUTCOMES = ['complete', 'failed', 'dead', 'ignored', 'orphaned'] as const;

/** @returns looks at the bus; what is told afterwards is what it found */
export function busMetrics(registry: Registry, bus: BusAccess): () => Promise<void> {
  const registers = [registry];
  let stats: BusStats | undefined;
  new Gauge({
    name: 'warmline_bus_up',
    help: 'Whether the bus can be used; without it the figures of the queue are left out.',
    registers,
    collect() {
      this.set(stats === undefined ? 0 : 1);
    },
  });
  for (const [name, help, value] of QUEUE) {
    new Gauge({
      name: `warmline_queue_${name}`,
      help,
      registers,
      collect() {
        if (stats === undefined) this.remove();
        else this.set(value(stats));
      },
    });
  }
  new Counter({
    name: 'warmline_questions_total',
    help: 'Questions of the bus that ended, since it was made.',
    labelNames: ['outcome'],
    registers,
    collect() {
      this.reset();
      for (const outcome of OUTCOMES) if (stats) this.inc({ outcome }, stats[outcome]);
    },
  });
  new Counter({
    name: 'warmline_stale_writes_total',
    help: 'Writes refused because their lease was no longer held.',
    registers,
    collect() {
      this.reset();
      if (stats === undefined) this.remove();
      else this.inc(stats.stale);
    },
  });
  return async () => {
    stats = await lookAt(bus);
  };
}

async function lookAt(bus: BusAccess): Promise<BusStats | undefined> {
  try {
    return (await bus.open()).stats();
  } catch (error) {
    if (error instanceof BusError) return undefined;
    throw error;
  }
}
