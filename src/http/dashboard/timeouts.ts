/** Time-outs as they are, and what the turns of the last days say they ought to be. */
import {
  type Bounds,
  changeTimeouts,
  DAY_US,
  type Latency,
  latencySelect,
  planApply,
  readTimeouts,
  recommend,
  type SqliteBus,
  selectAside,
  type TimeoutChange,
} from '../../bus/index.js';
import type { Clock } from '../../clock.js';

export interface TimeoutSettings {
  /** What holds where no time-out was set, in milliseconds. */
  readonly settingMs: number;
  readonly bounds: Bounds;
}

/** The turns of so many days are looked at. */
const DAYS = 7;
/** To sort them takes a moment, in a process of its own: pages share what was found so long. */
const SHARED_MS = 30_000;
/** Rows that are listed; those with something to change go first, then those with most turns. */
const MOST_ROWS = 300;

interface Found {
  readonly bus: SqliteBus;
  readonly atMs: number;
  readonly atUs: number;
  readonly latencies: Promise<Latency[]>;
}

export class TimeoutAdvice {
  readonly #settings: TimeoutSettings;
  readonly #clock: Clock;
  readonly #stopping: AbortSignal;
  #found: Found | undefined;

  /** @param stopping ends a look that is under way */
  constructor(settings: TimeoutSettings, clock: Clock, stopping: AbortSignal) {
    this.#settings = settings;
    this.#clock = clock;
    this.#stopping = stopping;
  }

  async list(bus: SqliteBus): Promise<object> {
    const { settingMs, bounds } = this.#settings;
    const found = this.#look(bus);
    const latencies = await found.latencies;
    const table = bus.read((db) => readTimeouts(db, bus.session));
    const all = recommend(latencies, table, settingMs);
    const planned = new Map(
      planApply(all, bounds).map((each) => [keyOf(each), each.timeoutMs] as const),
    );
    const timeouts = all
      .map((each) => ({ ...each, plannedMs: planned.get(keyOf(each)) }))
      .sort((one, other) => weight(other) - weight(one) || other.samples - one.samples)
      .slice(0, MOST_ROWS);
    return { days: DAYS, takenAtUs: found.atUs, settingMs, timeouts };
  }

  async change(
    bus: SqliteBus,
    changes: readonly { conversationId: string; engine: string; timeoutMs: number | null }[],
  ): Promise<number> {
    const wanted = changes.map(
      (each): TimeoutChange => ({ ...each, timeoutMs: each.timeoutMs ?? undefined }),
    );
    return await changeTimeouts(bus, wanted, 'set');
  }

  #look(bus: SqliteBus): Found {
    const atMs = this.#clock.monotonicMs();
    const last = this.#found;
    if (last !== undefined && last.bus === bus && atMs - last.atMs < SHARED_MS) return last;
    const atUs = this.#clock.wallUs();
    const select = latencySelect(bus.session, atUs - DAYS * DAY_US, atUs);
    const latencies = selectAside<Latency>(bus.file, [select], this.#stopping).then(
      ([rows]) => rows ?? [],
    );
    const found = { bus, atMs, atUs, latencies };
    this.#found = found;
    // What failed is not shared.
    latencies.catch(() => {
      if (this.#found === found) this.#found = undefined;
    });
    return found;
  }
}

function weight({ plannedMs }: { readonly plannedMs: number | undefined }): number {
  return plannedMs === undefined ? 0 : 1;
}

function keyOf({ conversationId, engine }: { conversationId: string; engine: string }): string {
  return `${conversationId}\n${engine}`;
}
