/** What the page shows of this moment: bridge and bus in one look. */
import type { Bridge } from '../../bridge/index.js';
import { BusError, listQuestions, overviewOf, type SqliteBus } from '../../bus/index.js';
import type { Clock } from '../../clock.js';
import { VERSION } from '../../version.js';
import { warningsIn } from './warnings.js';

export interface SnapshotSource {
  readonly bridge: Bridge;
  /** Undefined when the server has none. */
  readonly bus: BusAccess | undefined;
  readonly clock: Clock;
}

export interface BusAccess {
  readonly file: string;
  /** @throws BusError while it cannot be used */
  readonly open: () => Promise<SqliteBus>;
}

/** Rows of each list. */
const MOST_CONVERSATIONS = 200;
const MOST_RUNNING = 50;
const MOST_LATEST = 10;

export async function snapshot({ bridge, bus, clock }: SnapshotSource): Promise<object> {
  const { busFacts, warnings } = await busPart(bus, clock);
  const { status, ready, engines } = bridge.health();
  const stats = bridge.stats() as {
    readonly in_flight: number;
    readonly engines: Readonly<Record<string, { readonly latency_ms: object }>>;
  };
  return {
    takenAtUs: clock.wallUs(),
    version: VERSION,
    status,
    ready,
    inFlight: stats.in_flight,
    engines: engines.map((engine) => ({
      ...engine,
      latency_ms: stats.engines[String(engine.engine)]?.latency_ms,
    })),
    sessions: bridge.sessions(),
    warnings,
    bus: busFacts,
  };
}

async function busPart(access: BusAccess | undefined, clock: Clock) {
  if (access === undefined) return { busFacts: { at: 'none' }, warnings: [] };
  const { file } = access;
  try {
    const bus = await access.open();
    const nowUs = clock.wallUs();
    const { parks, workers, ...overview } = overviewOf(bus, MOST_CONVERSATIONS, nowUs);
    const running = listQuestions(bus, { statuses: ['processing'], limit: MOST_RUNNING }, clock);
    const latest = listQuestions(bus, { limit: MOST_LATEST }, clock);
    return {
      warnings: warningsIn({ parks, workers, stats: overview.stats }, nowUs),
      busFacts: {
        at: 'open',
        file,
        ...overview,
        workers: workers.map(({ state: _, ...worker }) => worker),
        running: running.questions,
        latest: latest.questions,
      },
    };
  } catch (error) {
    if (!(error instanceof BusError)) throw error;
    return { busFacts: { at: 'lost', file, why: error.message }, warnings: [] };
  }
}
