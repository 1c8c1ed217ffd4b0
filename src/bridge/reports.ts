/** What is known, in the shape it has on the wire: snake_case, durations in milliseconds. */
import type { EngineStatus } from '../engines/index.js';
import type { Session } from '../sessions/index.js';
import type { BridgeHealth } from './contract.js';
import type { Desk } from './desk.js';
import type { Histogram } from './histogram.js';

export type DeskState = 'ok' | 'starting' | 'degraded' | 'down';

export function deskState({ engine, pool }: Desk): DeskState {
  const { warm, busy, starting } = pool.counts;
  const { health } = pool;
  if (health.at === 'quarantined' && warm + busy === 0) return 'down';
  const { auth, limit } = statusOf(engine);
  if (health.at !== 'well' || auth === 'failed' || limit.state === 'limited') return 'degraded';
  return warm + busy === 0 && starting > 0 ? 'starting' : 'ok';
}

export function overallStatus(
  states: readonly DeskState[],
  usual: DeskState,
): BridgeHealth['status'] {
  if (usual === 'down') return 'down';
  return states.every((state) => state === 'ok' || state === 'starting') ? 'ok' : 'degraded';
}

export function deskReport(desk: Desk, isDefault: boolean, nowMs: number): Record<string, unknown> {
  const { pool } = desk;
  const { warm, busy, starting, queued } = pool.counts;
  const { auth, limit } = statusOf(desk.engine);
  const { health, lastFault } = pool;
  return {
    engine: desk.name,
    model: desk.model,
    default: isDefault,
    state: deskState(desk),
    sessions: { warm, busy, starting, size: pool.limits.size },
    queued,
    last_failure:
      lastFault === undefined
        ? null
        : {
            code: lastFault.why.code,
            message: lastFault.why.message,
            ago_ms: rounded(nowMs - lastFault.atMs),
          },
    retry_in_ms: health.at === 'well' ? null : rounded(Math.max(0, health.untilMs - nowMs)),
    auth,
    limit: { state: limit.state, reset_at_ms: limit.resetAtMs ?? null },
  };
}

export function deskStats({ pool, tally }: Desk): Record<string, unknown> {
  const { warm, busy, starting, queued } = pool.counts;
  return {
    turns: pool.totals.turns,
    answered: tally.answered,
    failed: Object.fromEntries(tally.failed),
    queued,
    sessions: { warm, busy, starting },
    sessions_opened: pool.totals.opened,
    sessions_replaced: pool.totals.replaced,
    sessions_retired: pool.totals.retired,
    engine_faults: pool.totals.faults,
    latency_ms: quantiles(tally.latency),
    queued_ms: quantiles(tally.queued),
  };
}

export function sessionReport(
  desk: Desk,
  session: Session,
  nowMs: number,
): Record<string, unknown> {
  return {
    session: session.id,
    engine: desk.name,
    state: session.leaving ? 'leaving' : session.state.at,
    key: session.key ?? null,
    context: session.context?.name ?? null,
    turns: session.turns,
    age_ms: rounded(nowMs - session.openedMs),
    idle_ms: session.state.at === 'ready' ? rounded(nowMs - session.usedMs) : 0,
    pids: session.pids,
    memory_bytes: session.memoryBytes() ?? null,
  };
}

const UNKNOWN: EngineStatus = { auth: 'unknown', limit: { state: 'ok' } };

function statusOf(engine: { status(): EngineStatus }): EngineStatus {
  try {
    return engine.status();
  } catch {
    // A report is asked for when something is wrong: it must come whatever an adapter does.
    return UNKNOWN;
  }
}

function quantiles(histogram: Histogram): Record<string, number | null> {
  const at = (q: number) => {
    const ms = histogram.quantile(q);
    return ms === undefined ? null : rounded(ms);
  };
  return {
    p50: at(0.5),
    p95: at(0.95),
    p99: at(0.99),
    max: histogram.count === 0 ? null : rounded(histogram.maxMs),
  };
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
